// Package ledger keeps the books: per account an append-only list of entries and the lots that they
// filled and emptied.
//
// Amounts are tokens.Amount, millionths of a token; instants are UTC. All rules are in a pure core
// (operation.decide over a state) in a thin shell (lane): requests of many callers are decided and
// written together, and each caller gets its answer once its batch is durable. Errors that a caller
// may see are *problem.Error.
package ledger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/coalesce"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// DefaultLanes is how many batches are under way at once. Two keep Postgres and the core busy in
// turn; more only make batches smaller.
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
	laneDB laneDB
	now    clock.Clock
	prices func() *catalog.Catalog
	lanes  []*lane
	reader *coalesce.Reader[uuid.UUID, Account]

	working sync.WaitGroup
}

// New starts the lanes of a ledger over a migrated database. pool is for reading; the lanes have
// connections of their own to the same database, so that no reader keeps a charge waiting. Close
// stops them.
func New(pool *pgxpool.Pool, o Options) *Ledger {
	if o.Lanes == 0 {
		o.Lanes = DefaultLanes
	}
	l := &Ledger{
		pool:   pool,
		laneDB: openLaneDB(pool, o.Lanes),
		now:    o.Clock,
		prices: o.Prices,
	}
	l.reader = coalesce.New(l.Accounts)
	for range o.Lanes {
		ln := &lane{
			db:     l.laneDB,
			now:    o.Clock,
			prices: o.Prices,
			queue:  newQueue(),
			cache:  newCache(),
			byID:   map[uuid.UUID]*party{},
			log:    o.Log,
		}
		l.lanes = append(l.lanes, ln)
		l.working.Go(ln.run)
	}
	return l
}

// Close lets the lanes finish what is queued and stops them. Requests that come later are answered
// ErrUnavailable.
func (l *Ledger) Close() {
	for _, ln := range l.lanes {
		ln.queue.close()
	}
	l.working.Wait()
	l.laneDB.Close()
}

// Receipt is the durable answer to a request that wrote an entry.
type Receipt struct {
	Entry
	Note     Note    // inherited where the request left it empty
	Balance  Balance // after all that the request wrote: what it freed may have expired at once
	Replayed bool    // the entry was made by an earlier request with the same key

	extension *extension
}

// Charge spends tokens, all or nothing. key is the caller's idempotency key, at most 200 bytes: the
// same key with the same request answers the same entry and spends nothing; with another request it
// is ErrKeyReused. Refusals bind no key: problem kinds Insufficient, NotFound, Meaning, Conflict.
func (l *Ledger) Charge(ctx context.Context, account uuid.UUID, key string, c Charge) (Receipt, error) {
	call := newCall(account)
	call.charge = c
	r, err := l.submitKeyed(ctx, call.keyed(key, call.charge.fingerprint()), &call.charge)
	r.Note = Note{c.Reason, c.Metadata}
	return r, err
}

// Hold sets tokens aside for a job. Its entry's seq is the hold's number. Errors as Charge.
func (l *Ledger) Hold(ctx context.Context, account uuid.UUID, key string, h Hold) (Receipt, error) {
	r, err := l.submitKeyed(ctx, newCall(account).keyed(key, h.fingerprint()), &h)
	r.Note = Note{h.Reason, h.Metadata}
	return r, err
}

// Capture spends held tokens and releases the rest of the hold, or spends more than the hold where
// that is spendable: else it is refused as a charge would be, and the hold is kept. Conflict when
// the hold has ended.
func (l *Ledger) Capture(ctx context.Context, account uuid.UUID, key string, c Capture) (Receipt, error) {
	return l.submitInheriting(ctx, newCall(account).keyed(key, c.fingerprint()), &c)
}

// Release ends a hold without spending. Conflict when the hold has ended.
func (l *Ledger) Release(ctx context.Context, account uuid.UUID, key string, r Release) (Receipt, error) {
	return l.submitInheriting(ctx, newCall(account).keyed(key, r.fingerprint()), &r)
}

// Extend keeps a hold open for longer. Conflict when the hold has ended.
func (l *Ledger) Extend(ctx context.Context, account uuid.UUID, key string, x Extend) (Extension, error) {
	r, err := l.submitKeyed(ctx, newCall(account).keyed(key, x.fingerprint()), &x)
	if err != nil {
		return Extension{}, err
	}
	made := r.extension
	return Extension{made.hold, made.at, made.expiresAt, r.Replayed}, nil
}

// Refund gives a charge or capture back to the lots that paid, in full or in part, never more than
// was charged.
func (l *Ledger) Refund(ctx context.Context, account uuid.UUID, key string, r Refund) (Receipt, error) {
	return l.submitInheriting(ctx, newCall(account).keyed(key, r.fingerprint()), &r)
}

