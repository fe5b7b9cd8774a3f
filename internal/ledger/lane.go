package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/problem"
)

// Limits of a batch: how often it is tried while nobody knows whether it is in the books, and how
// long one try may take.
const (
	maxAttempts = 3
	batchTime   = 20 * time.Second
)

// Errors that a caller can meet whatever the request was.
var (
	ErrUnavailable = problem.New(problem.Unavailable, "unavailable",
		"The ledger cannot answer just now. Try again with the same key.")
	ErrBusy = problem.New(problem.Unavailable, "busy",
		"The ledger has too much to do just now. Try again with the same key.")
	ErrKeyReused = problem.New(problem.Unprocessable, "idempotency_key_reused",
		"This idempotency key was used for a different request.")
)

// lane decides the requests of its share of the accounts, batch after batch: while one batch is on
// its way to disk the next one forms. No account belongs to two lanes of a server, so lanes never
// wait for each other's locks.
type lane struct {
	db     laneDB
	now    clock.Clock
	prices func() *catalog.Catalog
	queue  *queue
	cache  *cache
	writer writer
	log    *slog.Logger

	// Memory of the batch at work, used again by the next.
	parties [maxBatch]party
	order   [maxBatch]*party
	byID    map[uuid.UUID]*party
}

// run works until the queue is closed and empty. Before it takes the next batch it lets those run
// who are ready to: most of them are about to ask, and a request costs less in a larger batch.
// Nobody is waited for.
func (l *lane) run() {
	for calls := l.queue.take(); calls != nil; calls = l.queue.take() {
		l.settleAll(calls)
		for _, c := range calls {
			c.done <- struct{}{}
		}
		runtime.Gosched()
	}
}

