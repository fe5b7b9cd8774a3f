package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/problem"
)

// Limits of a batch: how often it is tried while nobody knows whether it is in the books, and how long one try may take.
const (
	maxAttempts = 3
	batchTime   = 20 * time.Second
)

// Errors that a caller can meet whatever the request was.
var (
	ErrUnavailable = problem.New(problem.Unavailable, "unavailable", "The ledger cannot answer just now. Try again with the same key.")
	ErrBusy        = problem.New(problem.Unavailable, "busy", "The ledger has too much to do just now. Try again with the same key.")
	ErrKeyReused   = problem.New(problem.Meaning, "idempotency_key_reused", "This idempotency key was used for a different request.")
)

// call is one request on its way through a lane.
type call struct {
	account     uuid.UUID
	op          operation
	key         string
	fingerprint []byte
	needs       needs         // at the prices in force when its batch was begun
	unseen      bool          // its key was not looked up, since the lane remembers the account
	answer      answer        // to be read once done
	done        chan struct{} // has room for the one signal, so that a lane never waits for a caller who left
}

// answer is what a caller gets once its batch is durable.
type answer struct {
	entry    *Entry // nil: the request wrote none
	replayed bool
	err      error
}

// lane decides the requests of its share of the accounts, batch after batch: while one batch is on its way to disk the next one forms.
// No account belongs to two lanes of a server, so lanes never wait for each other's locks.
type lane struct {
	pool   *pgxpool.Pool
	now    clock.Clock
	prices func() *catalog.Catalog
	queue  *queue
	cache  *cache
	writer *writer
	log    *slog.Logger
}

// run works until the queue is closed and empty.
func (l *lane) run() {
	for calls := l.queue.take(); calls != nil; calls = l.queue.take() {
		for i, a := range l.settleAll(calls) {
			calls[i].answer = a
			calls[i].done <- struct{}{}
		}
	}
}

// settleAll gets an answer for every call. A batch whose outcome is unknown is simply decided again: its locks make the second try wait
// for whatever became of the first, and keys and references that are in the books then answer as replays. A batch that Postgres
// refuses is halved until the poisoned request stands alone, so its neighbours are served.
func (l *lane) settleAll(calls []*call) []answer {
	var err error
	for range maxAttempts {
		var answers []answer
		if answers, err = l.decide(calls); err == nil {
			return answers
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && !transient(refused.Code) {
			return l.halve(calls, err)
		}
		if !errors.Is(err, errStale) {
			l.log.Warn("ledger batch failed", "calls", len(calls), "error", err)
		}
	}
	return refuseAll(calls, ErrUnavailable.Because(err))
}

// errStale means that the lane remembered what is no longer true. The next try reads.
var errStale = errors.New("another server was faster, or a key is older than the lane remembers")

// stale recognises that in what Postgres says of a batch which began from memory: the division by zero of sqlUpdateAccounts, or an entry
// or a key that is there already.
func stale(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "22012" || refused.Code == "23505")
}

func (l *lane) halve(calls []*call, err error) []answer {
	if len(calls) == 1 {
		l.log.Error("the database refused a request", "account", calls[0].account, "operation", fmt.Sprintf("%T", calls[0].op), "error", err)
		return refuseAll(calls, problem.Of(err))
	}
	half := len(calls) / 2
	return append(l.settleAll(calls[:half]), l.settleAll(calls[half:])...)
}

func refuseAll(calls []*call, err error) []answer {
	answers := make([]answer, len(calls))
	for i := range answers {
		answers[i].err = err
	}
	return answers
}

// transient are SQLSTATEs that say nothing about the request: connection trouble, resources, shutdown, and lost races.
func transient(code string) bool {
	switch code[:2] {
	case "08", "40", "53", "57", "58":
		return true
	}
	return code == "25P03" || code == "55P03"
}

// decide gets the batch into the books, or changes nothing: then the lane forgets what it remembered of its accounts.
func (l *lane) decide(calls []*call) (answers []answer, err error) {
	now, prices := l.now(), l.prices()
	for _, c := range calls {
		c.needs = c.op.needs(prices)
	}
	w := wantOf(calls)
	loaded, complete := newLoaded(w, calls, l.cache, now)
	fromMemory := len(loaded.states) > 0
	if answers, err = l.transact(loaded, complete, w, calls, now, prices); err == nil {
		l.cache.keep(loaded)
		return answers, nil
	}
	l.cache.forget(w.accounts)
	if fromMemory {
		l.cache.careful = carefulBatches
		if stale(err) {
			err = errStale
		}
	}
	return nil, err
}

// transact runs one transaction: load and lock unless the lane knows all that it takes, put the calls through the core in order of
// arrival, write, commit.
func (l *lane) transact(loaded *loaded, complete bool, w *want, calls []*call, now time.Time, prices *catalog.Catalog) ([]answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTime)
	defer cancel()
	conn, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release() // a connection with an open or broken transaction is closed by the pool, which rolls it back
	if !complete {
		if err := loaded.load(ctx, conn.Conn(), w, now, !l.cache.full()); err != nil {
			return nil, err
		}
	}
	answers := make([]answer, len(calls))
	for i, c := range calls {
		answers[i] = loaded.answer(c, now, prices)
		if answers[i].err != nil && c.unseen {
			loaded.doubt(c)
		}
	}
	return answers, l.writer.write(ctx, conn.Conn(), loaded, now)
}

// answer decides one call: a known key or reference is a replay, everything else goes to the core. Calls later in the batch see what earlier
// ones did.
func (l *loaded) answer(c *call, now time.Time, prices *catalog.Catalog) answer {
	if known, ok := l.keys[accountKey{c.account, c.key}]; ok && c.key != "" {
		if string(known.fingerprint) != string(c.fingerprint) {
			return answer{err: ErrKeyReused}
		}
		return answer{entry: known, replayed: true}
	}
	reference := accountReference{c.account, c.needs.scope, c.needs.reference}
	if known, ok := l.refs[reference]; ok && reference.scope != "" {
		return usedReference(reference.scope, known)
	}
	s, ok := l.states[c.account]
	if !ok {
		return answer{err: ErrNoAccount}
	}
	e, err := s.apply(c.op, now, prices)
	if err != nil || e.Seq == 0 {
		return answer{err: err}
	}
	return answer{entry: l.bind(c, s, e.Seq)}
}

// usedReference answers a request whose permanent reference is taken: a purchase is credited already, which is what was asked for; a
// second charge under a unique reference is a mistake.
func usedReference(scope string, known *Entry) answer {
	if scope == scopePurchase {
		return answer{entry: known, replayed: true}
	}
	return answer{err: problem.New(problem.Conflict, "reference_used", "This unique reference was used before.").With("transaction", known.ID())}
}

// bind ties the call's key and reference to the entry that it made.
func (l *loaded) bind(c *call, s *state, seq int64) *Entry {
	e := &s.entries[len(s.entries)-1-int(s.seq-seq)]
	if c.key != "" {
		e.key, e.fingerprint = c.key, c.fingerprint
		key := accountKey{c.account, c.key}
		l.keys[key] = e
		l.bound = append(l.bound, key)
	}
	if n := &c.needs; n.scope != "" {
		s.refs = append(s.refs, permanent{scope: n.scope, reference: n.reference, seq: seq})
		l.refs[accountReference{c.account, n.scope, n.reference}] = e
	}
	return e
}
