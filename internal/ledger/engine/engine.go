// Package engine executes the rules of package ledger on Postgres. It decides the requests of many callers
// together, writes them in one transaction, and answers each caller once that is durable.
//
// Reads are here as well: they settle what is due with the same rules, without writing. They share
// statements and row readers with the lanes, which is why the package is large. Errors for callers are
// *problem.Error.
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

// DefaultLanes is the number of concurrent batches. Two keep Postgres and the rules busy in turn; more only
// make batches smaller.
const DefaultLanes = 2

// Options configure an Engine.
type Options struct {
	Clock  clock.Clock             // determines what is due
	Prices func() *catalog.Catalog // the catalog in force; called once per batch
	Lanes  int                     // zero: DefaultLanes
	Log    *slog.Logger
}

// Engine executes requests about accounts. It is safe for concurrent use.
type Engine struct {
	pool   *pgxpool.Pool
	store  Store
	now    clock.Clock
	prices func() *catalog.Catalog
	lanes  []*lane
	reader *coalesce.Reader[uuid.UUID, ledger.Account]

	working sync.WaitGroup
}

// New starts the lanes over a migrated database. Reads use pool; the lanes have their own connections to
// the same database, so that reads do not delay charges. Close stops them.
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

// Close lets the lanes finish what is queued and stops them. Later requests fail with problem.Unavailable.
func (e *Engine) Close() {
	for _, ln := range e.lanes {
		ln.queue.close()
	}
	e.working.Wait()
	e.store.Close()
}

// Charge spends tokens, all or nothing. key is the caller's idempotency key, at most 200 bytes: repeating a
// request returns the same entry and spends nothing; another request with the key gets
// idempotency.ErrKeyReused. A refused request does not bind its key. Problem kinds: Insufficient, NotFound,
// Unprocessable, Conflict, Unavailable.
func (e *Engine) Charge(ctx context.Context, account uuid.UUID, key string, c ledger.Charge) (ledger.Receipt, error) {
	call := newCall(account)
	call.charge = c
	r, err := e.submitKeyed(ctx, call.keyed(key, call.charge.Fingerprint()), &call.charge)
	r.Note = ledger.Note{Reason: c.Reason, Metadata: c.Metadata}
	return r, err
}

// Hold reserves tokens for a job. The entry's seq is the hold's number. Errors as Charge.
func (e *Engine) Hold(ctx context.Context, account uuid.UUID, key string, h ledger.Hold) (ledger.Receipt, error) {
	r, err := e.submitKeyed(ctx, newCall(account).keyed(key, h.Fingerprint()), &h)
	r.Note = ledger.Note{Reason: h.Reason, Metadata: h.Metadata}
	return r, err
}

// Capture spends held tokens and releases the rest of the hold. It may exceed the hold if the difference is
// spendable; otherwise it is refused like a charge, and the hold stays open. Conflict if the hold has
// ended.
func (e *Engine) Capture(ctx context.Context, account uuid.UUID, key string, c ledger.Capture) (ledger.Receipt, error) {
	return e.submitInheriting(ctx, newCall(account).keyed(key, c.Fingerprint()), &c)
}

// Release ends a hold without spending. Conflict if the hold has ended.
func (e *Engine) Release(ctx context.Context, account uuid.UUID, key string, r ledger.Release) (ledger.Receipt, error) {
	return e.submitInheriting(ctx, newCall(account).keyed(key, r.Fingerprint()), &r)
}

// Extend moves the end of a hold to later. Conflict if the hold has ended.
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

// Refund returns tokens of a charge or capture to the lots that paid, in full or in part, at most what was
// charged.
func (e *Engine) Refund(ctx context.Context, account uuid.UUID, key string, r ledger.Refund) (ledger.Receipt, error) {
	return e.submitInheriting(ctx, newCall(account).keyed(key, r.Fingerprint()), &r)
}

