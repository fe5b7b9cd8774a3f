package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// hang guards every wait of the drills; it expects nothing of the machine's speed.
const hang = 5 * time.Minute

// onRequest is how much work a drill does: little by itself, and what the environment variable says
// on request.
func onRequest(t *testing.T, variable string, usual int) int {
	t.Helper()
	text, ok := os.LookupEnv(variable)
	if !ok {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", variable, text)
	}
	return n
}

// deed is a request that can be sent again, to any server: the same key and the same values.
type deed struct {
	Account uuid.UUID
	Key     string
	Kind    ledger.Kind
	Amount  tokens.Amount
	About   int64
	Agent   string // of a charge or hold
}

// feature is what a deed is about: agents answer comments.
func (d *deed) feature() string {
	if d.Agent != "" {
		return replies
	}
	return "auto_selling"
}

// server carries deeds out: a ledger of this process, or a process of its own.
type server interface {
	carryOut(ctx context.Context, d deed) (ledger.Receipt, error)
}

// local is a ledger of this process.
type local struct{ *engine.Engine }

func (s local) carryOut(ctx context.Context, d deed) (ledger.Receipt, error) {
	switch d.Kind {
	case ledger.KindCharge:
		return s.Charge(ctx, d.Account, d.Key, ledger.Charge{
			Feature: d.feature(),
			Amount:  &d.Amount,
			Agent:   d.Agent,
		})
	case ledger.KindHold:
		return s.Hold(ctx, d.Account, d.Key, ledger.Hold{
			Feature: d.feature(),
			Amount:  &d.Amount,
			Agent:   d.Agent,
		})
	case ledger.KindCapture:
		return s.Capture(ctx, d.Account, d.Key, ledger.Capture{Hold: d.About, Amount: &d.Amount})
	case ledger.KindRelease:
		return s.Release(ctx, d.Account, d.Key, ledger.Release{Hold: d.About})
	case ledger.KindRefund:
		return s.Refund(ctx, d.Account, d.Key, ledger.Refund{Entry: d.About, Amount: &d.Amount})
	case ledger.KindGrant:
		return s.Grant(ctx, d.Account, d.Key, ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: d.Amount,
			Source: d.Key,
		})
	default:
		return ledger.Receipt{}, fmt.Errorf("no such deed: %v", d.Kind)
	}
}

// story is what became of one deed, however often it was sent.
type story struct {
	deed
	receipt  *ledger.Receipt // of the first acknowledgement
	fresh    int             // acknowledgements that were no replays
	unknowns int             // answers that say nothing
	open     bool            // nobody has told yet what became of it
}

// journal remembers what callers were told, to be compared with the books.
type journal struct {
	t *testing.T

	acked, refused, unknown, replayed atomic.Int64

	mu      sync.Mutex
	stories map[string]*story // by key
	order   []*story
	opening map[uuid.UUID]ledger.Account // the accounts as they were before
}

func newJournal(t *testing.T) *journal {
	return &journal{
		t:       t,
		stories: map[string]*story{},
		opening: map[uuid.UUID]ledger.Account{},
	}
}

// sent is a deed on its way, and what was known of it when it was sent.
type sent struct {
	*story
	unknowns int
	acked    bool
}

func (j *journal) begin(d deed) sent {
	j.mu.Lock()
	defer j.mu.Unlock()
	st, ok := j.stories[d.Key]
	if !ok {
		st = &story{deed: d, open: true}
		j.stories[d.Key] = st
		j.order = append(j.order, st)
	}
	return sent{st, st.unknowns, st.receipt != nil}
}

// end notes the answer and says whether it was known.
func (j *journal) end(s sent, r ledger.Receipt, err error) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch kind := kindOf(err); {
	case err == nil:
		j.note(s.story, r)
	case kind == problem.KindUnavailable:
		j.unknown.Add(1)
		s.story.unknowns++
		s.open = s.receipt == nil
		return false
	case kind == problem.Internal:
		j.t.Errorf("%+v: %v", s.deed, err)
	default:
		j.refused.Add(1)
		s.open = s.open && s.story.unknowns != s.unknowns // the answer to another sender is still out
		if s.acked {
			j.t.Errorf("%+v was acknowledged and then refused: %v", s.deed, err)
		}
	}
	return true
}

// send carries a deed out and notes the answer. It says whether the answer was known.
func (j *journal) send(ctx context.Context, s server, d deed) (ledger.Receipt, bool) {
	on := j.begin(d)
	r, err := s.carryOut(ctx, d)
	return r, j.end(on, r, err)
}

// note takes down an acknowledgement.
func (j *journal) note(st *story, r ledger.Receipt) {
	st.open = false
	if r.Replayed {
		j.replayed.Add(1)
	} else {
		st.fresh++
	}
	if st.receipt == nil {
		j.acked.Add(1)
		st.receipt = &r
	} else if !sameEntry(r.Entry, st.receipt.Entry) {
		j.t.Errorf("two answers to %+v: %+v and %+v", st.deed, *st.receipt, r)
	}
	if st.fresh > 1 {
		j.t.Errorf("%+v was carried out %d times", st.deed, st.fresh)
	}
	if r.AccountID != st.Account || r.Kind != st.Kind || r.SpendableAfter < 0 || r.BalanceAfter < 0 {
		j.t.Errorf("%+v was answered %+v", st.deed, r)
	}
}

