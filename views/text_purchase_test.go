package views

import (
	"testing"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// A Sunday noon.
func backChrome() Layout {
	return Layout{Now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC), DisplayZone: time.FixedZone("", 3600)}
}

func back(minor int64, size, used tokens.Amount, daysAgo int) BackModel {
	return BackModel{
		Money:  money.Amount{Minor: minor, Currency: "USD"},
		Tokens: size * tokens.One,
		Used:   used * tokens.One,
		At:     backChrome().Now.AddDate(0, 0, -daysAgo),
	}
}

func TestWordsOfMoneyThatWentBack(t *testing.T) {
	t.Parallel()
	free := BackModel{
		Money:  money.Amount{Currency: "USD"},
		Tokens: 500 * tokens.One,
		At:     backChrome().Now,
	}
	undated := back(4000, 500, 0, 0)
	undated.At = time.Time{}
	for _, c := range []struct {
		name  string
		state PurchaseState
		back  BackModel
		left  tokens.Amount
		debt  tokens.Amount
		want  string
	}{
		{
			"refunded", PurchaseRefunded, back(4000, 500, 0, 5), 0, 0,
			"This purchase was refunded. Your $40.00 went back on Tuesday, and the 500 tokens with it. It may take your bank a few days to show it.",
		},
		{
			"refunded long ago", PurchaseRefunded, back(4000, 500, 0, 40), 0, 0,
			"This purchase was refunded. Your $40.00 went back on 13 October, and the 500 tokens with it.",
		},
		{
			"not dated", PurchaseRefunded, undated, 0, 0,
			"This purchase was refunded. Your $40.00 went back, and the 500 tokens with it.",
		},
		{
			"used", PurchaseRefunded, back(4000, 500, 120, 40), 0, 120,
			"This purchase was refunded. Your $40.00 went back on 13 October, and the 500 tokens with it. 120 of the tokens were used before that. 120 tokens are owed now, and will come off your next purchase.",
		},
		{
			"used, and one owed", PurchaseRefunded, back(4000, 500, 120, 40), 0, 1,
			"This purchase was refunded. Your $40.00 went back on 13 October, and the 500 tokens with it. 120 of the tokens were used before that. 1 token is owed now, and will come off your next purchase.",
		},
		{
			"used, and paid back since", PurchaseRefunded, back(4000, 500, 120, 40), 0, 0,
			"This purchase was refunded. Your $40.00 went back on 13 October, and the 500 tokens with it. 120 of the tokens were used before that; nothing is owed for them any more.",
		},
		{
			"partly", PurchasePartly, back(1000, 125, 0, 1), 0, 0,
			"Part of this was refunded. $10.00 of it went back yesterday, and 125 tokens with it. You now have 7.",
		},
		{
			"returned", PurchaseReturned, back(4000, 500, 0, 0), 0, 0,
			"Pack returned. Your $40.00 went back today, and the 500 tokens with it. It may take your bank a few days to show it.",
		},
		{
			"returned, and it was free", PurchaseReturned, free, 0, 0,
			"Pack returned. The 500 tokens went back today. Nothing was paid for them.",
		},
		{
			"disputed", PurchaseDisputed,
			BackModel{},
			380, 0,
			"This payment is disputed. Your bank is looking into this payment. Its 380 unused tokens wait until that is decided.",
		},
		{
			"disputed, and one is left", PurchaseDisputed,
			BackModel{},
			1, 0,
			"This payment is disputed. Your bank is looking into this payment. Its 1 unused token waits until that is decided.",
		},
		{
			"disputed, and all are used", PurchaseDisputed,
			BackModel{},
			0, 0,
			"This payment is disputed. Your bank is looking into this payment. All of its tokens were used before.",
		},
		{
			"disputed, and a part went back", PurchaseDisputed, back(1000, 125, 0, 0), 255, 0,
			"This payment is disputed. $10.00 of it went back today, and 125 tokens with it. Your bank is looking into this payment. Its 255 unused tokens wait until that is decided.",
		},
		{
			"lost", PurchaseLost, back(4000, 500, 0, 1), 0, 0,
			"Your bank took this payment back. Your $40.00 went back yesterday, and the 500 tokens with it.",
		},
		{
			"under way, and it was free", PurchaseReturning,
			BackModel{},
			0, 0,
			"Your return is under way. Its 500 tokens will go back. There is nothing more to do.",
		},
		{
			"under way", PurchaseReturning,
			BackModel{Money: money.Amount{Minor: 4100, Currency: "USD"}},
			0, 0,
			"Your return is under way. Your $41.00 will go back, and its 500 tokens wait until then. There is nothing more to do.",
		},
	} {
		m := PurchaseModel{
			Layout:  backChrome(),
			State:   c.state,
			Tokens:  500 * tokens.One,
			Price:   money.Amount{Minor: 4000, Currency: "USD"},
			Balance: 7 * tokens.One,
			Back:    c.back,
			Left:    c.left * tokens.One,
			Debt:    c.debt * tokens.One,
			Fresh:   true,
		}
		if got := Breakable(m.headline() + " " + m.text()); got != c.want {
			t.Errorf("%s:\n %q, want\n %q", c.name, got, c.want)
		}
	}
}

func TestReturnText(t *testing.T) {
	t.Parallel()
	m := ReturnModel{
		Until: time.Date(2026, 12, 6, 23, 30, 0, 0, time.UTC),
		Paid:  money.Amount{Minor: 4000, Currency: "USD"},
		Card:  "Visa 4242",
	}
	want := "You have used nothing of it. Until Monday 7 December, 00:30 you can return it: its tokens go back, and your $40.00 with them, to Visa 4242."
	if got := Breakable(m.text(backChrome())); got != want || m.label() != "Return it and get $40.00 back" {
		t.Errorf("%q, %q", got, m.label())
	}
	m.Paid.Minor, m.Card = 0, ""
	want = "You have used nothing of it. Until Monday 7 December, 00:30 you can return it: its tokens go back."
	if got := Breakable(m.text(backChrome())); got != want || m.label() != "Return it" {
		t.Errorf("%q, %q", got, m.label())
	}
}

func TestWhyTokensWentBackInTheHistory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause  ClawbackCause
		note   string
		amount tokens.Amount
		want   string
	}{
		{CauseReturn, "", -1, "Returned by you: the tokens went back with the money"},
		{CauseRefund, "", -1, "Payment refunded: the tokens went back with the money"},
		{CauseRefund, "a video failed", -1, "Payment refunded: the tokens went back with the money, a video failed"},
		{CauseRefund, "", 0, "Payment refunded: all of the tokens were used already"},
		{CauseDispute, "", -1, "Payment disputed and lost: the tokens went back with the money"},
		{CauseOwed, "", -1, "Owed tokens paid back: from a returned payment"},
		{"", "", -1, "Purchase taken back: the payment was returned"},
	} {
		r := HistoryRow{
			Kind:   EntryClawback,
			Source: LotPurchase,
			Cause:  c.cause,
			Note:   c.note,
			Amount: c.amount,
		}
		if got := r.Title() + ": " + r.Detail(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
