package billing_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

// Faults of the simulator, in percent of deliveries or requests.
const (
	dropped       = 5
	twice         = 30
	cut           = 20 // a delivery is killed before one of its statements
	providerFails = 10
	returns       = 20 // a buyer comes back to the page while the events arrive
	keeps         = 6  // one buyer in so many stores the card, and is topped up
	simWorkers    = 8
)

// A thousand events by default, or as many as you like: CREDITS_PAYMENT_EVENTS=100000 go test -run
// TestPaymentSimulator -v ./internal/billing
func simulatedEvents(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CREDITS_PAYMENT_EVENTS")
	if text == "" {
		return 1_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("CREDITS_PAYMENT_EVENTS=%q is not a number of events", text)
	}
	return n
}

// Payments of every outcome. Their events come late, twice, in any order or not at all, to two servers that
// are killed between statements and whose provider fails. After the reconciling job the ledger must match
// the provider's records: no credit for an unpaid or mismatched order, none twice, and all that was paid,
// less refunds.
func TestPaymentSimulator(t *testing.T) {
	t.Parallel()
	events, seed := simulatedEvents(t), uint64(time.Now().UnixNano())
	m := newSimulator(t, seed)
	began := time.Now()
	m.sell(events)
	inbox := m.inbox()
	m.deliver(inbox)
	s := m.fixture
	for range 6 { // longer than any checkout is open or polled
		s.Clock.Advance(9 * time.Hour)
		s.reconcile()
	}
	m.check()
	t.Logf("seed %d: %d purchases, %d events delivered (%d dropped, %d broke off), %d credited, in %s", seed,
		len(m.purchases), m.delivered.Load(), m.dropped,
		m.broken.Load(), s.Count(`select count(*) from permanent_references where scope = 'purchase'`),
		time.Since(began).Round(time.Second))
}

type simulator struct {
	*fixture
	seed      uint64
	servers   []*billing.Service
	accounts  []uuid.UUID
	purchases []billing.Purchase
	dropped   int
	delivered atomic.Int64
	broken    atomic.Int64
}

func newSimulator(t *testing.T, seed uint64) *simulator {
	t.Helper()
	m := &simulator{fixture: newFixture(t), seed: seed}
	for range 2 {
		m.servers = append(m.servers, m.server())
	}
	return m
}

// server is another server over the same database, with its own ledger and a pool that may be killed after
// any statement.
func (m *simulator) server() *billing.Service {
	config := m.DB.Pool.Config().Copy()
	config.ConnConfig.Tracer, config.MaxConns = killer{}, simWorkers
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		m.T.Fatal(err)
	}
	m.T.Cleanup(pool.Close)
	ledger := engine.New(pool, engine.Options{
		Clock:  m.Clock.Now,
		Prices: m.options.Prices,
		Log:    m.options.Log,
	})
	m.T.Cleanup(ledger.Close)
	o := m.options
	o.Ledger, o.Provider = ledger, &flaky{Provider: m.provider, random: m.random(99)}
	return billing.New(pool, o)
}

func (m *simulator) random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(m.seed, stream)) }

// flaky is a provider that sometimes fails, before or after doing the work.
type flaky struct {
	*sandbox.Provider
	mu     sync.Mutex
	random *rand.Rand
}

var errFlaky = errors.New("the provider does not answer")

func (m *flaky) fails() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(100) < providerFails
}

func (m *flaky) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	if m.fails() {
		return payment.Checkout{}, errFlaky
	}
	return m.Provider.Checkout(ctx, id)
}

func (m *flaky) CheckoutOf(ctx context.Context, paid string) (payment.Checkout, error) {
	if m.fails() {
		return payment.Checkout{}, errFlaky
	}
	return m.Provider.CheckoutOf(ctx, paid)
}

func (m *flaky) Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error) {
	checkout, err := m.Provider.Charge(ctx, c)
	if err != nil || !m.fails() {
		return checkout, err
	}
	return payment.Checkout{}, errFlaky
}

func (m *flaky) Refund(ctx context.Context, r payment.Refund) error {
	if err := m.Provider.Refund(ctx, r); err != nil || !m.fails() {
		return err
	}
	return errFlaky
}

// fuse lets a few statements of a context through; then it fails all, as after a crash.
type fuse struct {
	left atomic.Int64
	blow context.CancelFunc
}

type fuseKey struct{}

func withFuse(ctx context.Context, statements int) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	f := &fuse{blow: cancel}
	f.left.Store(int64(statements))
	return context.WithValue(ctx, fuseKey{}, f)
}

// killer is a tracer that counts statements.
type killer struct{}

func (killer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if f, ok := ctx.Value(fuseKey{}).(*fuse); ok && f.left.Add(-1) < 0 {
		f.blow()
	}
	return ctx
}

