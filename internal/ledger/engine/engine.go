// Package engine runs the rules of package ledger over Postgres: it decides the requests of many
// callers together, writes them in one transaction, and answers each caller once that is durable.
//
// Reads are here as well; what is due is settled by the same rules, without writing. They share the
// statements and the row readers with the lanes, which is why the package is larger than others. Errors
// that a caller may see are *problem.Error.
package engine

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
	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
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

// Engine answers requests about accounts. It is safe for concurrent use.
type Engine struct {
	pool   *pgxpool.Pool
	store  Store
	now    clock.Clock
	prices func() *catalog.Catalog
	lanes  []*lane
	reader *coalesce.Reader[uuid.UUID, ledger.Account]

	working sync.WaitGroup
}

// New starts the lanes of a ledger over a migrated database. pool is for reading; the lanes have
// connections of their own to the same database, so that no reader keeps a charge waiting. Close
// stops them.
func New(pool *pgxpool.Pool, o Options) *Engine {
	if o.Lanes == 0 {
		o.Lanes = DefaultLanes
	}
	e := &Engine{
		pool:   pool,
		store:  &pgStore{readers: pool, lanes: openLaneDB(pool, o.Lanes)},
		now:    o.Clock,
		prices: o.Prices,
	}
	e.reader = coalesce.New(e.Accounts)
	for range o.Lanes {
		ln := &lane{
			store:   e.store,
			session: e.store.Session(),
			now:     o.Clock,
			prices:  o.Prices,
			queue:   newQueue(),
			cache:   newCache(),
			byID:    map[uuid.UUID]*batchAccount{},
			log:     o.Log,
		}
		e.lanes = append(e.lanes, ln)
		e.working.Go(ln.run)
	}
	return e
}

// Close lets the lanes finish what is queued and stops them. Requests that come later are answered
// problem.Unavailable.
func (e *Engine) Close() {
	for _, ln := range e.lanes {
		ln.queue.close()
	}
	e.working.Wait()
	e.store.Close()
}

// Charge spends tokens, all or nothing. key is the caller's idempotency key, at most 200 bytes: the
// same key with the same request answers the same entry and spends nothing; with another request it
// is idempotency.ErrKeyReused. Refusals bind no key: problem kinds Insufficient, NotFound,
// Unprocessable, Conflict.
func (e *Engine) Charge(ctx context.Context, account uuid.UUID, key string, c ledger.Charge) (ledger.Receipt, error) {
	call := newCall(account)
	call.charge = c
	r, err := e.submitKeyed(ctx, call.keyed(key, call.charge.Fingerprint()), &call.charge)
	r.Note = ledger.Note{Reason: c.Reason, Metadata: c.Metadata}
	return r, err
}

// Hold sets tokens aside for a job. Its entry's seq is the hold's number. Errors as Charge.
func (e *Engine) Hold(ctx context.Context, account uuid.UUID, key string, h ledger.Hold) (ledger.Receipt, error) {
	r, err := e.submitKeyed(ctx, newCall(account).keyed(key, h.Fingerprint()), &h)
	r.Note = ledger.Note{Reason: h.Reason, Metadata: h.Metadata}
	return r, err
}

// Capture spends held tokens and releases the rest of the hold, or spends more than the hold where
// that is spendable: else it is refused as a charge would be, and the hold is kept. Conflict when
// the hold has ended.
func (e *Engine) Capture(ctx context.Context, account uuid.UUID, key string, c ledger.Capture) (ledger.Receipt, error) {
	return e.submitInheriting(ctx, newCall(account).keyed(key, c.Fingerprint()), &c)
}

// Release ends a hold without spending. Conflict when the hold has ended.
func (e *Engine) Release(ctx context.Context, account uuid.UUID, key string, r ledger.Release) (ledger.Receipt, error) {
	return e.submitInheriting(ctx, newCall(account).keyed(key, r.Fingerprint()), &r)
}

// Extend keeps a hold open for longer. Conflict when the hold has ended.
func (e *Engine) Extend(ctx context.Context, account uuid.UUID, key string, x ledger.Extend) (ledger.Extension, error) {
	if key == "" {
		return ledger.Extension{}, idempotency.ErrNoKey
	}
	a, err := e.submit(ctx, newCall(account).keyed(key, x.Fingerprint()), &x)
	if err != nil {
		return ledger.Extension{}, err
	}
	made := a.extension
	return ledger.Extension{
		Hold:      made.Hold,
		At:        made.At,
		ExpiresAt: made.ExpiresAt,
		Replayed:  a.replayed,
	}, nil
}