// submitInheriting is submitKeyed for requests whose note may be inherited. No lane remembers
// notes, so that of a replay is read.
func (l *Ledger) submitInheriting(ctx context.Context, c *call, op operation) (Receipt, error) {
	account := c.account
	r, err := l.submitKeyed(ctx, c, op)
	if err == nil && r.Replayed {
		r.Note, err = l.note(ctx, account, r.Seq)
	}
	return r, err
}

// note reads the free text of an entry.
func (l *Ledger) note(ctx context.Context, account uuid.UUID, seq int64) (n Note, err error) {
	err = l.pool.QueryRow(ctx, sqlNote, account, seq).Scan(&n.Reason, &n.Metadata)
	if errors.Is(err, pgx.ErrNoRows) {
		return Note{}, nil
	}
	return n, orUnavailable(err)
}

// Grant adds a lot of tokens. A purchase is credited once, whatever the key.
func (l *Ledger) Grant(ctx context.Context, account uuid.UUID, key string, g Grant) (Receipt, error) {
	c := newCall(account).keyed(key, g.fingerprint())
	submit := l.submitKeyed
	if g.Kind == LotPurchase {
		submit = l.submit // its permanent reference makes it safe to decide again
	}
	r, err := submit(ctx, c, &g)
	r.Note = Note{g.Reason, g.Metadata}
	return r, err
}

// TakeBack takes tokens out of an account again, all of the amount or nothing. Errors:
// ErrNoAccount, ErrClosed, ErrKeyReused, kinds Meaning (fields "amount", "lot", "reason") and
// Unavailable.
func (l *Ledger) TakeBack(ctx context.Context, account uuid.UUID, key string, t TakeBack) (Receipt, error) {
	r, err := l.submitKeyed(ctx, newCall(account).keyed(key, t.fingerprint()), &t)
	r.Note = Note{t.Reason, t.Metadata}
	return r, err
}

// Purchase finds a purchase that was credited, to take it back or freeze it. NotFound when it was
// not, kind Unavailable.
func (l *Ledger) Purchase(ctx context.Context, account uuid.UUID, purchase string) (*Purchase, error) {
	p := &Purchase{ledger: l, account: account}
	err := l.pool.QueryRow(ctx, sqlPurchaseLot, account, scopePurchase, purchase).Scan(&p.lot)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, errNoPurchase
	case err != nil:
		return nil, ErrUnavailable.Wrap(err)
	}
	return p, nil
}

// Purchase is the lot of a purchase, which never changes. What it is told goes through the lanes,
// which have connections of their own: so it can be told by one who keeps a connection, and for
// whom others wait with all the rest.
type Purchase struct {
	ledger  *Ledger
	account uuid.UUID
	lot     int64
}

// Lot is the number of the lot that the purchase filled. What came back to it after it had expired
// is in another lot.
func (p *Purchase) Lot() int64 { return p.lot }

// Revoke takes the tokens of a purchase back because its money went back: total of them in all, so
// that telling it twice takes them once. What was spent already is owed and will be taken off the
// next purchase. reason is free text, and may be empty. The receipt's Seq is zero when nothing was
// left to take.
func (p *Purchase) Revoke(ctx context.Context, total tokens.Amount, cause Cause, reason string) (Receipt, error) {
	return p.ledger.submit(ctx, newCall(p.account), &revoke{
		lot:    p.lot,
		total:  total,
		cause:  cause,
		reason: reason,
	})
}

// Freeze keeps the tokens of a purchase from being spent while its payment is disputed, or thaws them again.
func (p *Purchase) Freeze(ctx context.Context, frozen bool) error {
	_, err := p.ledger.submit(ctx, newCall(p.account), &freeze{lot: p.lot, frozen: frozen})
	return err
}

// SetPlan opens the account or changes its plan. It needs no key: doing it twice is doing it once.
func (l *Ledger) SetPlan(ctx context.Context, account uuid.UUID, p SetPlan) error {
	_, err := l.submit(ctx, newCall(account), &p)
	return err
}

// Settle writes what has fallen due for the account.
func (l *Ledger) Settle(ctx context.Context, account uuid.UUID) error {
	_, err := l.submit(ctx, newCall(account), settling{})
	return err
}

// BulkCharge is one charge of many.
type BulkCharge struct {
	Account uuid.UUID
	Key     string
	Charge
}

// BulkResult is the answer to one of them.
type BulkResult struct {
	Receipt
	Err error
}

