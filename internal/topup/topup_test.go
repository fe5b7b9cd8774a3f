package topup_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/topup"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// fixture is auto top-up over its own database, with the sandbox as the payment provider.
type fixture struct {
	*testkit.Fixture
	*topup.Service
	provider *lossy
	billing  *billing.Service
	prices   func() *catalog.Catalog
	log      *slog.Logger
	stopped  []topup.Stopped // the arguments of Tell
	tellErr  error
}

// lossy is a sandbox that can lose the answers to charges.
type lossy struct {
	*sandbox.Provider
	mu   sync.Mutex
	lost bool
}

func (l *lossy) lose(lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = lost
}

func (l *lossy) Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error) {
	checkout, err := l.Provider.Charge(ctx, c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return payment.Checkout{}, errors.New("no answer")
	}
	return checkout, err
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{prices: catalog.Builtin, log: slog.New(slog.DiscardHandler)}
	f.Fixture = testkit.New(t,
		testkit.At(time.Date(2026, 11, 10, 9, 30, 0, 0, time.UTC)),
		testkit.Prices(func() *catalog.Catalog { return f.prices() }),
		testkit.Provider(func(p *sandbox.Provider) billing.Provider {
			f.provider = &lossy{Provider: p}
			return f.provider
		}))
	f.billing, f.Service = f.services(f.DB.Pool, f.Ledger)
	return f
}

func (f *fixture) services(pool *pgxpool.Pool, ledgerEngine *engine.Engine) (*billing.Service, *topup.Service) {
	prices := func() *catalog.Catalog { return f.prices() }
	bills := billing.New(pool, billing.Options{
		Ledger:   ledgerEngine,
		Prices:   prices,
		Provider: f.provider,
		BaseURL:  "http://credits.test",
		Clock:    f.Clock.Now,
		Log:      f.log,
	})
	return bills, topup.New(pool, topup.Options{
		Ledger:  ledgerEngine,
		Billing: bills,
		Prices:  prices,
		Clock:   f.Clock.Now,
		Log:     f.log,
		Tell: func(_ context.Context, _ uuid.UUID, s topup.Stopped) error {
			f.stopped = append(f.stopped, s)
			return f.tellErr
		},
	})
}

// account is a new account on Starter, with 200 tokens. With a card it has bought 100 more, and the card is
// stored.
func (f *fixture) account(card sandbox.Card) uuid.UUID {
	f.T.Helper()
	id := uuid.New()
	f.Must(f.Ledger.SetPlan(f.T.Context(), id, ledger.SetPlan{Plan: "starter"}))
	if card != "" {
		f.buy(id, card)
	}
	return id
}

func (f *fixture) buy(id uuid.UUID, card sandbox.Card) {
	f.T.Helper()
	p, _, err := f.billing.Start(f.T.Context(), id, uuid.NewString(),
		billing.StartParams{Pack: "pack_100", KeepMethod: true})
	f.Must(err)
	_, err = f.provider.PayWith(f.T.Context(), p.CheckoutURL[strings.LastIndex(p.CheckoutURL, "/")+1:], card)
	f.Must(err)
	_, err = f.billing.Refresh(f.T.Context(), id, p.ID)
	f.Must(err)
}

// agreed500 is the built-in pack of 500.
func agreed500() billing.Terms {
	return billing.Terms{
		Pack:   "pack_500",
		Tokens: 500 * tokens.One,
		Price:  money.Amount{Minor: 3900, Currency: "USD"},
	}
}

// below40 buys 500 for $39, up to three times and $150 a month.
func below40() topup.SaveParams {
	return topup.SaveParams{
		Threshold: 40 * tokens.One,
		Agreed:    agreed500(),
		Times:     3,
		Limit:     money.Amount{Minor: 15000, Currency: "USD"},
	}
}

func (f *fixture) save(id uuid.UUID) {
	f.T.Helper()
	f.Must(f.Save(f.T.Context(), id, below40()))
}

