package views

import (
	"testing"
	"time"

	"pop.store/credits/internal/tokens"
)

var friday = time.Date(2026, time.November, 27, 14, 5, 0, 0, time.UTC)

// The wording of copy.md: the badge, first match wins.
func TestBadgeText(t *testing.T) {
	t.Parallel()
	amount := tokens.MustParse
	for _, c := range []struct {
		model              BadgeModel
		state, word, label string
	}{
		{
			BadgeModel{Level: LevelEmpty, PausedAgents: 2},
			"empty", "Empty, 2 paused",
			"Balance: 0 tokens, empty, 2 paused",
		},
		{BadgeModel{Level: LevelEmpty, Spendable: amount("0.03")}, "empty", "Empty", "Balance: 0.03 tokens, empty"},
		{BadgeModel{
			Level:        LevelLow,
			Spendable:    amount("6"),
			PausedAgents: 2,
			Held:         amount("1"),
		}, "paused", "2 paused", "Balance: 6 tokens, 2 paused"},
		{BadgeModel{
			Level:     LevelLow,
			Spendable: amount("18"),
			Held:      amount("30"),
		}, "low", "Low", "Balance: 18 tokens, low"},
		{BadgeModel{Level: LevelLow, Spendable: amount("42.5")}, "low", "Low", "Balance: 42.5 tokens, low"},
		{BadgeModel{
			Level:     LevelOK,
			Spendable: amount("112"),
			Held:      amount("30"),
		}, "working", "30 in use", "Balance: 112 tokens, 30 in use"},
		{BadgeModel{Level: LevelOK, Spendable: amount("142")}, "ok", "", "Balance: 142 tokens"},
		{BadgeModel{Level: LevelOK, Spendable: amount("1")}, "ok", "", "Balance: 1 token"},
	} {
		if s := c.model.state(); s.Name != c.state || s.Word != c.word || c.model.Label() != c.label {
			t.Errorf("%+v: %+v, label %q; want %s, %q, label %q", c.model, s, c.model.Label(), c.state, c.word,
				c.label)
		}
	}
}

// htmx reads "2.5s" as a path of keys and then polls every 2 ms: the pause must be whole milliseconds.
func TestPollIsInWholeMilliseconds(t *testing.T) {
	t.Parallel()
	for every, want := range map[time.Duration]string{
		31415926 * time.Microsecond: "every 31415ms, credits-changed from:body",
		time.Microsecond:            "every 1ms, credits-changed from:body",
		0:                           "credits-changed from:body",
	} {
		if got := (BadgeModel{Every: every}).poll(); got != want {
			t.Errorf("%v: got %q, want %q", every, got, want)
		}
	}
}