// submitInheriting is submitKeyed for requests that may copy a note from an earlier entry. The cache has no
// notes, so that of a replay is read.
func (e *Engine) submitInheriting(ctx context.Context, c *call, op ledger.Operation) (ledger.Receipt, error) {
	account := c.account
	r, err := e.submitKeyed(ctx, c, op)
	if err == nil && r.Replayed {
		r.Note, err = e.note(ctx, account, r.Seq)
	}
	return r, err
}

// note reads the note of an entry; empty if there is none.
func (e *Engine) note(ctx context.Context, account uuid.UUID, seq int64) (n ledger.Note, err error) {
	err = e.pool.QueryRow(ctx, sqlNote, account, seq).Scan(&n.Reason, &n.Metadata)
	if errors.Is(err, pgx.ErrNoRows) {
		return ledger.Note{}, nil
	}
	return n, orUnavailable(err)
}

// Grant adds a lot of tokens. A purchase is credited once, even with different keys.
func (e *Engine) Grant(ctx context.Context, account uuid.UUID, key string, g ledger.Grant) (ledger.Receipt, error) {
	if key == "" && g.Kind != ledger.LotPurchase { // a purchase's permanent reference makes a retry safe
		return ledger.Receipt{}, idempotency.ErrNoKey
	}
	a, err := e.submit(ctx, newCall(account).keyed(key, g.Fingerprint()), &g)
	r := a.receipt()
	r.Note = ledger.Note{Reason: g.Reason, Metadata: g.Metadata}
	return r, err
}

// TakeBack takes tokens out of an account, all or nothing. Errors: ErrNoAccount, ErrClosed,
// idempotency.ErrKeyReused, kinds Unprocessable (fields "amount", "lot", "reason") and Unavailable.
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

// SetPlan opens the account or changes its plan. It is idempotent and needs no key.
func (e *Engine) SetPlan(ctx context.Context, account uuid.UUID, p ledger.SetPlan) error {
	_, err := e.PutPlan(ctx, account, p)
	return err
}

// PutPlan is SetPlan that reports whether it opened the account. Of concurrent requests, one did.
func (e *Engine) PutPlan(ctx context.Context, account uuid.UUID, p ledger.SetPlan) (opened bool, err error) {
	a, err := e.submit(ctx, newCall(account), &p)
	return a.opened, err
}

// Settle writes what has fallen due for the account.
func (e *Engine) Settle(ctx context.Context, account uuid.UUID) error {
	_, err := e.submit(ctx, newCall(account), ledger.Settle{})
	return err
}

// CloseAccount closes the account permanently and releases open holds. From then on charges, holds, grants,
// orders and changes fail with ErrClosed, and no allowance is granted. Remaining tokens stay until they
// expire. Charges and purchases can still be refunded, and a paid purchase is still credited. Closing twice
// has no effect. Errors: ErrNoAccount, kind Unavailable.
func (e *Engine) CloseAccount(ctx context.Context, account uuid.UUID) error {
	_, err := e.submit(ctx, newCall(account), ledger.CloseAccount{})
	return err
}

// submitKeyed is submit for requests that need a key to be retried safely: if the COMMIT of a batch is
// lost, the batch is decided again, and the key finds what was written.
func (e *Engine) submitKeyed(ctx context.Context, c *call, op ledger.Operation) (ledger.Receipt, error) {
	if c.key == "" {
		return ledger.Receipt{}, idempotency.ErrNoKey
	}
	a, err := e.submit(ctx, c, op)
	return a.receipt(), err
}

func (e *Engine) submit(ctx context.Context, c *call, op ledger.Operation) (answer, error) {
	c.op = op
	if err := e.lanes[laneOf(c.account, len(e.lanes))].queue.push(c); err != nil {
		return answer{}, err
	}
	return c.wait(ctx)
}

// Now is the engine's clock, for callers that show its decisions.
func (e *Engine) Now() time.Time { return e.now() }
