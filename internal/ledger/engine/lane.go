package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/problem"
)

// Limits of a batch: attempts while its outcome is unknown, and the time for each.
const (
	maxAttempts = 3
	batchTime   = 20 * time.Second
)

// lane decides the requests for its share of the accounts in batches. While one batch is being committed,
// the next one fills. Lanes of one server share no account, so they never wait for each other's locks.
type lane struct {
	store   Store
	session Session
	now     clock.Clock
	prices  func() *catalog.Catalog
	queue   *queue
	cache   *cache
	log     *slog.Logger

	// Buffers for the current batch, reused by the next.
	accounts [maxBatch]batchAccount
	order    [maxBatch]*batchAccount
	byID     map[uuid.UUID]*batchAccount
}

// run processes batches until the queue is closed and empty. Before it takes the next batch it yields to
// runnable goroutines: most are about to send a request, and larger batches cost less per request.
func (l *lane) run() {
	for calls := l.queue.take(); calls != nil; calls = l.queue.take() {
		l.process(calls)
		for _, c := range calls {
			c.done <- struct{}{}
		}
		runtime.Gosched()
	}
}

// process answers every call. A batch with an unknown outcome is decided again: its locks wait for the
// first attempt to end, and keys and references that it wrote are then replays. A batch that Postgres
// refuses is halved until the request at fault is alone, so that the others succeed.
func (l *lane) process(calls []*call) {
	var err error
	for range maxAttempts {
		if err = l.decide(calls); err == nil {
			return
		}
		if concernsOneRequest(err) {
			l.halve(calls, err)
			return
		}
		if sqlState(err) == lockTimedOut {
			if calls = l.refuseLocked(calls); len(calls) == 0 {
				return
			}
		}
		if !errors.Is(err, errStale) {
			logs.Database(l.log).Warn("ledger batch failed", "calls", len(calls), "error", err)
		}
	}
	refuseAll(calls, problem.Unavailable(err))
}

// concernsOneRequest reports whether an error is caused by one request or account of the batch.
func concernsOneRequest(err error) bool {
	return errors.Is(err, errUnreadable) || (sqlState(err) != "" && !transient(sqlState(err)))
}

// lockTimedOut is the SQLSTATE for lock_timeout: another server has held a row for longer than any batch
// takes, so it hangs.
const lockTimedOut = "55P03"

// refuseLocked refuses requests for locked accounts and returns the others.
func (l *lane) refuseLocked(calls []*call) (free []*call) {
	ids := make([]uuid.UUID, len(calls))
	for i, c := range calls {
		ids[i] = c.account
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTime)
	defer cancel()
	locked, err := l.store.Locked(ctx, ids)
	if err != nil {
		return calls
	}
	for _, c := range calls {
		if slices.Contains(locked, c.account) {
			c.answer = answer{err: problem.Unavailable(errLocked)}
		} else {
			free = append(free, c)
		}
	}
	return free
}

var errLocked = errors.New("another server holds the lock on the account")

func (l *lane) halve(calls []*call, err error) {
	if len(calls) == 1 {
		l.log.Error("the database refused a request", "account", calls[0].account, "operation",
			fmt.Sprintf("%T", calls[0].op), "error", err)
		refuseAll(calls, problem.Of(err))
		return
	}
	half := len(calls) / 2
	l.process(calls[:half])
	l.process(calls[half:])
}

func refuseAll(calls []*call, err error) {
	for _, c := range calls {
		c.answer = answer{err: err}
	}
}

// transient reports whether a SQLSTATE has nothing to do with the request: connection, resources, shutdown,
// serialization.
func transient(code string) bool {
	switch code[:2] {
	case "08", "40", "53", "57", "58":
		return true
	}
	// idle transaction timeout, read-only standby, lock timeout
	return code == "25P03" || code == "25006" || code == lockTimedOut
}

// decide commits the batch, or changes nothing and drops its accounts from the cache.
func (l *lane) decide(calls []*call) error {
	now := l.now()
	prices := l.prices().At(now)
	b := l.gather(calls, prices, now)
	some, all := b.remembers()
	err := l.transact(b, all, now, prices)
	if err == nil {
		l.cache.keep(b.accounts)
		if some {
			l.cache.recordHit()
		}
		return nil
	}
	l.cache.forget(b.accounts, b.bound)
	if some && stale(err) {
		if !keyExists(err) {
			l.cache.recordConflict()
		}
		err = errStale
	}
	return err
}

// transact runs one transaction: load and lock unless all accounts are cached, apply the calls in order of
// arrival, write, commit.
func (l *lane) transact(b *batch, remembered bool, now time.Time, prices *catalog.Catalog) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTime)
	defer cancel()
	if err := l.session.Begin(ctx); err != nil {
		return err
	}
	defer func() { l.session.End(ctx, err) }()
	if !remembered {
		if err := l.load(ctx, b, now); err != nil {
			return err
		}
	}
	for _, c := range b.calls {
		c.answer = b.answer(c, now, prices)
	}
	return l.session.Commit(ctx, b, now)
}

// load locks the accounts and reads those that are not cached: one round trip, and a second one for
// accounts that need more than their row.
func (l *lane) load(ctx context.Context, b *batch, now time.Time) error {
	if err := l.session.Lock(ctx, b); err != nil {
		return err
	}
	b.open(func(*batchAccount) bool { return true })
	full := l.cache.worthFullLoad()
	incomplete := func(a *batchAccount) bool {
		return a.snapshot != nil && (full || a.state.NeedsComplete(&a.Demand, now))
	}
	ids := b.ids(incomplete)
	for _, id := range ids {
		snap := b.snapshotOf(id)
		snap.Complete, snap.Agents = true, nil
	}
	if err := l.session.Complete(ctx, b, ids, now); err != nil {
		return err
	}
	b.open(func(a *batchAccount) bool { return a.snapshot.Complete })
	return nil
}

// gather collects the accounts of a batch and their cached states.
func (l *lane) gather(calls []*call, prices *catalog.Catalog, now time.Time) *batch {
	b := &batch{
		calls:    calls,
		cache:    l.cache,
		accounts: l.order[:0],
	}
	clear(l.byID)
	for _, c := range calls {
		a := l.byID[c.account]
		if a == nil {
			a = &l.accounts[len(b.accounts)]
			*a = batchAccount{id: c.account, Demand: ledger.Demand{Agents: a.Agents[:0]}}
			l.byID[c.account] = a
			b.accounts = append(b.accounts, a)
		} else {
			a.Multiple = true
		}
		c.part, c.needs = a, c.op.Needs(prices)
		a.Add(&c.needs)
	}
	slices.SortFunc(b.accounts, func(x, y *batchAccount) int { return bytes.Compare(x.id[:], y.id[:]) })
	for _, a := range b.accounts {
		a.state = l.cache.find(a, now)
		a.remembered = a.state != nil
	}
	return b
}
