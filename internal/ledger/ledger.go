// Package ledger keeps the books: per account an append-only list of entries and the lots that they filled and emptied.
//
// Amounts are tokens.Amount, millionths of a token; instants are UTC. All rules are in a pure core (operation.decide over a state) in a thin
// shell (lane): requests of many callers are decided and written together, and each caller gets its answer once its batch is
// durable. Errors that a caller may see are *problem.Error.
package ledger

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/tokens"
)

// DefaultLanes is how many batches are under way at once. Two keep Postgres and the core busy in turn; more only make batches smaller.
const DefaultLanes = 2

// Options are what a Ledger needs besides its database.
type Options struct {
	Clock  clock.Clock             // decides what is due
	Prices func() *catalog.Catalog // the catalog in force; asked once a batch
	Lanes  int                     // zero: DefaultLanes
	Log    *slog.Logger
}

// Ledger answers requests about accounts. It is safe for concurrent use.
type Ledger struct {
	pool   *pgxpool.Pool
	now    clock.Clock
	prices func() *catalog.Catalog
	lanes  []*lane

	closing sync.RWMutex // held for reading while a request is put into a queue
	closed  bool
	working sync.WaitGroup
}

// New starts the lanes of a ledger over a migrated database. Close stops them.
func New(pool *pgxpool.Pool, o Options) *Ledger {
	if o.Lanes == 0 {
		o.Lanes = DefaultLanes
	}
	l := &Ledger{pool: pool, now: o.Clock, prices: o.Prices}
	for range o.Lanes {
		ln := &lane{pool: pool, now: o.Clock, prices: o.Prices, queue: make(chan *call, maxQueue), log: o.Log}
		l.lanes = append(l.lanes, ln)
		l.working.Go(ln.run)
	}
	return l
}

// Close lets the lanes finish what is queued and stops them. Requests that come later are answered ErrUnavailable.
func (l *Ledger) Close() {
	l.closing.Lock()
	if !l.closed {
		l.closed = true
		for _, ln := range l.lanes {
			close(ln.queue)
		}
	}
	l.closing.Unlock()
	l.working.Wait()
}

// Receipt is the durable answer to a request that wrote an entry.
type Receipt struct {
	Entry
	Replayed bool // the entry was made by an earlier request with the same key
}

// Charge spends tokens, all or nothing. key is the caller's idempotency key, at most 200 bytes: the same key with the same request
// answers the same entry and spends nothing; with another request it is ErrKeyReused. Refusals bind no key: problem kinds Insufficient,
// NotFound, Meaning, Conflict.
func (l *Ledger) Charge(ctx context.Context, account uuid.UUID, key string, c Charge) (Receipt, error) {
	return l.submit(ctx, &call{account: account, op: &c, key: key, fingerprint: c.fingerprint()})
}

// Grant adds a lot of tokens. A purchase is credited once, whatever the key.
func (l *Ledger) Grant(ctx context.Context, account uuid.UUID, key string, g Grant) (Receipt, error) {
	return l.submit(ctx, &call{account: account, op: &g, key: key, fingerprint: g.fingerprint()})
}

// SetPlan opens the account or changes its plan. It needs no key: doing it twice is doing it once.
func (l *Ledger) SetPlan(ctx context.Context, account uuid.UUID, p SetPlan) error {
	_, err := l.submit(ctx, &call{account: account, op: &p})
	return err
}

// Settle writes what has fallen due for the account.
func (l *Ledger) Settle(ctx context.Context, account uuid.UUID) error {
	_, err := l.submit(ctx, &call{account: account, op: settling{}})
	return err
}

// submit queues a call in its lane and waits for its answer. A caller that stops waiting learns nothing: its request may still be
// carried out, and asking again with the same key tells.
func (l *Ledger) submit(ctx context.Context, c *call) (Receipt, error) {
	c.done = make(chan answer, 1)
	if err := l.enqueue(c); err != nil {
		return Receipt{}, err
	}
	select {
	case a := <-c.done:
		return Receipt{Entry: a.entry, Replayed: a.replayed}, a.err
	case <-ctx.Done():
		return Receipt{}, ErrUnavailable.Because(ctx.Err())
	}
}

func (l *Ledger) enqueue(c *call) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return ErrUnavailable
	}
	select {
	case l.lanes[laneOf(c.account, len(l.lanes))].queue <- c:
		return nil
	default:
		return ErrBusy
	}
}

// laneOf gives each lane an equal range of the ids, which are random.
func laneOf(account uuid.UUID, lanes int) int {
	return int(uint64(binary.BigEndian.Uint32(account[:4])) * uint64(lanes) >> 32)
}

// Quote says what a piece of work would cost an account now, without doing anything.
type Quote struct {
	catalog.Price
	Spendable    tokens.Amount
	Affordable   bool
	BalanceAfter tokens.Amount // spendable afterwards; what there is now if not affordable
	Shortfall    tokens.Amount
}

// Quote prices a charge against the account's present balance.
func (l *Ledger) Quote(ctx context.Context, account uuid.UUID, c Charge) (Quote, error) {
	a, err := l.Account(ctx, account)
	if err != nil {
		return Quote{}, err
	}
	price, err := l.prices().Price(c.Feature, c.Quantity, c.Amount)
	if err != nil {
		return Quote{}, err
	}
	q := Quote{Price: price, Spendable: a.Spendable, BalanceAfter: a.Spendable, Affordable: a.Spendable >= price.Amount}
	if q.Affordable {
		q.BalanceAfter -= price.Amount
	} else {
		q.Shortfall = price.Amount - a.Spendable
	}
	return q, nil
}

// Now is the ledger's time, for those who show what it decided.
func (l *Ledger) Now() time.Time { return l.now() }