// spendTo spends all but this many tokens.
func (f *fixture) spendTo(id uuid.UUID, left int64) {
	f.T.Helper()
	a, err := f.Ledger.Account(f.T.Context(), id)
	f.Must(err)
	amount := a.Spendable - tokens.Amount(left)*tokens.One
	if amount == 0 {
		return
	}
	_, err = f.Ledger.Charge(f.T.Context(), id, uuid.NewString(),
		ledger.Charge{Feature: "auto_selling", Amount: &amount})
	f.Must(err)
}

// step runs through all accounts once.
func (f *fixture) step() {
	f.T.Helper()
	after, more := uuid.Nil, true
	var err error
	for more {
		after, more, err = f.Step(f.T.Context(), after)
		f.Must(err)
	}
}

func (f *fixture) wantSpendable(id uuid.UUID, want int64) {
	f.T.Helper()
	a, err := f.Ledger.Account(f.T.Context(), id)
	if err != nil || a.Spendable != tokens.Amount(want)*tokens.One {
		f.T.Errorf("%s tokens (%v), want %d", a.Spendable, err, want)
	}
}

func (f *fixture) overview(id uuid.UUID) topup.Overview {
	f.T.Helper()
	a, err := f.Ledger.Account(f.T.Context(), id)
	f.Must(err)
	o, err := f.Overview(f.T.Context(), &a)
	f.Must(err)
	return o
}

const autos = `select count(*) from purchases where auto and account = $1`

// It is off by default. When on, it buys a pack below the threshold, within the monthly limits.
func TestTheWholeWay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account(sandbox.CardGood)
	if o := f.overview(id); o.On || o.Set || !o.Kept.Any || o.Kept.Card != "Visa 4242" {
		t.Errorf("%+v", o)
	}
	f.spendTo(id, 10)
	f.step()
	f.wantSpendable(id, 10)
	f.save(id)
	f.step()
	f.wantSpendable(id, 510)
	o := f.overview(id)
	if o.Last == nil || o.Last.Status != billing.StatusCompleted || o.Last.Paid.Minor != 3900 || !o.Last.Auto ||
		o.Times != 1 || o.Spent.Minor != 3900 {
		t.Errorf("%+v", o)
	}
	h, err := f.Ledger.History(t.Context(), id, ledger.Filter{LotKinds: []ledger.LotKind{ledger.LotPurchase}}, 0, 10)
	if err != nil || h.Lines[0].Reason != "Auto top-up" || h.Lines[1].Reason != "" {
		t.Errorf("the history says %+v, %v", h.Lines, err)
	}
	for i := range 5 { // the second at once, which is too soon; then a third, and no more
		f.spendTo(id, 10)
		f.step()
		if i == 0 {
			f.wantSpendable(id, 10)
			if w := f.overview(id).Wait; w != topup.WaitCoolDown {
				t.Errorf("waits for %q", w)
			}
		}
		f.Clock.Advance(10 * time.Minute)
		f.step()
	}
	f.wantSpendable(id, 10)
	if n := f.Count(autos, id); n != 3 || f.overview(id).Wait != topup.WaitTimes {
		t.Errorf("%d purchases, waits for %q", n, f.overview(id).Wait)
	}
	f.Clock.Set(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) // the next month; the plan's allowance comes later
	f.step()
	f.wantSpendable(id, 510)
	f.Must(f.TurnOff(t.Context(), id))
	f.spendTo(id, 10)
	f.Clock.Advance(time.Hour)
	f.step()
	f.wantSpendable(id, 10)
}

// Fifty servers at the same moment buy one pack, even if its outcome stays unknown.
func TestFiftyServersBuyOnce(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		f := newFixture(t)
		id := f.account(sandbox.CardGood)
		f.save(id)
		f.spendTo(id, 10)
		f.provider.lose(lost)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, _, err := f.Step(context.Background(), uuid.Nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := f.Count(autos, id); n != 1 {
			t.Errorf("lost %t: %d purchases", lost, n)
		}
		f.Clock.Advance(time.Hour)
		f.step()
		if n := f.Count(autos, id); n != 1 {
			t.Errorf("lost %t: %d purchases after an hour", lost, n)
		}
		if f.overview(id).Wait != topup.WaitUnderWay && lost {
			t.Errorf("waits for %q", f.overview(id).Wait)
		}
		f.provider.lose(false)
		_, err := f.billing.Reconcile(t.Context())
		f.Must(err)
		f.wantSpendable(id, 510)
		if n := f.Count(`select count(*) from sandbox_sessions where id like 'pi_%'`); n != 1 {
			t.Errorf("lost %t: charged %d times", lost, n)
		}
	}
}

