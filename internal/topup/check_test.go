package topup_test

import (
	"testing"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/topup"
)

// The limits of each setting, with the error of its field.
func TestWhichSettingsAreValid(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	most := topup.MostTimes * money.MaxPayment("USD").Minor
	for name, c := range map[string]struct {
		change func(p *topup.SaveParams)
		want   string
	}{
		"as it is":             {func(*topup.SaveParams) {}, ""},
		"no threshold":         {func(p *topup.SaveParams) { p.Threshold = 0 }, "threshold: Must be above zero."},
		"the least threshold":  {func(p *topup.SaveParams) { p.Threshold = 1 }, ""},
		"the most threshold":   {func(p *topup.SaveParams) { p.Threshold = 500*tokens.One - 1 }, ""},
		"too high a threshold": {func(p *topup.SaveParams) { p.Threshold = 500 * tokens.One }, "threshold: Must be less than the 500 tokens that the pack brings."},
		"no times":             {func(p *topup.SaveParams) { p.Times = 0 }, "times: Choose a number from 1 to 30."},
		"once":                 {func(p *topup.SaveParams) { p.Times = 1 }, ""},
		"the most times":       {func(p *topup.SaveParams) { p.Times = 30 }, ""},
		"too many times":       {func(p *topup.SaveParams) { p.Times = 31 }, "times: Choose a number from 1 to 30."},
		"the least money":      {func(p *topup.SaveParams) { p.Limit.Minor = 3900 }, ""},
		"too little money":     {func(p *topup.SaveParams) { p.Limit.Minor = 3899 }, "limit: Must be enough for one pack: at least $39.00."},
		"the most money":       {func(p *topup.SaveParams) { p.Limit.Minor = most }, ""},
		"too much money":       {func(p *topup.SaveParams) { p.Limit.Minor = most + 1 }, "limit: Must be at most " + money.Amount{Minor: most, Currency: "USD"}.String() + "."},
		"another currency":     {func(p *topup.SaveParams) { p.Limit.Currency = "EUR" }, "limit: Must be enough for one pack: at least $39.00."},
		"another price":        {func(p *topup.SaveParams) { p.Agreed.Price.Minor = 3800 }, "pack: This pack is 500 tokens for $39.00 now. Save again if that is fine."},
		"a pack that is not sold": {func(p *topup.SaveParams) {
			p.Agreed.Pack = "pack_7"
		}, "pack: Choose one of the list."},
		"a pack that is not sold, and no money": {func(p *topup.SaveParams) {
			p.Agreed.Pack, p.Limit.Minor = "pack_7", 0
		}, "pack: Choose one of the list. limit: Must be above zero."},
		"a pack that is not sold, and the least money": {func(p *topup.SaveParams) {
			p.Agreed.Pack, p.Limit.Minor = "pack_7", 1
		}, "pack: Choose one of the list."},
	} {
		p := below40()
		c.change(&p)
		if got := messages(f.Check(p)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A free pack cannot be bought automatically, one for a cent can.
func TestAPackForNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for price, want := range map[int64]string{
		0: "pack: This pack costs nothing, so it cannot be bought by itself.",
		1: "",
	} {
		f.prices = selling(func(p *catalog.Pack) { p.Price.Minor = price })
		pack, _ := f.prices().Pack("pack_500")
		p := below40()
		p.Agreed = billing.TermsOf(pack)
		if got := messages(f.Check(p)); got != want {
			t.Errorf("for %d: %q, want %q", price, got, want)
		}
	}
}

// The expiry of the tokens is part of the agreement.
func TestAPackIsNamedWithItsExpiry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for days, want := range map[int]string{
		0: "pack: This pack is 500 tokens for $39.00 now. Save again if that is fine.",
		1: "pack: This pack is 500 tokens for $39.00, which expire after a day now. Save again if that is fine.",
		2: "pack: This pack is 500 tokens for $39.00, which expire after 2 days now. Save again if that is fine.",
	} {
		f.prices = selling(func(p *catalog.Pack) { p.ExpiresDays = days })
		p := below40()
		p.Agreed.ExpiresDays = 3
		if got := messages(f.Check(p)); got != want {
			t.Errorf("%d days: %q, want %q", days, got, want)
		}
	}
}

// messages joins the errors' messages.
func messages(wrong []*problem.Error) (text string) {
	for i, e := range wrong {
		if i > 0 {
			text += " "
		}
		text += e.Field + ": " + e.Message
	}
	return text
}
