package topup_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/topup"
)

// selling is the built-in catalog with a changed pack of 500.
func selling(change func(p *catalog.Pack)) func() *catalog.Catalog {
	return func() *catalog.Catalog {
		c := *catalog.Builtin()
		c.Packs = append([]catalog.Pack(nil), c.Packs...)
		change(&c.Packs[1])
		return &c
	}
}

// A creator agreed to 500 tokens for $39 that never expire, below 40. Worse terms are not bought, and the
// reason is the pack, not debt. Better terms are bought.
func TestConsentIsToAllOfThePack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(p *catalog.Pack)
		stop   topup.Stop
		left   int64
	}{
		"45 tokens for as much":         {func(p *catalog.Pack) { p.Tokens = 45 * tokens.One }, topup.StopPrice, 10},
		"20 tokens, below the treshold": {func(p *catalog.Pack) { p.Tokens = 20 * tokens.One }, topup.StopPrice, 10},
		"a millionth less":              {func(p *catalog.Pack) { p.Tokens-- }, topup.StopPrice, 10},
		"a cent more":                   {func(p *catalog.Pack) { p.Price.Minor++ }, topup.StopPrice, 10},
		"as many euros":                 {func(p *catalog.Pack) { p.Price.Currency = "EUR" }, topup.StopPrice, 10},
		"they expire":                   {func(p *catalog.Pack) { p.ExpiresDays = 3650 }, topup.StopPrice, 10},
		"more tokens":                   {func(p *catalog.Pack) { p.Tokens = 600 * tokens.One }, "", 610},
		"a lower price":                 {func(p *catalog.Pack) { p.Price.Minor-- }, "", 510},
	} {
		f := newFixture(t)
		id := f.account(sandbox.CardGood)
		f.save(id)
		f.spendTo(id, 10)
		f.prices = selling(c.change)
		f.step()
		if o := f.overview(id); o.Stopped.Why != c.stop || o.On != (c.stop == "") {
			t.Errorf("%s: %+v", name, o)
		}
		f.wantSpendable(id, c.left)
		if n := f.Count(autos, id); (n == 0) != (c.stop != "") {
			t.Errorf("%s: %d were ordered", name, n)
		}
	}
}

// With an agreement to 90 days, 89 days are worse, and 91 or no expiry are better.
func TestConsentToAnExpiry(t *testing.T) {
	t.Parallel()
	agreed := billing.Terms{
		Pack:        "p",
		Tokens:      500 * tokens.One,
		Price:       money.Amount{Minor: 3900, Currency: "USD"},
		ExpiresDays: 90,
	}
	pack := catalog.Pack{
		ID:     "p",
		Tokens: agreed.Tokens,
		Price:  agreed.Price,
	}
	for days, want := range map[int]bool{
		0:  true,
		1:  false,
		89: false,
		90: true,
		91: true,
	} {
		pack.ExpiresDays = days
		if agreed.Allows(pack) != want {
			t.Errorf("%d days: %t", days, !want)
		}
	}
	if (billing.Terms{}).Allows(catalog.Pack{}) {
		t.Error("nothing was agreed to, and all is kept")
	}
	if pack.ID = "q"; agreed.Allows(pack) {
		t.Error("another pack is as good")
	}
}

// The terms change between the decision and the order: nothing is ordered.
func TestTermsThatChangeBeforeTheOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account(sandbox.CardGood)
	f.prices = selling(func(p *catalog.Pack) { p.Tokens = 45 * tokens.One })
	tx, err := f.DB.Pool.Begin(t.Context())
	f.Must(err)
	order, err := f.billing.OrderAuto(t.Context(), tx, id, billing.AutoParams{Agreed: agreed500(), Most: 3900})
	if order != uuid.Nil || err != nil {
		t.Error(order, err)
	}
	f.Must(tx.Rollback(t.Context()))
}

// saveAsBefore saves settings as the previous version did, which stored only the price.
func (f *fixture) saveAsBefore(id uuid.UUID, pack string, minor int64) {
	f.T.Helper()
	_, err := f.DB.Pool.Exec(f.T.Context(),
		`insert into topups (account, enabled, threshold, pack, price_minor, currency, times, limit_minor, changed_at)
		values ($1, true, 40000000, $2, $3, 'USD', 3, 15000, $4)
		on conflict (account) do update set enabled = true, pack = excluded.pack, price_minor = excluded.price_minor, changed_at = excluded.changed_at,
			stopped = '', stopped_at = null`, id, pack, minor, f.Clock.Now())
	f.Must(err)
}