// Another server's purchase completes just before this one decides: the decision takes it into account.
func TestADecisionHoldsTheSettings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 10)
	tx, err := f.DB.Pool.Begin(t.Context())
	f.Must(err)
	_, err = tx.Exec(t.Context(), `select from topups where account = $1 for update`, id)
	f.Must(err)
	p := below40()
	order, err := f.billing.OrderAuto(t.Context(), tx, id,
		billing.AutoParams{Agreed: p.Agreed, Most: p.Limit.Minor})
	if err != nil || order == uuid.Nil {
		t.Fatal(order, err)
	}
	_, err = tx.Exec(t.Context(), `update purchases set status = 'completed', paid_minor = 3900, completed_at = created_at where id = $1`, order)
	f.Must(err)
	done := make(chan error)
	go func() {
		_, _, err := f.Step(context.Background(), uuid.Nil)
		done <- err
	}()
	const waiting = `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
	for end := time.Now().Add(time.Minute); f.Count(waiting) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the other server does not wait")
		}
	}
	f.Must(tx.Commit(t.Context()))
	f.Must(<-done)
	if n := f.Count(autos, id); n != 1 {
		t.Errorf("%d purchases", n)
	}
}

// A server crashes after it recorded the purchase and before the charge: another server charges it, once.
func TestAChargeThatNobodyMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 10)
	ctx, cancel := context.WithCancel(t.Context())
	f.Service = topup.New(f.DB.Pool, topup.Options{
		Ledger: f.Ledger,
		Prices: f.prices,
		Clock:  f.Clock.Now,
		Log:    slog.New(slog.DiscardHandler),
		Billing: billing.New(f.DB.Pool, billing.Options{
			Ledger:   f.Ledger,
			Prices:   f.prices,
			Provider: crashing{f.provider, cancel},
			Clock:    f.Clock.Now,
			Log:      slog.New(slog.DiscardHandler),
		}),
	})
	_, _, _ = f.Step(ctx, uuid.Nil)
	f.wantSpendable(id, 10)
	if n := f.Count(autos+` and status = 'pending'`, id); n != 1 {
		t.Fatalf("%d purchases wait", n)
	}
	f.step()
	f.Clock.Advance(3 * time.Minute)
	_, err := f.billing.Reconcile(t.Context())
	f.Must(err)
	f.wantSpendable(id, 510)
	if n := f.Count(autos, id); n != 1 {
		t.Errorf("%d purchases", n)
	}
}

// crashing ends the server just before a charge.
type crashing struct {
	*lossy
	die context.CancelFunc
}

func (f crashing) Charge(ctx context.Context, _ payment.Charge) (payment.Checkout, error) {
	f.die()
	return payment.Checkout{}, ctx.Err()
}

// A declined card stops it, with a reason and one e-mail, until the creator turns it on again.
func TestOffAfterADecline(t *testing.T) {
	t.Parallel()
	for card, want := range map[sandbox.Card]topup.Stop{
		sandbox.CardLater:   topup.StopDeclined,
		sandbox.CardConfirm: topup.StopConfirm,
	} {
		f := newFixture(t)
		id := f.account(card)
		f.save(id)
		f.spendTo(id, 10)
		f.Clock.Advance(time.Minute)
		f.tellErr = errors.New("the mail server is down")
		if _, _, err := f.Step(t.Context(), uuid.Nil); !errors.Is(err, f.tellErr) {
			t.Error(err)
		}
		stopped, is, err := f.Stopped(t.Context(), id)
		if err != nil || !is || stopped.Why != want || !stopped.At.Equal(f.Clock.Now()) {
			t.Errorf("%s: %+v, %t, %v", card, stopped, is, err)
		}
		o := f.overview(id)
		if o.On || o.Last == nil || o.Last.ID != stopped.Purchase || o.Last.Status != billing.StatusFailed ||
			o.Times != 0 || o.Spent.Minor != 0 {
			t.Errorf("%s: %+v", card, o)
		}
		f.tellErr = nil
		for range 3 {
			f.Clock.Advance(time.Hour)
			f.step()
		}
		if len(f.stopped) != 2 || f.stopped[0] != f.stopped[1] || f.stopped[0] != stopped {
			t.Errorf("%s: told %+v", card, f.stopped)
		}
		if n := f.Count(autos, id); n != 1 {
			t.Errorf("%s: %d attempts", card, n)
		}
		f.wantSpendable(id, 10)
		// It is turned on again with a good card.
		f.buy(id, sandbox.CardGood)
		f.spendTo(id, 10)
		f.save(id)
		if _, is, err := f.Stopped(t.Context(), id); is || err != nil {
			t.Error("still stopped", err)
		}
		f.step()
		f.wantSpendable(id, 510)
	}
}

// Other reasons to stop or wait, as stored.
func TestReasons(t *testing.T) {
	t.Parallel()
	cheaper := func(change func(*catalog.Pack)) func() *catalog.Catalog {
		return func() *catalog.Catalog {
			c := *catalog.Builtin()
			c.Packs = append([]catalog.Pack(nil), c.Packs...)
			change(&c.Packs[1])
			return &c
		}
	}
	for name, c := range map[string]struct {
		card sandbox.Card
		do   func(f *fixture, id uuid.UUID)
		stop topup.Stop
		wait topup.Wait
		left int64
	}{
		"no card is kept": {"", func(*fixture, uuid.UUID) {}, "", topup.WaitCard, 10},
		"a forgotten card": {sandbox.CardGood, func(f *fixture, id uuid.UUID) {
			f.Must(f.billing.Forget(t.Context(), id))
		}, "", topup.WaitCard, 10},
		"a dearer pack": {sandbox.CardGood, func(f *fixture, _ uuid.UUID) {
			f.prices = cheaper(func(p *catalog.Pack) { p.Price.Minor++ })
		}, topup.StopPrice, "", 10},
		"another currency": {sandbox.CardGood, func(f *fixture, _ uuid.UUID) {
			f.prices = cheaper(func(p *catalog.Pack) { p.Price.Currency = "EUR" })
		}, topup.StopPrice, "", 10},
		"a pack that is gone": {sandbox.CardGood, func(f *fixture, _ uuid.UUID) {
			f.prices = cheaper(func(p *catalog.Pack) { p.ID = "new" })
		}, topup.StopPack, "", 10},
		"a cheaper pack": {sandbox.CardGood, func(f *fixture, _ uuid.UUID) {
			f.prices = cheaper(func(p *catalog.Pack) { p.Price.Minor = 100 })
		}, "", "", 510},
		"a card that another customer's is": {sandbox.CardGood, func(f *fixture, _ uuid.UUID) {
			_, err := f.DB.Pool.Exec(t.Context(), `update payment_customers set customer = 'cus_other'`)
			f.Must(err)
		}, topup.StopDeclined, "", 10},
	} {
		f := newFixture(t)
		id := f.account(c.card)
		f.save(id)
		f.spendTo(id, 10)
		f.Clock.Advance(time.Second)
		c.do(f, id)
		f.step()
		o := f.overview(id)
		if o.Stopped.Why != c.stop || o.Wait != c.wait || o.On != (c.stop == "") {
			t.Errorf("%s: %+v", name, o)
		}
		f.wantSpendable(id, c.left)
	}
}

// A returned auto purchase is not repeated.
func TestAReturnedTopUpIsNotBoughtAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 10)
	f.step()
	_, _, err := f.billing.Return(t.Context(), id, f.overview(id).Last.ID, "k")
	f.Must(err)
	f.wantSpendable(id, 10)
	f.Clock.Advance(time.Hour)
	f.step()
	f.wantSpendable(id, 10)
	if o := f.overview(id); o.Stopped.Why != topup.StopReturned || o.Times != 1 || o.Spent.Minor != 3900 {
		t.Errorf("%+v", o)
	}
}

// All accounts get a turn, in as many steps as needed. A missing account does not block them.
func TestAllHaveTheirTurn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.DB.Pool.Exec(t.Context(), `insert into topups (account, enabled, threshold, pack, price_minor, currency, times, limit_minor, changed_at)
		select gen_random_uuid(), true, 1, 'pack_500', 3900, 'USD', 1, 3900, now() from generate_series(1, 1100)`)
	f.Must(err)
	var ids []uuid.UUID
	for range 7 {
		ids = append(ids, f.account(sandbox.CardGood))
		f.save(ids[len(ids)-1])
		f.spendTo(ids[len(ids)-1], 10)
	}
	f.step()
	for _, id := range ids {
		f.wantSpendable(id, 510)
	}
}

// Invalid settings are reported at their field.
func TestWhatCannotBeSet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account("")
	for name, c := range map[string]struct {
		set  func(p *topup.SaveParams)
		want string
	}{
		"nothing": {func(p *topup.SaveParams) {
			*p = topup.SaveParams{}
		}, "threshold pack times limit"},
		"no threshold":              {func(p *topup.SaveParams) { p.Threshold = 0 }, "threshold"},
		"a negative one":            {func(p *topup.SaveParams) { p.Threshold = -1 }, "threshold"},
		"as much as the pack":       {func(p *topup.SaveParams) { p.Threshold = 500 * tokens.One }, "threshold"},
		"just less than the pack":   {func(p *topup.SaveParams) { p.Threshold = 500*tokens.One - 1 }, ""},
		"no such pack":              {func(p *topup.SaveParams) { p.Agreed.Pack = "pack_7" }, "pack"},
		"another price":             {func(p *topup.SaveParams) { p.Agreed.Price.Minor-- }, "pack"},
		"another currency":          {func(p *topup.SaveParams) { p.Agreed.Price.Currency = "EUR" }, "pack"},
		"never":                     {func(p *topup.SaveParams) { p.Times = 0 }, "times"},
		"too often":                 {func(p *topup.SaveParams) { p.Times = 31 }, "times"},
		"every day":                 {func(p *topup.SaveParams) { p.Times = 30 }, ""},
		"less money than a pack":    {func(p *topup.SaveParams) { p.Limit.Minor = 3899 }, "limit"},
		"just a pack's":             {func(p *topup.SaveParams) { p.Limit.Minor = 3900 }, ""},
		"in another currency":       {func(p *topup.SaveParams) { p.Limit.Currency = "EUR" }, "limit"},
		"more than anybody pays":    {func(p *topup.SaveParams) { p.Limit.Minor = 1 << 40 }, "limit"},
		"nothing is wrong with it":  {func(*topup.SaveParams) {}, ""},
		"two things that are wrong": {func(p *topup.SaveParams) { p.Times, p.Limit.Minor = 99, 1 }, "times limit"},
	} {
		p := below40()
		c.set(&p)
		var fields []string
		for _, e := range f.Check(p) {
			fields = append(fields, e.Field)
		}
		err := f.Save(t.Context(), id, p)
		if got := strings.Join(fields, " "); got != c.want || (err == nil) != (c.want == "") ||
			(err != nil && problem.Of(err).Kind != problem.Unprocessable) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	if err := f.Save(t.Context(), uuid.New(), below40()); !errors.Is(err, ledger.ErrNoAccount) {
		t.Error("for an unknown account:", err)
	}
	none := topup.New(f.DB.Pool, topup.Options{
		Ledger:  f.Ledger,
		Prices:  f.prices,
		Clock:   f.Clock.Now,
		Billing: billing.New(f.DB.Pool, billing.Options{}),
	})
	if err := none.Save(t.Context(), id, below40()); !errors.Is(err, billing.ErrNotSetUp) {
		t.Error("without a provider:", err)
	}
}
