package engine_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// lockAccount locks an account as another server would. Requests for it wait until unlock is called.
func (f *fixture) lockAccount(id uuid.UUID) (unlock func()) {
	f.T.Helper()
	tx, err := f.Pool.Begin(context.Background())
	if err != nil {
		f.T.Fatal(err)
	}
	if _, err := tx.Exec(context.Background(), "select 1 from ledger_accounts where account = $1 for update",
		id); err != nil {
		f.T.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := tx.Rollback(context.Background()); err != nil {
			f.T.Error(err)
		}
	})
}

// waitForLock waits until a batch waits for the lock.
func (f *fixture) waitForLock() {
	f.T.Helper()
	f.WaitUntil("a batch waits for a lock", func() bool {
		var n int
		err := f.Pool.QueryRow(context.Background(), `select count(*) from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock'`).Scan(&n)
		return err == nil && n > 0
	})
}

// newSingleLane is a fixture with a single lane, which waits for a locked account: all requests queue until open is
// called.
func newSingleLane(t *testing.T) (f *fixture, first uuid.UUID, open func()) {
	t.Helper()
	f = &fixture{ledgertest.NewWith(t, ledgertest.Options{
		Pool:            testdb.New(t),
		Lanes:           1,
		CheckInvariants: true,
	})}
	first = f.MustOpen("star")
	open = f.lockAccount(first)
	t.Cleanup(open)
	go func() { _, _ = f.Charge(context.Background(), first, "gate", ledger.Charge{Feature: "lip_sync"}) }()
	f.waitForLock()
	return f, first, open
}

// bulkOf is n charges of one comment reply, 0.05 tokens each, spread over accounts.
func bulkOf(name string, n int, ids ...uuid.UUID) []ledger.BulkCharge {
	charges := make([]ledger.BulkCharge, n)
	for i := range charges {
		charges[i] = ledger.BulkCharge{
			AccountID: ids[i%len(ids)],
			Key:       name + "-" + strconv.Itoa(i),
			Charge:    ledger.Charge{Feature: "social_comment_reply"},
		}
	}
	return charges
}

// fillQueue sends bulks at once and waits until at least some were refused as busy, which has to happen while all
// others wait. The returned function waits for the rest and returns the number of accepted charges.
func (f *fixture) fillQueue(name string, bulks, busy int, ids ...uuid.UUID) (wait func() (made int64)) {
	f.T.Helper()
	var turnedAway, made, busyCharges atomic.Int64
	var working sync.WaitGroup
	for i := range bulks {
		working.Go(func() {
			results := f.ChargeAll(context.Background(), bulkOf(name+"-"+strconv.Itoa(i), ledger.MaxBulk, ids...))
			for _, r := range results {
				switch {
				case r.Err == nil:
					made.Add(1)
				case errors.Is(r.Err, ledger.ErrBusy):
					busyCharges.Add(1)
				default:
					f.T.Error(r.Err)
				}
			}
			if errors.Is(results[0].Err, ledger.ErrBusy) {
				turnedAway.Add(1)
			}
		})
	}
	f.WaitUntil("the queue is full", func() bool { return turnedAway.Load() >= int64(busy) })
	return func() int64 {
		working.Wait()
		if made.Load()+busyCharges.Load() != int64(bulks*ledger.MaxBulk) {
			f.T.Errorf("%d charges made and %d turned away, of %d", made.Load(), busyCharges.Load(),
				bulks*ledger.MaxBulk)
		}
		return made.Load()
	}
}

// A full queue refuses at once, so it is bounded. It applies what it has accepted and nothing else.
func TestAFullQueueTurnsAway(t *testing.T) {
	t.Parallel()
	f, first, open := newSingleLane(t)
	ids := make([]uuid.UUID, 50)
	for i := range ids {
		ids[i] = uuid.New()
	}
	open()
	for _, id := range ids {
		if err := f.SetPlan(t.Context(), id, ledger.SetPlan{Plan: "star"}); err != nil {
			t.Fatal(err)
		}
	}
	open = f.lockAccount(first)
	defer open()
	go func() { _, _ = f.Charge(context.Background(), first, "gate again", ledger.Charge{Feature: "lip_sync"}) }()
	f.waitForLock()
	wait := f.fillQueue("flood", 24, 12, ids...)
	open()
	made := wait()
	var charged int64
	if err := f.Pool.QueryRow(t.Context(), "select count(*) from entries where kind = 2 and account <> $1",
		first).Scan(&charged); err != nil {
		t.Fatal(err)
	}
	if made != charged || made == 0 {
		t.Errorf("%d charges acknowledged, %d written", made, charged)
	}
	f.MustCharge(ids[0], "lip_sync", "")
}