func TestNoticeText(t *testing.T) {
	t.Parallel()
	next := &NextGrant{Amount: 200 * tokens.One, At: friday.AddDate(0, 0, 6)}
	few := []Equivalent{
		{
			Count:    1,
			Singular: "image",
			Plural:   "images",
		},
		{
			Count:    0,
			Singular: "PDF",
			Plural:   "PDFs",
		},
		{
			Count:    360,
			Singular: "reply",
			Plural:   "replies",
			About:    true,
		},
	}
	for _, c := range []struct {
		name  string
		model NoticeModel
		want  string
	}{
		{
			"low",
			NoticeModel{
				Level:       LevelLow,
				Spendable:   18 * tokens.One,
				NextGrant:   next,
				Equivalents: few,
				Forecast:    &Forecast{Who: "Comment Replies", At: friday.AddDate(0, 0, 4)},
			},
			"18 tokens left. At this week's pace, Comment Replies stops around Tuesday, 14:00. Your next 200 arrive Thursday.",
		},
		{
			"low, on the pace of a few days",
			NoticeModel{
				Level:     LevelLow,
				Spendable: 18 * tokens.One,
				Forecast: &Forecast{
					Who:  "PDF",
					At:   friday.AddDate(0, 0, 1),
					Days: 3,
				},
			},
			"18 tokens left. At the pace of the last 3 days, PDF stops around tomorrow, 14:00.",
		},
		{
			"low without a forecast",
			NoticeModel{
				Level:       LevelLow,
				Spendable:   18 * tokens.One,
				Equivalents: few,
			},
			"18 tokens left: 1 image or about 360 replies. ",
		},
		{
			"low, nothing known",
			NoticeModel{Level: LevelLow, Spendable: 18 * tokens.One},
			"18 tokens left. ",
		},
		{
			"empty",
			NoticeModel{
				Level:       LevelEmpty,
				Waiting:     2,
				NextGrant:   next,
				Equivalents: few,
			},
			"You're out of tokens. Your shop is open as usual. AI tools and agents are waiting for more tokens. Your next 200 arrive Thursday.",
		},
		{
			"remainder",
			NoticeModel{
				Level:     LevelEmpty,
				Waiting:   2,
				Spendable: tokens.MustParse("0.03"),
			},
			"0.03 tokens left, not enough for an AI tool. Your shop is open as usual. AI tools and agents are waiting for more tokens.",
		},
	} {
		if got := c.model.Lead() + " " + c.model.Rest(Layout{Now: friday}); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestPurchaseText(t *testing.T) {
	t.Parallel()
	m := PurchaseModel{
		Fresh:   true,
		Tokens:  500 * tokens.One,
		Balance: 518 * tokens.One,
		Resumed: []ResumedModel{{
			Name:   "Comment Replies",
			For:    "comments",
			Missed: 38,
		}},
	}
	for state, want := range map[PurchaseState]string{
		PurchaseProcessing: "Confirming your payment. Your tokens will appear here. No need to pay again.",
		PurchaseSlow:       "Taking longer than usual. Safe to close; we'll e-mail you.",
		PurchasePaid:       "500 tokens added. You now have 518. Comment Replies is back on, for new comments. The 38 from the pause weren't answered.",
		PurchaseFailed:     "Your payment didn't go through. No tokens were added.",
		PurchaseCancelled:  "Checkout closed. Nothing was bought.",
	} {
		m.State = state
		if got := m.headline() + " " + m.text(); got != want {
			t.Errorf("%s: got %q, want %q", state, got, want)
		}
	}
	old := PurchaseModel{
		State:   PurchasePaid,
		Tokens:  500 * tokens.One,
		Balance: 518 * tokens.One,
		At:      friday.AddDate(0, 0, -24),
		Layout:  Layout{Now: friday},
	}
	if got := Breakable(old.headline() + " " + old.text()); got != "500 tokens added. Bought on 3 November." {
		t.Errorf("old: got %q", got)
	}
	m.State, m.Owed, m.Balance, m.Resumed = PurchasePaid, 120*tokens.One, 398*tokens.One,
		[]ResumedModel{{Name: "A"}, {Name: "B"}, {Name: "C"}}
	want := "380 tokens added. 500 − 120 owed from a returned payment = 380 tokens. You now have 398. A, B and C are back on, for new requests. Those from the pause weren't answered."
	if got := m.headline() + " " + m.text(); got != want {
		t.Errorf("owed: got %q, want %q", got, want)
	}
}

func TestHistoryText(t *testing.T) {
	t.Parallel()
	one := tokens.One
	for _, c := range []struct {
		row                   HistoryRow
		title, detail, change string
	}{
		{HistoryRow{
			Kind:     EntryCharge,
			Feature:  "Comment Replies",
			Quantity: 184,
			Unit:     "replies",
			Amount:   -one * 92 / 10,
		}, "Comment Replies", "184 replies", "−9.2"},
		{HistoryRow{
			Kind:     EntryCharge,
			Feature:  "PDF",
			Agent:    "Deal Finder",
			Quantity: 1,
			Unit:     "PDFs",
			Amount:   -75 * one,
		}, "PDF", "by Deal Finder", "−75"},
		{HistoryRow{
			Kind:    EntryHold,
			Feature: "Video",
			Held:    30 * one,
		}, "Video", "in use, not charged yet", "30 held"},
		{HistoryRow{
			Kind:    EntryRefund,
			Feature: "PDF",
			Amount:  75 * one,
		}, "PDF", "tokens returned", "+75"},
		{HistoryRow{
			Kind:   EntryGrant,
			Source: LotPurchase,
			Amount: 100 * one,
		}, "Bought 100 tokens", "", "+100"},
		{HistoryRow{
			Kind:       EntryGrant,
			Source:     LotPlan,
			SourceName: "Pro plan",
			Amount:     400 * one,
		}, "Pro plan tokens", "your monthly tokens arrived", "+400"},
		{HistoryRow{
			Kind:   EntryGrant,
			Source: LotPromo,
			Amount: 5 * one,
			Note:   "sorry for the wait",
		}, "Gift", "sorry for the wait", "+5"},
		{HistoryRow{
			Kind:   EntryGrant,
			Source: LotAdjustment,
			Amount: 5 * one,
		}, "Adjustment", "", "+5"},
		{HistoryRow{
			Kind:   EntryExpiry,
			Source: LotPlan,
			Amount: -6 * one,
		}, "Plan tokens expired", "", "−6"},
		{HistoryRow{
			Kind:   EntryClawback,
			Source: LotPurchase,
			Amount: -100 * one,
		}, "Purchase taken back", "the payment was returned", "−100"},
		{HistoryRow{Kind: EntryRelease, Amount: 0}, "AI tool", "not charged, tokens released", "0"},
	} {
		if c.row.Title() != c.title || c.row.Detail() != c.detail || c.row.Change() != c.change {
			t.Errorf("%+v: %q, %q, %q", c.row, c.row.Title(), c.row.Detail(), c.row.Change())
		}
	}
}

func TestVersionFollowsWhatIsShown(t *testing.T) {
	t.Parallel()
	c := Layout{Now: friday, Badge: &BadgeModel{
		Level:     LevelLow,
		Spendable: 18 * tokens.One,
		Every:     time.Second,
	}}
	version := c.Version()
	pace := *c.Badge
	pace.Every = time.Minute
	if (Layout{Now: friday, Badge: &pace}).Version() != version {
		t.Error("a new pace alone is a new version")
	}
	c.Notice = &NoticeModel{
		Level:     LevelLow,
		Spendable: 18 * tokens.One,
		NextGrant: &NextGrant{Amount: tokens.One, At: friday.AddDate(0, 0, 2)},
	}
	shown := c.Version()
	if shown == version {
		t.Error("a notice that appears is not a new version")
	}
	c.Now = c.Now.AddDate(0, 0, 1)
	if c.Version() == shown {
		t.Error(`"Sunday" became "tomorrow" without a new version`)
	}
}

func TestSharesFillTheBar(t *testing.T) {
	t.Parallel()
	lots := []LotModel{{Spendable: tokens.MustParse("0.05")}, {Spendable: 1000 * tokens.One}, {Spendable: tokens.One}}
	parts := shares(lots)
	if len(parts) != 3 || parts[0].width < "1" || parts[0].x != "0.00" {
		t.Errorf("got %+v", parts)
	}
	if shares(nil) != nil {
		t.Error("a bar of nothing has pieces")
	}
}