// settleAll gets an answer for every call. A batch whose outcome is unknown is simply decided
// again: its locks make the second try wait for whatever became of the first, and keys and
// references that are in the books then answer as replays. A batch that Postgres refuses is halved
// until the poisoned request stands alone, so its neighbours are served.
func (l *lane) settleAll(calls []*call) {
	var err error
	for range maxAttempts {
		if err = l.decide(calls); err == nil {
			return
		}
		if ofOne(err) {
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
	refuseAll(calls, ErrUnavailable.Wrap(err))
}

// errStale means that the lane remembered what is no longer true. The next try reads.
var errStale = errors.New("another server was faster, or a key is older than the lane remembers")

// stale recognises that in what became of a batch which began from memory: Postgres says so by the
// division by zero of sqlUpdateAccounts, or since an entry or a key is there already.
func stale(err error) bool {
	return errors.Is(err, errStale) || sqlState(err) == "22012" || oldKey(err)
}

// ofOne says whether it is about one request of the batch: what it is, or its account.
func ofOne(err error) bool {
	return errors.Is(err, errUnreadable) || (sqlState(err) != "" && !transient(sqlState(err)))
}

// sqlState is that of a refusal by Postgres; empty for anything else.
func sqlState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// lockTimedOut is the SQLSTATE of a wait for a row that another server keeps for longer than any
// batch takes: it hangs.
const lockTimedOut = "55P03"

// refuseLocked refuses the requests about accounts that are locked now, and gives the others.
func (l *lane) refuseLocked(calls []*call) (free []*call) {
	ids := make(idList, len(calls))
	for i, c := range calls {
		ids[i] = c.account
	}
	ctx, cancel := context.WithTimeout(context.Background(), batchTime)
	defer cancel()
	rows, err := l.db.Query(ctx, sqlLockedAccounts, ids)
	if err != nil {
		return calls
	}
	locked, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return calls
	}
	for _, c := range calls {
		if slices.Contains(locked, c.account) {
			c.answer = answer{err: ErrUnavailable.Wrap(errLocked)}
		} else {
			free = append(free, c)
		}
	}
	return free
}

var errLocked = errors.New("another server keeps the account locked")

// oldKey says whether it was no more than a key that is older than the lane's memory: what the
// batch began from has been found true when entries are inserted, and claims looked up, which comes
// later.
func oldKey(err error) bool { return sqlState(err) == "23505" || sqlState(err) == claimFound }

func (l *lane) halve(calls []*call, err error) {
	if len(calls) == 1 {
		l.log.Error("the database refused a request", "account", calls[0].account, "operation",
			fmt.Sprintf("%T", calls[0].op), "error", err)
		refuseAll(calls, problem.Of(err))
		return
	}
	half := len(calls) / 2
	l.settleAll(calls[:half])
	l.settleAll(calls[half:])
}

func refuseAll(calls []*call, err error) {
	for _, c := range calls {
		c.answer = answer{err: err}
	}
}

// transient are SQLSTATEs that say nothing about the request: connection trouble, resources,
// shutdown, and lost races.
func transient(code string) bool {
	switch code[:2] {
	case "08", "40", "53", "57", "58":
		return true
	}
	// an idle transaction ended, a standby or a full disk, a lock
	return code == "25P03" || code == "25006" || code == lockTimedOut
}

// decide gets the batch into the books, or changes nothing: then the lane forgets what it
// remembered of its accounts.
func (l *lane) decide(calls []*call) error {
	now := l.now()
	prices := l.prices().At(now)
	batch := l.gather(calls, prices, now)
	some, all := batch.remembers()
	err := l.transact(batch, all, now, prices)
	if err == nil {
		l.cache.keep(batch.parties)
		if some {
			l.cache.trust()
		}
		return nil
	}
	l.cache.forget(batch.parties, batch.bound)
	if some && stale(err) {
		if !oldKey(err) {
			l.cache.distrust()
		}
		err = errStale
	}
	return err
}

// transact runs one transaction: load and lock unless the lane knows all that it takes, put the
// calls through the core in order of arrival, write, commit.
func (l *lane) transact(batch *loaded, complete bool, now time.Time, prices *catalog.Catalog) error {
	ctx, cancel := context.WithTimeout(context.Background(), batchTime)
	defer cancel()
	conn, err := l.db.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // a connection with an open or broken transaction is closed by the pool, which rolls it back
	if err = l.work(ctx, conn.Conn(), batch, complete, now, prices); stale(err) {
		// it happens again and again where servers share accounts: the connection is still good
		_, _ = conn.Exec(ctx, "rollback")
	}
	return err
}

// work is the transaction on its connection.
func (l *lane) work(ctx context.Context, conn *pgx.Conn, batch *loaded, complete bool, now time.Time,
	prices *catalog.Catalog,
) error {
	if !complete {
		if err := batch.load(ctx, conn, now, l.cache.pays(), l.db); err != nil {
			return err
		}
	}
	for _, c := range batch.calls {
		c.answer = batch.answer(c, now, prices)
	}
	return l.writer.write(ctx, conn, batch, now, l.db)
}

// answer decides one call: a known key or reference is a replay, everything else goes to the core.
// Calls later in the batch see what earlier ones did.
func (l *loaded) answer(c *call, now time.Time, prices *catalog.Catalog) answer {
	if known := l.entryOf(c); known != nil {
		if known.fingerprint != c.fingerprint {
			return answer{err: ErrKeyReused}
		}
		return answer{entry: known, replayed: true}
	}
	if err := l.checkClaim(c); err != nil {
		return answer{err: err}
	}
	if known := l.extensionOf(c); known != nil {
		if known.fingerprint != c.fingerprint {
			return answer{err: ErrKeyReused}
		}
		return answer{extension: known, replayed: true}
	}
	if c.needs.scope != "" {
		if known, ok := l.refs[accountReference{c.account, c.needs.scope, c.needs.reference}]; ok {
			return usedReference(c.needs.scope, known)
		}
	}
	s := c.party.state
	if s == nil {
		return answer{err: ErrNoAccount}
	}
	extended := len(s.extensions)
	e, err := s.apply(c.op, now, prices)
	switch {
	case err != nil:
		l.doubt(c)
		return answer{err: err}
	case e != nil:
		l.bind(c, s, e)
		return answer{entry: e, note: e.note}
	case len(s.extensions) > extended:
		return answer{extension: l.bindExtension(c, s.extensions[extended])}
	}
	return answer{}
}

// entryOf is the entry that was made under the call's key, if there is one.
func (l *loaded) entryOf(c *call) *Entry {
	if c.key == "" {
		return nil
	}
	key := accountKey{c.account, c.key}
	if e := l.cache.keys[key]; e != nil {
		return e
	}
	return l.known[key]
}

// extensionOf is the extension of a hold that was made under the call's key, if there is one.
func (l *loaded) extensionOf(c *call) *extension {
	if len(l.extensions) == 0 || c.key == "" {
		return nil
	}
	return l.extensions[accountKey{c.account, c.key}]
}

// bindExtension ties the call's key to the extension that it made.
func (l *loaded) bindExtension(c *call, x *extension) *extension {
	x.key, x.fingerprint = c.key, c.fingerprint
	l.rememberExtension(c.account, x)
	return x
}

func (l *loaded) rememberExtension(account uuid.UUID, x *extension) {
	if l.extensions == nil {
		l.extensions = map[accountKey]*extension{}
	}
	l.extensions[accountKey{account, x.key}] = x
}

// doubt notes a refusal from memory. It holds only if the call's key is not in the books: what went
// through once is answered again, whatever is there now. And it holds only if what the lane
// remembers is true: another server may have made possible what this one would refuse.
func (l *loaded) doubt(c *call) {
	if c.party.remembered && c.key != "" {
		l.doubts = append(l.doubts, c)
	}
}

// usedReference answers a request whose permanent reference is taken: a purchase is credited
// already, which is what was asked for; a second charge under a unique reference is a mistake.
func usedReference(scope string, known *Entry) answer {
	if scope == scopePurchase {
		return answer{entry: known, replayed: true}
	}
	return answer{err: problem.New(problem.Conflict, "reference_used",
		"This unique reference was used before.").With("transaction", known.ID())}
}

// bind ties the call's key and reference to the entry that it made.
func (l *loaded) bind(c *call, s *state, e *Entry) {
	if c.key != "" {
		e.key, e.fingerprint = c.key, c.fingerprint
		key := accountKey{c.account, c.key}
		l.cache.remember(key, e)
		l.bound = append(l.bound, key)
	}
	if n := &c.needs; n.scope != "" {
		s.refs = append(s.refs, permanent{
			scope:     n.scope,
			reference: n.reference,
			seq:       e.Seq,
		})
		l.useReference(accountReference{c.account, n.scope, n.reference}, e)
	}
}