func (killer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// sell has buyers order, and pay or not, until there are enough events.
func (m *simulator) sell(events int) {
	m.T.Helper()
	count := max(20, events*4/6)
	for range count/5 + 1 {
		m.accounts = append(m.accounts, m.Account())
	}
	m.purchases = make([]billing.Purchase, count)
	m.spread(count, func(i int, random *rand.Rand) {
		keep := i%keeps == 0
		p, _, err := m.Start(context.Background(), m.accounts[i/5], fmt.Sprint("k", i),
			billing.StartParams{Pack: pack(i % 3).ID, KeepMethod: keep})
		switch {
		case err == nil && keep:
			err = m.autoTopUp(p, random)
		case err == nil:
			err = m.buyer(p, random)
		}
		if err != nil {
			m.T.Error(err)
		}
		m.purchases[i] = p
	})
}

// spread calls f for each number from several goroutines, each with its own randomness.
func (m *simulator) spread(count int, f func(i int, random *rand.Rand)) {
	var next atomic.Int64
	testkit.Concurrently(simWorkers, func(w int) {
		random := m.random(uint64(w))
		for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
			f(i, random)
		}
	})
}

// buyer plays a buyer at the checkout.
func (m *simulator) buyer(p billing.Purchase, random *rand.Rand) error {
	ctx, id := context.Background(), session(p)
	pay := func(card sandbox.Card) error { _, err := m.provider.PayWith(ctx, id, card); return err }
	refund := func(minor int64) error {
		return m.provider.Refund(ctx, payment.Refund{
			Key:     uuid.NewString(),
			Payment: payOf(p),
			Amount:  money.Amount{Minor: minor, Currency: "USD"},
		})
	}
	then := func(steps ...error) error { return errors.Join(steps...) }
	switch random.IntN(12) {
	case 0: // leaves
		return nil
	case 1:
		return m.provider.Decline(ctx, id)
	case 2:
		return pay(sandbox.Coupon)
	case 3:
		return then(pay(sandbox.BankDebit), m.provider.Arrive(ctx, id))
	case 4:
		return then(pay(sandbox.BankDebit), m.provider.Bounce(ctx, id))
	case 5:
		return pay(sandbox.BankDebit) // it never comes
	case 6:
		return then(pay(sandbox.CardDisputed), m.provider.CloseDispute(ctx, id, random.IntN(2) == 0))
	case 7:
		return pay(sandbox.CardDisputed)
	case 8:
		return then(pay(sandbox.CardGood), refund(p.Price.Minor/3), refund(p.Price.Minor/3))
	case 9:
		return then(pay(sandbox.CardGood), refund(p.Price.Minor))
	case 10: // pays an amount that does not match the order
		_, err := m.DB.Pool.Exec(ctx, `update sandbox_sessions set amount_minor = amount_minor - 1 where id = $1`, id)
		return then(err, pay(sandbox.CardGood))
	}
	return pay(sandbox.CardGood)
}

// autoTopUp stores a card that two servers charge again concurrently, while they are killed and the provider's
// answers get lost.
func (m *simulator) autoTopUp(p billing.Purchase, random *rand.Rand) error {
	ctx := context.Background()
	cards := []sandbox.Card{sandbox.CardGood, sandbox.CardGood, sandbox.CardLater, sandbox.CardConfirm}
	if _, err := m.provider.PayWith(ctx, session(p), cards[random.IntN(len(cards))]); err != nil {
		return err
	}
	if _, err := m.Refresh(ctx, p.AccountID, p.ID); err != nil {
		return err
	}
	fuses := []int{random.IntN(30), random.IntN(30)}
	testkit.Concurrently(2, func(i int) {
		server, id := m.servers[i], uuid.Nil
		err := pgx.BeginFunc(ctx, m.DB.Pool, func(tx pgx.Tx) (err error) {
			id, err = server.OrderAuto(ctx, tx, p.AccountID,
				billing.AutoParams{Agreed: agreedFor(p), Most: p.Price.Minor})
			return err
		})
		if err != nil {
			m.T.Error(err)
			return
		}
		_, _ = server.Charge(withFuse(ctx, fuses[i]), p.AccountID, id)
	})
	return nil
}

// inbox is the list of deliveries: some events twice, some never.
func (m *simulator) inbox() [][]byte {
	m.T.Helper()
	rows, err := m.DB.Pool.Query(m.T.Context(), `select body from sandbox_events order by id`)
	if err != nil {
		m.T.Fatal(err)
	}
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		m.T.Fatal(err)
	}
	random := m.random(77)
	var out [][]byte
	for _, body := range bodies {
		if random.IntN(100) < dropped {
			m.dropped++
			continue
		}
		out = append(out, []byte(body))
		if random.IntN(100) < twice {
			out = append(out, []byte(body))
		}
	}
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// deliver sends the events to the servers while buyers come back. A failed delivery is repeated up to three
// times.
func (m *simulator) deliver(inbox [][]byte) {
	m.spread(len(inbox), func(i int, random *rand.Rand) {
		for range 4 {
			server, ctx := m.servers[random.IntN(len(m.servers))], context.Background()
			if random.IntN(100) < cut {
				ctx = withFuse(ctx, random.IntN(12))
			}
			m.delivered.Add(1)
			if server.HandleEvent(ctx, inbox[i], sign(inbox[i], secret, time.Now())) == nil {
				break
			}
			m.broken.Add(1)
		}
		if random.IntN(100) < returns {
			p := m.purchases[random.IntN(len(m.purchases))]
			_, _ = m.servers[random.IntN(len(m.servers))].Refresh(withFuse(context.Background(), random.IntN(40)),
				p.AccountID, p.ID)
		}
	})
}

