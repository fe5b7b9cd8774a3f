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

// What goes wrong in the simulator, in percent of deliveries or questions.
const (
	dropped       = 5
	twice         = 30
	cut           = 20 // a delivery is killed before one of its statements
	providerFails = 10
	returns       = 20 // a buyer comes back to the page while the events arrive
	keeps         = 6  // each so manieth buyer has the card kept, and is topped up
	simWorkers    = 8
)

// A thousand events in CI, as many as you like on request: CREDITS_PAYMENT_EVENTS=100000 go test
// -run TestPaymentSimulator -v ./internal/billing
func simulatedEvents(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CREDITS_PAYMENT_EVENTS")
	if text == "" {
		return 1_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("CREDITS_PAYMENT_EVENTS=%q is no number of events", text)
	}
	return n
}

// Payments of every outcome, whose events come late, twice, in any order or not at all, to two
// servers that are killed between statements and whose provider fails. In the end, after the
// reconciling job, what the provider's books say is what the ledger has: nothing for what was not
// paid or does not match the order, nothing twice, all that was paid, less what went back.
func TestPaymentSimulator(t *testing.T) {
	t.Parallel()
	events, seed := simulatedEvents(t), uint64(time.Now().UnixNano())
	m := newSimulator(t, seed)
	began := time.Now()
	m.trade(events)
	inbox := m.inbox()
	m.deliver(inbox)
	s := m.fixture
	for range 6 { // longer than any checkout is open, or asked about
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

// server is another server over the same database: with a pool whose statements may be the last,
// and with a ledger of its own.
func (m *simulator) server() *billing.Service {
	config := m.DB.Pool.Config().Copy()
	config.ConnConfig.Tracer, config.MaxConns = killer{}, simWorkers
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		m.T.Fatal(err)
	}
	m.T.Cleanup(pool.Close)
	books := engine.New(pool, engine.Options{
		Clock:  m.Clock.Now,
		Prices: m.options.Prices,
		Log:    m.options.Log,
	})
	m.T.Cleanup(books.Close)
	o := m.options
	o.Ledger, o.Provider = books, &moody{Provider: m.provider, random: m.random(99)}
	return billing.New(pool, o)
}

func (m *simulator) random(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(m.seed, stream)) }

// moody is a provider that fails now and then, before or after it did what it was asked.
type moody struct {
	*sandbox.Provider
	mu     sync.Mutex
	random *rand.Rand
}

var errMood = errors.New("the provider does not answer")

func (m *moody) fails() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(100) < providerFails
}

func (m *moody) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	if m.fails() {
		return payment.Checkout{}, errMood
	}
	return m.Provider.Checkout(ctx, id)
}

func (m *moody) CheckoutOf(ctx context.Context, paid string) (payment.Checkout, error) {
	if m.fails() {
		return payment.Checkout{}, errMood
	}
	return m.Provider.CheckoutOf(ctx, paid)
}

func (m *moody) Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error) {
	checkout, err := m.Provider.Charge(ctx, c)
	if err != nil || !m.fails() {
		return checkout, err
	}
	return payment.Checkout{}, errMood
}

func (m *moody) Refund(ctx context.Context, r payment.Refund) error {
	if err := m.Provider.Refund(ctx, r); err != nil || !m.fails() {
		return err
	}
	return errMood
}

// fuse lets a few statements of a context through; the next one, and all after it, fail: who sent
// them is dead.
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

// trade has buyers order and pay, or not, until there are enough events.
func (m *simulator) trade(events int) {
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
			err = m.keeper(p, random)
		case err == nil:
			err = m.buyer(p, random)
		}
		if err != nil {
			m.T.Error(err)
		}
		m.purchases[i] = p
	})
}

// spread calls f for each number, from several goroutines, each with randomness of its own.
func (m *simulator) spread(count int, f func(i int, random *rand.Rand)) {
	var next atomic.Int64
	testkit.Concurrently(simWorkers, func(w int) {
		random := m.random(uint64(w))
		for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
			f(i, random)
		}
	})
}

// buyer does with a checkout what buyers do.
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
	case 10: // pays what we did not ask for
		_, err := m.DB.Pool.Exec(ctx, `update sandbox_sessions set amount_minor = amount_minor - 1 where id = $1`, id)
		return then(err, pay(sandbox.CardGood))
	}
	return pay(sandbox.CardGood)
}

// keeper pays with a card that is kept and charged again: by two servers at a time, which are
// killed while they do it, and whose provider's answers get lost.
func (m *simulator) keeper(p billing.Purchase, random *rand.Rand) error {
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

// inbox is what is delivered, in order: some of it twice, some of it never.
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

// deliver brings the events to the servers while buyers come back. What a server did not take comes
// again, three times at most.
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

// sqlDifferences lists purchases of which the ledger does not have what the provider's books say:
// how often it was credited, and how many tokens were taken back. The part of the tokens that goes
// back is rounded down.
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

// sqlFrozen counts lots of purchases that are frozen and should not be, or the other way round.
const sqlFrozen = `select count(*) from purchases p join sandbox_sessions s on s.id = p.provider_session
	join permanent_references r on r.scope = 'purchase' and r.account = p.account and r.reference = p.id::text
	join lots l on l.account = r.account and l.lot = r.seq
	where l.frozen <> (s.dispute = 'open')`

// check compares the ledger with the provider's books.
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
		m.T.Errorf("seed %d: nobody was topped up", m.seed)
	}
	if n := m.Count(`select count(*) from purchases where applied < version and completed_at is not null`); n != 0 {
		m.T.Errorf("seed %d: %d purchases wait for the books", m.seed, n)
	}
}

// agreedFor are the terms under which a purchase's pack was bought.
func agreedFor(p billing.Purchase) billing.Terms {
	return billing.Terms{
		Pack:   p.Pack,
		Tokens: p.Tokens,
		Price:  p.Price,
	}
}