// One account that fills a lane leaves room for others.
func TestOneAccountCannotTakeTheWholeQueue(t *testing.T) {
	t.Parallel()
	f, first, open := newSingleLane(t)
	flooded := f.fillQueue("hot", 16, 8, first)
	neighbour := uuid.New()
	opened := make(chan error)
	go func() { opened <- f.SetPlan(context.Background(), neighbour, ledger.SetPlan{Plan: "star"}) }()
	results := make(chan []ledger.BulkResult)
	go func() {
		results <- f.ChargeAll(context.Background(),
			bulkOf("neighbour", ledger.MaxBulk, uuid.New(), uuid.New(), uuid.New()))
	}()
	select {
	case err := <-opened:
		t.Errorf("the neighbour was turned away: %v", err)
	case r := <-results:
		t.Errorf("the neighbours were turned away: %v", r[0].Err)
	case <-time.After(50 * time.Millisecond): // they wait
	}
	open()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	for _, r := range <-results {
		if !errors.Is(r.Err, ledger.ErrNoAccount) {
			t.Errorf("a neighbour who has no account: %v", r.Err)
		}
	}
	if flooded() == 0 {
		t.Error("the hot account got nothing")
	}
}

// A request that Postgres refuses fails alone, wherever it is in its batch; the charges around it, also of the same
// account, succeed.
func TestAPoisonedRequestFailsAlone(t *testing.T) {
	t.Parallel()
	far := time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC)
	reply := func(c ledger.Charge) ledger.Charge { c.Feature = "social_comment_reply"; return c }
	huge := tokens.Amount(1<<63 - 1)
	for name, poison := range map[string]func(f *fixture, id uuid.UUID) error{
		"NUL in the agent": func(f *fixture, id uuid.UUID) error {
			_, err := f.Charge(context.Background(), id, "poison", reply(ledger.Charge{Agent: "a\x00b"}))
			return err
		},
		"invalid UTF-8 in the reference": func(f *fixture, id uuid.UUID) error {
			_, err := f.Charge(context.Background(), id, "poison", reply(ledger.Charge{Reference: "\xff\xfe"}))
			return err
		},
		"invalid UTF-8 in the key": func(f *fixture, id uuid.UUID) error {
			_, err := f.Charge(context.Background(), id, "poison\xff", reply(ledger.Charge{}))
			return err
		},
		"NUL in the key of a permanent reference": func(f *fixture, id uuid.UUID) error {
			_, err := f.Charge(context.Background(), id, "poison",
				reply(ledger.Charge{Reference: "\x00", UniqueReference: true}))
			return err
		},
		"NUL in metadata": func(f *fixture, id uuid.UUID) error {
			_, err := f.Charge(context.Background(), id, "poison",
				reply(ledger.Charge{Metadata: map[string]string{"k": "\x00"}}))
			return err
		},
		"a key longer than an index entry": func(f *fixture, id uuid.UUID) error {
			_, err := f.Charge(context.Background(), id, randomText(20_000), reply(ledger.Charge{}))
			return err
		},
		"an end of time": func(f *fixture, id uuid.UUID) error {
			_, err := f.Grant(context.Background(), id, "poison", ledger.Grant{
				Kind:      ledger.LotPromo,
				Amount:    1,
				ExpiresAt: far,
			})
			return err
		},
		"an amount beyond all bounds": func(f *fixture, id uuid.UUID) error {
			_, err := f.Charge(context.Background(), id, "poison",
				ledger.Charge{Feature: "auto_selling", Amount: &huge})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checkPoisonedBatch(t, poison)
		})
	}
}

// randomText is text that does not compress.
func randomText(n int) string {
	var text strings.Builder
	for text.Len() < n {
		text.WriteString(strconv.FormatUint(rand.Uint64(), 36))
	}
	return text.String()
}

// checkPoisonedBatch sends a poisoned request in the middle of a batch.
func checkPoisonedBatch(t *testing.T, poison func(f *fixture, id uuid.UUID) error) {
	t.Helper()
	const around = 30
	f, first, open := newSingleLane(t)
	open()
	ids := []uuid.UUID{first, f.MustOpen("starter"), f.MustOpen("pro")}
	for _, id := range ids { // two lots each, so that a charge can need both
		f.MustGrant(id, ledger.LotPurchase, "100", time.Time{})
	}
	open = f.lockAccount(first)
	defer open()
	go func() { _, _ = f.Charge(context.Background(), first, "gate again", ledger.Charge{Feature: "lip_sync"}) }()
	f.waitForLock()
	var working sync.WaitGroup
	charge := func(i int) {
		working.Go(func() {
			amount := tokens.One * tokens.Amount(1+i%5)
			if i%3 == 1 && i < 4 {
				amount = 250 * tokens.One
			}
			r, err := f.Charge(context.Background(), ids[i%3], "good-"+strconv.Itoa(i),
				ledger.Charge{Feature: "auto_selling", Amount: &amount})
			if err != nil || r.Replayed {
				t.Errorf("a neighbour: %v", err)
			}
		})
	}
	for i := range around / 2 {
		charge(i)
	}
	working.Go(func() {
		if err := poison(f, ids[1]); err == nil {
			t.Error("the poisoned request was applied")
		} else if kindOf(err) == problem.KindUnavailable {
			t.Errorf("the poisoned request would be sent again for ever: %v", err)
		}
	})
	for i := around / 2; i < around; i++ {
		charge(i)
	}
	time.Sleep(20 * time.Millisecond) // so that most of them are in one batch; the test passes either way
	open()
	working.Wait()
	var n int
	if err := f.Pool.QueryRow(t.Context(),
		"select count(*) from entries where idempotency_key like 'good-%'").Scan(&n); err != nil || n != around {
		t.Errorf("%d charges written (%v), want %d", n, err, around)
	}
}
