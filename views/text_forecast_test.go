package views

import (
	"testing"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

var fridayChrome = Layout{Now: friday, DisplayZone: time.UTC}

// A forecast says on what pace it rests, and nothing when there is none.
func TestForecastText(t *testing.T) {
	t.Parallel()
	amount := tokens.MustParse
	in := func(days int) time.Time { return friday.AddDate(0, 0, days) }
	next := &NextGrant{Amount: amount("200"), At: in(6)}
	for want, m := range map[string]OutlookModel{
		"": {
			RunsOut:  in(3),
			Next:     next,
			PaceDays: 7,
		},
		"At this week's pace (about 6.4 tokens a day) your tokens last until Tuesday; your plan resets on Thursday.": {
			PerDay:   amount("6.412345"),
			PaceDays: 7,
			RunsOut:  in(4),
			Next:     next,
		},
		"At this week's pace, today included (about 212 tokens a day) your tokens last until tomorrow.": {
			PerDay:    amount("211.7"),
			PaceDays:  8,
			WithToday: true,
			RunsOut:   in(1),
		},
		"At the pace of the last 3 days (about 1 token a day) your tokens last for more than three months.": {PerDay: amount("1.04"), PaceDays: 3},
		"At the pace of the last 3 days, today included (about 0.35 tokens a day) your tokens last beyond your plan's reset on Thursday.": {
			PerDay:    amount("0.351"),
			PaceDays:  3,
			WithToday: true,
			NextFirst: true,
			Next:      next,
		},
		"At this week's pace (about 0.01 tokens a day) your tokens last until 26 January 2027; your plan resets on Thursday.": {
			PerDay:   1,
			PaceDays: 7,
			RunsOut:  in(60),
			Next:     next,
		},
		"At this week's pace (about 40 tokens a day) your tokens last for less than an hour.": {
			PerDay:   amount("40"),
			PaceDays: 7,
			RunsOut:  friday.Add(20 * time.Minute),
			Next:     next,
		},
		"At this week's pace (about 40 tokens a day) your tokens last until today, 20:00; your plan resets on Thursday.": {
			PerDay:   amount("40"),
			PaceDays: 7,
			RunsOut:  friday.Add(6 * time.Hour),
			Next:     next,
		},
		"At this week's pace (about 40 tokens a day) your tokens last until 10 December; your plan resets on Thursday.": {
			PerDay:   amount("40"),
			PaceDays: 7,
			RunsOut:  in(13),
			Next:     next,
		},
		"At this week's pace (about 40 tokens a day) your tokens last until tomorrow; your plan resets today at 18:05.": {
			PerDay:   amount("40"),
			PaceDays: 7,
			RunsOut:  in(1),
			Next:     &NextGrant{At: friday.Add(4 * time.Hour)},
		},
	} {
		if got := Breakable(m.Forecast(fridayChrome)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (OutlookModel{
		PerDay:   amount("5"),
		PaceDays: 7,
		RunsOut:  friday,
		Next:     next,
	}).Forecast(fridayChrome); got != "" {
		t.Errorf("with nothing left: %q", got)
	}
}

func TestReminderText(t *testing.T) {
	t.Parallel()
	gone := friday.AddDate(0, 0, 4)
	for _, c := range []struct {
		m    OutlookModel
		e    ExpiryModel
		want string
	}{
		{OutlookModel{}, ExpiryModel{LotPromo, 12 * tokens.One, gone}, "12 gift tokens expire on Tuesday."},
		{
			OutlookModel{},
			ExpiryModel{LotAdjustment, tokens.One, friday.AddDate(0, 0, 1)},
			"1 gift token expires tomorrow.",
		},
		{
			OutlookModel{},
			ExpiryModel{LotPurchase, tokens.One / 2, gone.AddDate(0, 1, 0)},
			"0.5 bought tokens expire on 1 January 2027.",
		},
		{
			OutlookModel{PerDay: 1},
			ExpiryModel{LotPlan, tokens.MustParse("143.21"), gone},
			"About 143 plan tokens will expire unused on Tuesday.",
		},
	} {
		if got := Breakable(c.m.Reminder(fridayChrome, c.e)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestAdviceText(t *testing.T) {
	t.Parallel()
	usd := func(cents int64) money.Amount { return money.Amount{Minor: cents, Currency: "USD"} }
	tomorrow := NextGrant{Amount: 200 * tokens.One, At: friday.AddDate(0, 0, 1)}
	small := AdviceModel{
		Kind:       AdviceBuy,
		PackTokens: 100 * tokens.One,
		PackPrice:  usd(900),
	}
	covers, until := small, small
	covers.Covers, until.Until = true, friday.AddDate(0, 0, 3)
	for want, a := range map[string]AdviceModel{
		"Your 200 arrive tomorrow: you may not need a pack.": {Kind: AdviceWait, Next: tomorrow},
		"Your 200 arrive tomorrow and your tokens last until then: you may not need a pack.": {
			Kind:  AdviceWait,
			Next:  tomorrow,
			Lasts: true,
		},
		"If you buy, 100 tokens for $9.00 are enough until your next ones arrive.": covers,
		"If you buy, 100 tokens for $9.00 last until about Monday.":                until,
		"If you buy, 100 tokens for $9.00 are enough for now.":                     small,
		"Two packs a month cost $18.00. Pro is $10.00 a month more than your plan and gives you enough.": {
			Kind:     AdviceUpgrade,
			PlanName: "Pro",
			Extra:    usd(1000),
			Packs:    usd(1800),
			Count:    2,
		},
		"A pack a month costs $39.00. Pro is $10.00 a month more than your plan and gives you enough.": {
			Kind:     AdviceUpgrade,
			PlanName: "Pro",
			Extra:    usd(1000),
			Packs:    usd(3900),
			Count:    1,
		},
		"12 packs a month cost $99.00. Star is $9.00 a month more than your plan and gives you enough.": {
			Kind:     AdviceUpgrade,
			PlanName: "Star",
			Extra:    usd(900),
			Packs:    usd(9900),
			Count:    12,
		},
	} {
		if got := a.Text(fridayChrome); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What a button on the Plans page does is said before it is pressed, and there is no button that
// does nothing.
func TestPlanText(t *testing.T) {
	t.Parallel()
	plans := func(current, next int) PlansModel {
		m := PlansModel{
			Layout:    fridayChrome,
			Switch:    true,
			ResetsAt:  friday.AddDate(0, 0, 6),
			Spendable: 18 * tokens.One,
			Plans: []PlanModel{
				{Name: "Starter", Monthly: 200 * tokens.One},
				{Name: "Pro", Monthly: 400 * tokens.One},
				{Name: "Star", Monthly: 1000 * tokens.One},
			},
		}
		m.Plans[current].Current = true
		if next >= 0 {
			m.Plans[next].Next, m.NextPlan = true, m.Plans[next].Name
		}
		return m
	}
	for _, c := range []struct {
		m    PlansModel
		mine string
		want [3]string
	}{
		{plans(0, -1), "You're on Starter and have 18 tokens. Your next 200 arrive on Thursday.", [3]string{
			"/", "Change to Pro/Starts at once: 200 more tokens until they reset.",
			"Change to Star/Starts at once: 800 more tokens until they reset.",
		}},
		{plans(2, -1), "You're on Star and have 18 tokens. Your next 1,000 arrive on Thursday.", [3]string{
			"Change to Starter/Starts when your plan's tokens reset. Until then you keep Star.",
			"Change to Pro/Starts when your plan's tokens reset. Until then you keep Star.", "/",
		}},
		{plans(1, 0), "You're on Pro and have 18 tokens. Your next 200 arrive on Thursday.", [3]string{
			"/Your plan from Thu 3 Dec.", "Keep Pro/Keeping it takes the change to Starter back.",
			"Change to Star/Starts at once: 600 more tokens until they reset.",
		}},
	} {
		if got := c.m.mine(); got != c.mine {
			t.Errorf("%q, want %q", got, c.mine)
		}
		for i, p := range c.m.Plans {
			if got := Breakable(c.m.choice(p) + "/" + c.m.effect(p)); got != c.want[i] {
				t.Errorf("on %s, %s says %q, want %q", c.m.own().Name, p.Name, got, c.want[i])
			}
			p.URL = "/account/plan"
			hosted := c.m
			if hosted.Switch = false; (hosted.choice(p) == "") != (c.m.choice(p) == "") {
				t.Errorf("%s: the host's button says %q", p.Name, hosted.choice(p))
			}
			if p.URL = ""; hosted.choice(p) != "" {
				t.Errorf("%s: a button that leads nowhere", p.Name)
			}
		}
	}
	unpaid := plans(1, 0)
	unpaid.ResetsAt = time.Time{}
	if got := unpaid.effect(unpaid.Plans[2]); got != "Starts at once. Its tokens arrive when your plan is paid for." {
		t.Errorf("%q", got)
	}
	if got := unpaid.changed(); got != "Your plan will be Starter when your plan is paid for. Until then nothing changes." {
		t.Errorf("%q", got)
	}
	if got := unpaid.mine(); got != "You're on Pro and have 18 tokens. No more plan tokens arrive until your plan is paid for." {
		t.Errorf("%q", got)
	}
}