// Refund gives a charge or capture back to the lots that paid, in full or in part, never more than
// was charged.
func (e *Engine) Refund(ctx context.Context, account uuid.UUID, key string, r ledger.Refund) (ledger.Receipt, error) {
	return e.submitInheriting(ctx, newCall(account).keyed(key, r.Fingerprint()), &r)
}

// submitInheriting is submitKeyed for requests whose note may be inherited. No lane remembers
// notes, so that of a replay is read.
func (e *Engine) submitInheriting(ctx context.Context, c *call, op ledger.Operation) (ledger.Receipt, error) {
	account := c.account
	r, err := e.submitKeyed(ctx, c, op)
	if err == nil && r.Replayed {
		r.Note, err = e.note(ctx, account, r.Seq)
	}
	return r, err
}

// note reads the free text of an entry.
func (e *Engine) note(ctx context.Context, account uuid.UUID, seq int64) (n ledger.Note, err error) {
	err = e.pool.QueryRow(ctx, sqlNote, account, seq).Scan(&n.Reason, &n.Metadata)
	if errors.Is(err, pgx.ErrNoRows) {
		return ledger.Note{}, nil
	}
	return n, orUnavailable(err)
}

// Grant adds a lot of tokens. A purchase is credited once, whatever the key.
func (e *Engine) Grant(ctx context.Context, account uuid.UUID, key string, g ledger.Grant) (ledger.Receipt, error) {
	if key == "" && g.Kind != ledger.LotPurchase { // a purchase's permanent reference makes it safe to decide again
		return ledger.Receipt{}, idempotency.ErrNoKey
	}
	a, err := e.submit(ctx, newCall(account).keyed(key, g.Fingerprint()), &g)
	r := a.receipt()
	r.Note = ledger.Note{Reason: g.Reason, Metadata: g.Metadata}
	return r, err
}

// TakeBack takes tokens out of an account again, all of the amount or nothing. Errors:
// ErrNoAccount, ErrClosed, idempotency.ErrKeyReused, kinds Unprocessable (fields "amount", "lot",
// "reason") and Unavailable.
func (e *Engine) TakeBack(
	ctx context.Context,
	account uuid.UUID,
	key string,
	t ledger.TakeBack,
) (ledger.Receipt, error) {
	r, err := e.submitKeyed(ctx, newCall(account).keyed(key, t.Fingerprint()), &t)
	r.Note = ledger.Note{Reason: t.Reason, Metadata: t.Metadata}
	return r, err
}

// SetPlan opens the account or changes its plan. It needs no key: doing it twice is doing it once.
func (e *Engine) SetPlan(ctx context.Context, account uuid.UUID, p ledger.SetPlan) error {
	_, err := e.PutPlan(ctx, account, p)
	return err
}

// PutPlan is SetPlan for callers who want to know whether it opened the account: of all requests that
// try at once, one did.
func (e *Engine) PutPlan(ctx context.Context, account uuid.UUID, p ledger.SetPlan) (opened bool, err error) {
	a, err := e.submit(ctx, newCall(account), &p)
	return a.opened, err
}

// Settle writes what has fallen due for the account.
func (e *Engine) Settle(ctx context.Context, account uuid.UUID) error {
	_, err := e.submit(ctx, newCall(account), ledger.Settle{})
	return err
}

// CloseAccount closes the account for good. Open holds are released. From then on nothing is
// charged, held, granted, ordered or changed (ErrClosed), and no allowance comes. What is left
// stays in the books until it expires. Charges and purchases can still be refunded, and a purchase
// that was paid is credited. Closing a closed account changes nothing. Errors: ErrNoAccount, kind
// Unavailable.
func (e *Engine) CloseAccount(ctx context.Context, account uuid.UUID) error {
	_, err := e.submit(ctx, newCall(account), ledger.CloseAccount{})
	return err
}

// submitKeyed is submit for requests that only their key makes safe to decide again: a batch whose
// COMMIT was lost is decided a second time, and the key tells that it is there already.
func (e *Engine) submitKeyed(ctx context.Context, c *call, op ledger.Operation) (ledger.Receipt, error) {
	if c.key == "" {
		return ledger.Receipt{}, idempotency.ErrNoKey
	}
	a, err := e.submit(ctx, c, op)
	return a.receipt(), err
}

// submit queues a call in its lane and waits for its answer.
func (e *Engine) submit(ctx context.Context, c *call, op ledger.Operation) (answer, error) {
	c.op = op
	if err := e.lanes[laneOf(c.account, len(e.lanes))].queue.push(c); err != nil {
		return answer{}, err
	}
	return c.wait(ctx)
}

// Now is the ledger's time, for those who show what it decided.
func (e *Engine) Now() time.Time { return e.now() }