// sqlDifferences lists purchases where the ledger differs from the provider's records: number of credits,
// and tokens taken back, whose share is rounded down.
const sqlDifferences = `with books as (
		select p.id, p.tokens, p.price_minor, s.amount_minor, coalesce(s.total_minor, s.amount_minor) total, s.payment_status,
			s.payment_status <> 'unpaid' and s.amount_minor = p.price_minor as paid,
			least(s.refunded_minor + case when s.dispute = 'lost' then coalesce(s.total_minor, s.amount_minor) else 0 end, coalesce(s.total_minor, s.amount_minor)) as back,
			s.dispute = 'open' as disputed, p.status
		from purchases p join sandbox_sessions s on s.id = p.provider_session),
	ledger as (
		select e.reference as id, count(*) filter (where e.amount > 0) as credits, sum(e.amount) filter (where e.amount > 0) as credited
		from entries e where e.lot_kind = 4 group by e.reference),
	reversed as (
		select r.reference as id, v.amount from permanent_references r join reversals v on v.account = r.account and v.seq = r.seq where r.scope = 'purchase')
	select b.id::text || ' ' || b.payment_status || ' ' || b.status || ' credited ' || coalesce(l.credits, 0) || ' reversed ' || coalesce(v.amount, 0)
	from books b left join ledger l on l.id = b.id::text left join reversed v on v.id = b.id::text
	where coalesce(l.credits, 0) <> case when b.paid then 1 else 0 end
		or (b.paid and l.credited <> b.tokens)
		or coalesce(v.amount, 0) <> case when b.paid and b.total > 0 then div(b.tokens::numeric * b.back, b.total) else 0 end
		or b.paid and b.status <> case when b.total > 0 and b.back = b.total then 'refunded' when b.disputed then 'disputed' else 'completed' end
		or not b.paid and b.status not in ('pending', 'processing', 'failed', 'expired')`

// sqlFrozen counts lots of purchases that are wrongly frozen or wrongly not.
const sqlFrozen = `select count(*) from purchases p join sandbox_sessions s on s.id = p.provider_session
	join permanent_references r on r.scope = 'purchase' and r.account = p.account and r.reference = p.id::text
	join lots l on l.account = r.account and l.lot = r.seq
	where l.frozen <> (s.dispute = 'open')`

// check compares the ledger with the provider's records.
func (m *simulator) check() {
	m.T.Helper()
	rows, err := m.DB.Pool.Query(m.T.Context(), sqlDifferences)
	if err != nil {
		m.T.Fatal(err)
	}
	wrong, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		m.T.Fatal(err)
	}
	for i, line := range wrong {
		if i < 20 {
			m.T.Error(line)
		}
	}
	if len(wrong) > 0 {
		m.T.Errorf("seed %d: %d of %d purchases are wrong", m.seed, len(wrong), len(m.purchases))
	}
	if n := m.Count(sqlFrozen); n != 0 {
		m.T.Errorf("seed %d: %d lots are frozen and should not be, or are not and should be", m.seed, n)
	}
	if n := m.Count(`select count(*) from sandbox_sessions s where id like 'pi_%' and not exists (select from purchases where provider_session = s.id)`); n != 0 {
		m.T.Errorf("seed %d: %d charges belong to no purchase", m.seed, n)
	}
	if n := m.Count(`select count(*) from purchases where auto and status in ('pending', 'processing', 'expired')`); n != 0 {
		m.T.Errorf("seed %d: %d top-ups have no end", m.seed, n)
	}
	if n := m.Count(`select count(*) from purchases where auto and status = 'completed'`); n == 0 {
		m.T.Errorf("seed %d: no account was topped up", m.seed)
	}
	if n := m.Count(`select count(*) from purchases where applied < version and completed_at is not null`); n != 0 {
		m.T.Errorf("seed %d: %d purchases are not applied to the ledger", m.seed, n)
	}
}

// agreedFor returns the terms of a purchase's pack.
func agreedFor(p billing.Purchase) billing.Terms {
	return billing.Terms{
		Pack:   p.Pack,
		Tokens: p.Tokens,
		Price:  p.Price,
	}
}
