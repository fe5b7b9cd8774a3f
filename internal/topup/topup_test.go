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
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/internal/topup"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// desk is auto top-up over a database of its own, with the sandbox as its provider, on a clock that
// stands still.
type desk struct {
	*topup.Service
	t        *testing.T
	db       testdb.DB
	pool     *pgxpool.Pool
	clock    *clock.Manual
	books    *engine.Engine
	provider *lossy
	billing  *billing.Service
	prices   func() *catalog.Catalog
	log      *slog.Logger
	told     []topup.Stopped
	tellErr  error
}

// lossy is the sandbox, whose answers to charges can be lost.
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

func newDesk(t *testing.T) *desk {
	t.Helper()
	database := testdb.Open(t)
	d := &desk{
		t:      t,
		db:     database,
		pool:   database.Pool,
		clock:  clock.NewManual(time.Date(2026, 11, 10, 9, 30, 0, 0, time.UTC)),
		prices: catalog.Builtin,
	}
	d.log = slog.New(slog.DiscardHandler)
	prices := func() *catalog.Catalog { return d.prices() }
	d.books = engine.New(d.pool, engine.Options{
		Clock:  d.clock.Now,
		Prices: prices,
		Log:    d.log,
	})
	t.Cleanup(d.books.Close)
	d.provider = &lossy{Provider: sandbox.New(d.pool, sandbox.Options{
		Clock:   d.clock.Now,
		BaseURL: "http://credits.test",
		Secret:  "s",
		Log:     d.log,
	})}
	d.billing, d.Service = d.services(d.pool, d.books)
	return d
}