func sameEntry(a, b ledger.Entry) bool {
	return a.AccountID == b.AccountID && a.Seq == b.Seq && a.Kind == b.Kind && a.Amount == b.Amount &&
		a.HeldDelta == b.HeldDelta &&
		a.BalanceAfter == b.BalanceAfter && a.HeldAfter == b.HeldAfter && a.SpendableAfter == b.SpendableAfter &&
		a.At.Equal(b.At)
}

// resolve sends what is still unknown again until its outcome is known, and once more: the outcome
// must stand.
func (j *journal) resolve(s server) {
	j.t.Helper()
	open := make(chan *story)
	var working sync.WaitGroup
	for range 16 {
		working.Go(func() {
			for st := range open {
				j.resolveOne(s, st)
			}
		})
	}
	n := 0
	for _, st := range j.order {
		if st.open {
			open <- st
			n++
		}
	}
	close(open)
	working.Wait()
	j.t.Logf("%d acknowledged, %d refused, %d replayed; %d answers unknown, %d deeds resolved at the end",
		j.acked.Load(), j.refused.Load(), j.replayed.Load(), j.unknown.Load(), n)
}

func (j *journal) resolveOne(s server, st *story) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	for known := false; !known; {
		if ctx.Err() != nil {
			j.t.Errorf("%+v is never resolved", st.deed)
			return
		}
		if _, known = j.send(ctx, s, st.deed); !known {
			time.Sleep(2 * time.Millisecond)
		}
	}
	if st.receipt != nil {
		if r, known := j.send(ctx, s, st.deed); known && !r.Replayed {
			j.t.Errorf("%+v was carried out again after it was resolved", st.deed)
		}
	}
}

// check compares the journal with the books: every acknowledged deed is there exactly once and as
// it was answered, every refused one is not, and there is nothing else. Then it lets the books
// check themselves.
func (j *journal) check(b *books) {
	j.t.Helper()
	rows, err := b.pool.Query(context.Background(),
		`select idempotency_key, account, seq, kind, amount, held_delta, balance_after, held_after, spendable_after, at
		from entries where idempotency_key is not null and account = any($1)`, j.accounts())
	if err != nil {
		j.t.Fatal(err)
	}
	found, wrong := map[string]int{}, 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			j.t.Errorf(format, args...)
		}
	}
	var key string
	var e ledger.Entry
	fields := []any{
		&key, &e.AccountID, &e.Seq, &e.Kind, &e.Amount, &e.HeldDelta, &e.BalanceAfter, &e.HeldAfter,
		&e.SpendableAfter, &e.At,
	}
	_, err = pgx.ForEachRow(rows, fields, func() error {
		st, ok := j.stories[key]
		switch {
		case !ok:
			complain("an entry that nobody asked for: %+v under %q", e, key)
		case st.receipt == nil:
			complain("%+v was refused and is in the books", st.deed)
		case !sameEntry(e, st.receipt.Entry):
			complain("%+v was answered %+v, the books say %+v", st.deed, *st.receipt, e)
		}
		found[key]++
		return nil
	})
	if err != nil {
		j.t.Fatal(err)
	}
	sums := map[uuid.UUID]tokens.Amount{}
	for _, st := range j.order {
		if st.receipt == nil {
			continue
		}
		sums[st.Account] += st.receipt.Amount
		if found[st.Key] != 1 {
			complain("%+v was acknowledged and is %d times in the books", st.deed, found[st.Key])
		}
	}
	for id, before := range j.opening {
		a, err := b.Account(context.Background(), id)
		if err != nil || a.Total != before.Total+sums[id] || a.Spendable < 0 {
			complain("account %v has %v of which %v spendable (%v); it had %v and was told of %v", id, a.Total,
				a.Spendable, err, before.Total, sums[id])
		}
	}
	b.checkInvariants()
	for id := range j.opening {
		b.checkEvents(id)
	}
}

func (j *journal) accounts() []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(j.opening))
	for id := range j.opening {
		ids = append(ids, id)
	}
	return ids
}

// open opens n accounts for the journal's deeds.
func (j *journal) open(b *books, n int) []uuid.UUID {
	j.t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = b.open("star")
		if i%2 == 0 {
			b.put(ids[i], "a", "100", "")
			b.put(ids[i], "b", "", "50")
			b.put(ids[i], "", "", "20")
		}
		a, err := b.Account(j.t.Context(), ids[i])
		if err != nil {
			j.t.Fatal(err)
		}
		j.opening[ids[i]] = a
	}
	return ids
}

// logged is a logger that keeps what a ledger complains of.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// poolOn is a pool of the test's own. configure may be nil.
func poolOn(t *testing.T, url string, configure func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 6
	if configure != nil {
		configure(config)
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// ledgerOn is a ledger that ends with the test.
func ledgerOn(t *testing.T, pool *pgxpool.Pool, log *slog.Logger) *engine.Engine {
	t.Helper()
	l := engine.New(pool, engine.Options{
		Clock:  clock.NewManual(start).Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	t.Cleanup(l.Close)
	return l
}

var quiet = slog.New(slog.DiscardHandler)

func amountOf(text string) tokens.Amount { return tokens.MustParse(text) }

// chargeOf is a charge of exactly so many tokens.
func chargeOf(amount string) ledger.Charge {
	a := amountOf(amount)
	return ledger.Charge{Feature: "auto_selling", Amount: &a}
}

var errGone = errors.New("the server is gone")

// booksOn is books on a database that other servers use as well. They are to be checked at the end
// by the test itself.
func booksOn(t *testing.T, url string) *books {
	t.Helper()
	b := &books{
		t:     t,
		pool:  poolOn(t, url, nil),
		clock: clock.NewManual(start),
	}
	b.Engine = ledgerOn(t, b.pool, quiet)
	return b
}