// MaxBulk bounds the charges of one ChargeAll.
const MaxBulk = 1_000

// ChargeAll makes many charges, each decided by itself, in the order in which they stand; those of
// one lane share one durable write. The results stand in the order of the charges, of which there
// may be MaxBulk.
func (l *Ledger) ChargeAll(ctx context.Context, charges []BulkCharge) []BulkResult {
	calls := make([]*call, len(charges))
	byLane := make([][]*call, len(l.lanes))
	for i := range charges {
		c := newCall(charges[i].Account)
		c.charge = charges[i].Charge
		c.op = &c.charge
		if calls[i] = c.keyed(charges[i].Key, c.charge.fingerprint()); c.key != "" {
			lane := laneOf(c.account, len(l.lanes))
			byLane[lane] = append(byLane[lane], c)
		}
	}
	refused := make([]error, len(l.lanes))
	for i, group := range byLane {
		if len(group) > 0 {
			refused[i] = l.lanes[i].queue.push(group...)
		}
	}
	results := make([]BulkResult, len(charges))
	for i := range calls {
		if calls[i].key == "" {
			results[i].Err = errNoKey
			continue
		}
		if err := refused[laneOf(calls[i].account, len(l.lanes))]; err != nil {
			results[i].Err = err
			continue
		}
		results[i].Receipt, results[i].Err = calls[i].wait(ctx)
		results[i].Note = Note{charges[i].Reason, charges[i].Metadata}
	}
	return results
}

// errNoKey refuses what could be done twice: a batch whose COMMIT was lost is decided again, and
// only a key tells that it is there already.
var errNoKey = problem.New(problem.Malformed, "missing_idempotency_key", "An idempotency key is needed.")

// submitKeyed is submit for requests that only their key makes safe to decide again.
func (l *Ledger) submitKeyed(ctx context.Context, c *call, op operation) (Receipt, error) {
	if c.key == "" {
		return Receipt{}, errNoKey
	}
	return l.submit(ctx, c, op)
}

// submit queues a call in its lane and waits for its answer.
func (l *Ledger) submit(ctx context.Context, c *call, op operation) (Receipt, error) {
	c.op = op
	if err := l.lanes[laneOf(c.account, len(l.lanes))].queue.push(c); err != nil {
		return Receipt{}, err
	}
	return c.wait(ctx)
}

// Quote says what a piece of work would cost an account now, without doing anything. Amounts are
// millionths of a token.
type Quote struct {
	catalog.Price
	Spendable    tokens.Amount // by who asks
	Reserved     tokens.Amount // for others, of what is there
	Held         tokens.Amount // by jobs under way
	Affordable   bool
	BalanceAfter tokens.Amount // spendable afterwards; what there is now if not affordable
	Shortfall    tokens.Amount // tokens that have to come for it, while what is reserved stays reserved
}

// Quote prices a charge against the account's present balance. Errors: ErrNoAccount, ErrClosed,
// those of the price, kind Unavailable.
func (l *Ledger) Quote(ctx context.Context, account uuid.UUID, c Charge) (Quote, error) {
	a, err := l.Account(ctx, account)
	if err != nil {
		return Quote{}, err
	}
	if !a.ClosedAt.IsZero() {
		return Quote{}, ErrClosed
	}
	price, err := l.prices().At(l.now()).Price(c.Feature, c.Quantity, c.Amount)
	if err != nil {
		return Quote{}, err
	}
	others := a.Reserved
	if others > 0 {
		if others, err = l.reservedFrom(ctx, a, c.Agent); err != nil {
			return Quote{}, err
		}
	}
	q := Quote{
		Price:     price,
		Spendable: max(0, a.Spendable-others),
		Held:      a.Held,
	}
	q.Reserved, q.BalanceAfter, q.Affordable = a.Spendable-q.Spendable, q.Spendable, q.Spendable >= price.Amount
	if q.Affordable {
		q.BalanceAfter -= price.Amount
	} else {
		q.Shortfall = price.Amount + others - a.Spendable
	}
	return q, nil
}

// reservedFrom is what an agent, or without one the creator, may not spend because it is reserved for others.
func (l *Ledger) reservedFrom(ctx context.Context, a Account, agent string) (tokens.Amount, error) {
	list, own, err := l.Agents(ctx, a.ID)
	if err != nil {
		return 0, err
	}
	others := a.Reserved
	if agent == "" {
		others -= own
	}
	for i := range list {
		if list[i].ID == agent {
			others -= list[i].Reserve
		}
	}
	return max(0, others), nil
}

// Now is the ledger's time, for those who show what it decided.
func (l *Ledger) Now() time.Time { return l.now() }