// services are billing and top-up over a pool and a ledger.
func (d *desk) services(pool *pgxpool.Pool, books *engine.Engine) (*billing.Service, *topup.Service) {
	prices := func() *catalog.Catalog { return d.prices() }
	bills := billing.New(pool, billing.Options{
		Ledger:         books,
		Prices:         prices,
		Provider:       d.provider,
		WebhookSecrets: []string{"s"},
		BaseURL:        "http://credits.test",
		Clock:          d.clock.Now,
		Log:            d.log,
	})
	return bills, topup.New(pool, topup.Options{
		Ledger:  books,
		Billing: bills,
		Prices:  prices,
		Clock:   d.clock.Now,
		Log:     d.log,
		Tell: func(_ context.Context, _ uuid.UUID, s topup.Stopped) error {
			d.told = append(d.told, s)
			return d.tellErr
		},
	})
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// account is a new one on Starter, with 200 tokens; with a card it has bought 100 more, and the card is kept.
func (d *desk) account(card sandbox.Card) uuid.UUID {
	d.t.Helper()
	id := uuid.New()
	d.must(d.books.SetPlan(d.t.Context(), id, ledger.SetPlan{Plan: "starter"}))
	if card != "" {
		d.buy(id, card)
	}
	return id
}

func (d *desk) buy(id uuid.UUID, card sandbox.Card) {
	d.t.Helper()
	p, _, err := d.billing.Start(d.t.Context(), id, uuid.NewString(),
		billing.StartParams{Pack: "pack_100", KeepMethod: true})
	d.must(err)
	_, err = d.provider.PayWith(d.t.Context(), p.CheckoutURL[strings.LastIndex(p.CheckoutURL, "/")+1:], card)
	d.must(err)
	_, err = d.billing.Refresh(d.t.Context(), id, p.ID)
	d.must(err)
}

// agreed500 is the pack of 500 as the builtin catalog sells it.
func agreed500() billing.Terms {
	return billing.Terms{
		Pack:   "pack_500",
		Tokens: 500 * tokens.One,
		Price:  money.Amount{Minor: 3900, Currency: "USD"},
	}
}

// below40 buys 500 for $39, three times a month at most and for $150.
func below40() topup.SaveParams {
	return topup.SaveParams{
		Threshold: 40 * tokens.One,
		Agreed:    agreed500(),
		Times:     3,
		Limit:     money.Amount{Minor: 15000, Currency: "USD"},
	}
}

func (d *desk) save(id uuid.UUID) {
	d.t.Helper()
	d.must(d.Save(d.t.Context(), id, below40()))
}

// spendTo leaves so many tokens.
func (d *desk) spendTo(id uuid.UUID, left int64) {
	d.t.Helper()
	a, err := d.books.Account(d.t.Context(), id)
	d.must(err)
	amount := a.Spendable - tokens.Amount(left)*tokens.One
	if amount == 0 {
		return
	}
	_, err = d.books.Charge(d.t.Context(), id, uuid.NewString(),
		ledger.Charge{Feature: "auto_selling", Amount: &amount})
	d.must(err)
}

// step goes through all accounts once.
func (d *desk) step() {
	d.t.Helper()
	after, more := uuid.Nil, true
	var err error
	for more {
		after, more, err = d.Step(d.t.Context(), after)
		d.must(err)
	}
}

func (d *desk) wantSpendable(id uuid.UUID, want int64) {
	d.t.Helper()
	a, err := d.books.Account(d.t.Context(), id)
	if err != nil || a.Spendable != tokens.Amount(want)*tokens.One {
		d.t.Errorf("%s tokens (%v), want %d", a.Spendable, err, want)
	}
}

func (d *desk) overview(id uuid.UUID) topup.Overview {
	d.t.Helper()
	a, err := d.books.Account(d.t.Context(), id)
	d.must(err)
	o, err := d.Overview(d.t.Context(), &a)
	d.must(err)
	return o
}

func (d *desk) count(query string, args ...any) (n int) {
	d.t.Helper()
	d.must(d.pool.QueryRow(d.t.Context(), query, args...).Scan(&n))
	return n
}

const autos = `select count(*) from purchases where auto and account = $1`

// Off by default; on, a pack comes when the balance falls below the threshold, within the month's limits.
func TestTheWholeWay(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.account(sandbox.CardGood)
	if o := d.overview(id); o.On || o.Set || !o.Kept.Any || o.Kept.Card != "Visa 4242" {
		t.Errorf("%+v", o)
	}
	d.spendTo(id, 10)
	d.step()
	d.wantSpendable(id, 10)
	d.save(id)
	d.step()
	d.wantSpendable(id, 510)
	o := d.overview(id)
	if o.Last == nil || o.Last.Status != billing.StatusCompleted || o.Last.Paid.Minor != 3900 || !o.Last.Auto ||
		o.Times != 1 || o.Spent.Minor != 3900 {
		t.Errorf("%+v", o)
	}
	h, err := d.books.History(t.Context(), id, ledger.Filter{LotKinds: []ledger.LotKind{ledger.LotPurchase}}, 0, 10)
	if err != nil || h.Lines[0].Reason != "Auto top-up" || h.Lines[1].Reason != "" {
		t.Errorf("the history says %+v, %v", h.Lines, err)
	}
	for i := range 5 { // the second at once, which is too soon; then a third, and none
		d.spendTo(id, 10)
		d.step()
		if i == 0 {
			d.wantSpendable(id, 10)
			if w := d.overview(id).Wait; w != topup.WaitCoolDown {
				t.Errorf("waits for %q", w)
			}
		}
		d.clock.Advance(10 * time.Minute)
		d.step()
	}
	d.wantSpendable(id, 10)
	if n := d.count(autos, id); n != 3 || d.overview(id).Wait != topup.WaitTimes {
		t.Errorf("%d purchases, waits for %q", n, d.overview(id).Wait)
	}
	d.clock.Set(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) // the next month; the plan's tokens come later
	d.step()
	d.wantSpendable(id, 510)
	d.must(d.TurnOff(t.Context(), id))
	d.spendTo(id, 10)
	d.clock.Advance(time.Hour)
	d.step()
	d.wantSpendable(id, 10)
}

// Fifty servers look at the same moment: one purchase, also when its outcome stays open.
func TestFiftyServersBuyOnce(t *testing.T) {
	t.Parallel()
	for _, lost := range []bool{false, true} {
		d := newDesk(t)
		id := d.account(sandbox.CardGood)
		d.save(id)
		d.spendTo(id, 10)
		d.provider.lose(lost)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, _, err := d.Step(context.Background(), uuid.Nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := d.count(autos, id); n != 1 {
			t.Errorf("lost %t: %d purchases", lost, n)
		}
		d.clock.Advance(time.Hour)
		d.step()
		if n := d.count(autos, id); n != 1 {
			t.Errorf("lost %t: %d purchases after an hour", lost, n)
		}
		if d.overview(id).Wait != topup.WaitUnderWay && lost {
			t.Errorf("waits for %q", d.overview(id).Wait)
		}
		d.provider.lose(false)
		_, err := d.billing.Reconcile(t.Context())
		d.must(err)
		d.wantSpendable(id, 510)
		if n := d.count(`select count(*) from sandbox_sessions where id like 'pi_%'`); n != 1 {
			t.Errorf("lost %t: charged %d times", lost, n)
		}
	}
}

// Another server's purchase came to its end while this one was about to decide: it decides with
// that one seen.
func TestADecisionHoldsTheSettings(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 10)
	tx, err := d.pool.Begin(t.Context())
	d.must(err)
	_, err = tx.Exec(t.Context(), `select from topups where account = $1 for update`, id)
	d.must(err)
	p := below40()
	order, err := d.billing.OrderAuto(t.Context(), tx, id,
		billing.AutoParams{Agreed: p.Agreed, Most: p.Limit.Minor})
	if err != nil || order == uuid.Nil {
		t.Fatal(order, err)
	}
	_, err = tx.Exec(t.Context(), `update purchases set status = 'completed', paid_minor = 3900, completed_at = created_at where id = $1`, order)
	d.must(err)
	done := make(chan error)
	go func() {
		_, _, err := d.Step(context.Background(), uuid.Nil)
		done <- err
	}()
	const waiting = `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
	for end := time.Now().Add(time.Minute); d.count(waiting) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the other server does not wait")
		}
	}
	d.must(tx.Commit(t.Context()))
	d.must(<-done)
	if n := d.count(autos, id); n != 1 {
		t.Errorf("%d purchases", n)
	}
}

// A server dies after the purchase was written down and before it was charged: another charges it, once.
func TestAChargeThatNobodyMade(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 10)
	ctx, cancel := context.WithCancel(t.Context())
	d.Service = topup.New(d.pool, topup.Options{
		Ledger: d.books,
		Prices: d.prices,
		Clock:  d.clock.Now,
		Log:    slog.New(slog.DiscardHandler),
		Billing: billing.New(d.pool, billing.Options{
			Ledger:         d.books,
			Prices:         d.prices,
			Provider:       dying{d.provider, cancel},
			WebhookSecrets: []string{"s"},
			Clock:          d.clock.Now,
			Log:            slog.New(slog.DiscardHandler),
		}),
	})
	_, _, _ = d.Step(ctx, uuid.Nil)
	d.wantSpendable(id, 10)
	if n := d.count(autos+` and status = 'pending'`, id); n != 1 {
		t.Fatalf("%d purchases wait", n)
	}
	d.step()
	d.clock.Advance(3 * time.Minute)
	_, err := d.billing.Reconcile(t.Context())
	d.must(err)
	d.wantSpendable(id, 510)
	if n := d.count(autos, id); n != 1 {
		t.Errorf("%d purchases", n)
	}
}

// dying kills the server when it is about to charge.
type dying struct {
	*lossy
	die context.CancelFunc
}

func (d dying) Charge(ctx context.Context, _ payment.Charge) (payment.Checkout, error) {
	d.die()
	return payment.Checkout{}, ctx.Err()
}

// A card that does not pay ends it, with a reason and one e-mail, until its creator turns it on again.
func TestOffAfterADecline(t *testing.T) {
	t.Parallel()
	for card, want := range map[sandbox.Card]topup.Stop{
		sandbox.CardLater:   topup.StopDeclined,
		sandbox.CardConfirm: topup.StopConfirm,
	} {
		d := newDesk(t)
		id := d.account(card)
		d.save(id)
		d.spendTo(id, 10)
		d.clock.Advance(time.Minute)
		d.tellErr = errors.New("the post is closed")
		if _, _, err := d.Step(t.Context(), uuid.Nil); !errors.Is(err, d.tellErr) {
			t.Error(err)
		}
		stopped, is, err := d.Stopped(t.Context(), id)
		if err != nil || !is || stopped.Why != want || !stopped.At.Equal(d.clock.Now()) {
			t.Errorf("%s: %+v, %t, %v", card, stopped, is, err)
		}
		o := d.overview(id)
		if o.On || o.Last == nil || o.Last.ID != stopped.Purchase || o.Last.Status != billing.StatusFailed ||
			o.Times != 0 || o.Spent.Minor != 0 {
			t.Errorf("%s: %+v", card, o)
		}
		d.tellErr = nil
		for range 3 {
			d.clock.Advance(time.Hour)
			d.step()
		}
		if len(d.told) != 2 || d.told[0] != d.told[1] || d.told[0] != stopped {
			t.Errorf("%s: told %+v", card, d.told)
		}
		if n := d.count(autos, id); n != 1 {
			t.Errorf("%s: %d attempts", card, n)
		}
		d.wantSpendable(id, 10)
		// On again, with a card that pays.
		d.buy(id, sandbox.CardGood)
		d.spendTo(id, 10)
		d.save(id)
		if _, is, err := d.Stopped(t.Context(), id); is || err != nil {
			t.Error("still stopped", err)
		}
		d.step()
		d.wantSpendable(id, 510)
	}
}

// Other reasons to end or to wait, as they show in the database.
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
		do   func(d *desk, id uuid.UUID)
		stop topup.Stop
		wait topup.Wait
		left int64
	}{
		"no card is kept": {"", func(*desk, uuid.UUID) {}, "", topup.WaitCard, 10},
		"a forgotten card": {sandbox.CardGood, func(d *desk, id uuid.UUID) {
			d.must(d.billing.Forget(t.Context(), id))
		}, "", topup.WaitCard, 10},
		"a dearer pack": {sandbox.CardGood, func(d *desk, _ uuid.UUID) {
			d.prices = cheaper(func(p *catalog.Pack) { p.Price.Minor++ })
		}, topup.StopPrice, "", 10},
		"another currency": {sandbox.CardGood, func(d *desk, _ uuid.UUID) {
			d.prices = cheaper(func(p *catalog.Pack) { p.Price.Currency = "EUR" })
		}, topup.StopPrice, "", 10},
		"a pack that is gone": {sandbox.CardGood, func(d *desk, _ uuid.UUID) {
			d.prices = cheaper(func(p *catalog.Pack) { p.ID = "new" })
		}, topup.StopPack, "", 10},
		"a cheaper pack": {sandbox.CardGood, func(d *desk, _ uuid.UUID) {
			d.prices = cheaper(func(p *catalog.Pack) { p.Price.Minor = 100 })
		}, "", "", 510},
		"a card that another customer's is": {sandbox.CardGood, func(d *desk, _ uuid.UUID) {
			_, err := d.pool.Exec(t.Context(), `update payment_customers set customer = 'cus_other'`)
			d.must(err)
		}, topup.StopDeclined, "", 10},
	} {
		d := newDesk(t)
		id := d.account(c.card)
		d.save(id)
		d.spendTo(id, 10)
		d.clock.Advance(time.Second)
		c.do(d, id)
		d.step()
		o := d.overview(id)
		if o.Stopped.Why != c.stop || o.Wait != c.wait || o.On != (c.stop == "") {
			t.Errorf("%s: %+v", name, o)
		}
		d.wantSpendable(id, c.left)
	}
}

// What was bought by itself and given back is not bought again.
func TestAReturnedTopUpIsNotBoughtAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 10)
	d.step()
	_, _, err := d.billing.Return(t.Context(), id, d.overview(id).Last.ID, "k")
	d.must(err)
	d.wantSpendable(id, 10)
	d.clock.Advance(time.Hour)
	d.step()
	d.wantSpendable(id, 10)
	if o := d.overview(id); o.Stopped.Why != topup.StopReturned || o.Times != 1 || o.Spent.Minor != 3900 {
		t.Errorf("%+v", o)
	}
}

// All accounts have their turn, in as many steps as it takes; one whose account is not there keeps
// nobody from it.
func TestAllHaveTheirTurn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.pool.Exec(t.Context(), `insert into topups (account, enabled, threshold, pack, price_minor, currency, times, limit_minor, changed_at)
		select gen_random_uuid(), true, 1, 'pack_500', 3900, 'USD', 1, 3900, now() from generate_series(1, 1100)`)
	d.must(err)
	var ids []uuid.UUID
	for range 7 {
		ids = append(ids, d.account(sandbox.CardGood))
		d.save(ids[len(ids)-1])
		d.spendTo(ids[len(ids)-1], 10)
	}
	d.step()
	for _, id := range ids {
		d.wantSpendable(id, 510)
	}
}

// What cannot be set says why, at its field.
func TestWhatCannotBeSet(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.account("")
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
		for _, e := range d.Check(p) {
			fields = append(fields, e.Field)
		}
		err := d.Save(t.Context(), id, p)
		if got := strings.Join(fields, " "); got != c.want || (err == nil) != (c.want == "") ||
			(err != nil && problem.Of(err).Kind != problem.Unprocessable) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	if err := d.Save(t.Context(), uuid.New(), below40()); !errors.Is(err, ledger.ErrNoAccount) {
		t.Error("for nobody:", err)
	}
	none := topup.New(d.pool, topup.Options{
		Ledger:  d.books,
		Prices:  d.prices,
		Clock:   d.clock.Now,
		Billing: billing.New(d.pool, billing.Options{}),
	})
	if err := none.Save(t.Context(), id, below40()); !errors.Is(err, billing.ErrNotSetUp) {
		t.Error("without a provider:", err)
	}
}