// Old settings without tokens and expiry mean what the catalog sold then at that price.
func TestConsentFromBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prices func(f *fixture) func() *catalog.Catalog
		minor  int64
		stop   topup.Stop
		left   int64
	}{
		"unchanged": {func(*fixture) func() *catalog.Catalog { return catalog.Builtin }, 3900, "", 510},
		"at another price": {func(*fixture) func() *catalog.Catalog {
			return catalog.Builtin
		}, 4000, topup.StopPrice, 10},
		"a change, dated": {dated, 3900, topup.StopPrice, 10},
		"a pack not sold": {func(*fixture) func() *catalog.Catalog {
			return selling(func(p *catalog.Pack) { p.ID = "x" })
		}, 3900, topup.StopPack, 10},
		"over a newer saved": {func(*fixture) func() *catalog.Catalog { return catalog.Builtin }, 3900, "", 510},
	} {
		f := newFixture(t)
		id := f.account(sandbox.CardGood)
		if name == "over a newer saved" { // of another pack; its terms must not count for this one
			p := below40()
			p.Agreed = billing.TermsOf(catalog.Builtin().Packs[2])
			p.Limit.Minor = 100_000
			f.Must(f.Save(t.Context(), id, p))
			f.Clock.Advance(time.Minute)
		}
		f.saveAsBefore(id, "pack_500", c.minor)
		f.spendTo(id, 10)
		f.Clock.Advance(48 * time.Hour)
		f.prices = c.prices(f)
		f.step()
		if o := f.overview(id); o.Stopped.Why != c.stop {
			t.Errorf("%s: stopped %q", name, o.Stopped.Why)
		}
		f.wantSpendable(id, c.left)
	}
}

// dated is a catalog file with the date from which the pack has fewer tokens: after the settings were
// saved.
func dated(f *fixture) func() *catalog.Catalog {
	f.T.Helper()
	c, _, err := catalog.Parse("c.yaml", []byte(`version: v1
plans: [{id: starter, name: Starter, allowance: 200}]
features: [{id: auto_selling, name: Auto selling, one: sale, many: sales, pricing: metered, agent: true}]
packs:
  - {id: pack_100, name: A, tokens: 100, price: 9.00, currency: USD}
  - {id: pack_500, name: B, tokens: 500, price: 39.00, currency: USD, changes: [{from: 2026-11-11T00:00:00Z, tokens: 300}]}
`))
	f.Must(err)
	source := catalog.NewSource(c, f.Clock.Now)
	return source.InForce
}

// The limits of the monthly amount fit every pack on sale, in its currency.
func TestTheBoundsOfTheMonthsMoney(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		price money.Amount
		most  int64 // that can be set
	}{
		{money.Amount{Minor: 130_000_000, Currency: "IDR"}, 30 * 999_999_999_999},
		{money.Amount{Minor: 999_999_999_999, Currency: "IDR"}, 30 * 999_999_999_999},
		{money.Amount{Minor: 99_999_999, Currency: "USD"}, 30 * 99_999_999},
		{money.Amount{Minor: 999_999, Currency: "UGX"}, 30 * 999_999},
		{money.Amount{Minor: 5000, Currency: "KWD"}, 30 * 99_999_990},
	} {
		f := newFixture(t)
		f.prices = selling(func(p *catalog.Pack) { p.Price = c.price })
		for minor, fine := range map[int64]bool{
			c.price.Minor - 1:  false,
			c.price.Minor:      true,
			30 * c.price.Minor: true,
			c.most:             true,
			c.most + 1:         false,
		} {
			p := below40()
			p.Agreed.Price, p.Limit = c.price, money.Amount{Minor: minor, Currency: c.price.Currency}
			if wrong := f.Check(p); (len(wrong) == 0) != fine {
				t.Errorf("%s a month for packs of %s: %v", p.Limit, c.price, wrong)
			}
		}
	}
}
