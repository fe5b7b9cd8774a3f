package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/session"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// limit guards against hanging.
const limit = 2 * time.Minute

var start = time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)

// fixture is a database with its services, on a clock that stands still.
type fixture struct {
	t     *testing.T
	pool  *pgxpool.Pool
	clock *clock.Manual
	log   safeBuffer
}

type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
	}
}

// server returns a server's ledger and jobs.
func (f *fixture) server() (*engine.Engine, *Runner) {
	log := slog.New(slog.NewTextHandler(&f.log, nil))
	ledgerEngine := engine.New(f.pool, engine.Options{
		Clock:  f.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	f.t.Cleanup(ledgerEngine.Close)
	return ledgerEngine, New(f.pool, Options{
		Ledger:   ledgerEngine,
		Sessions: session.New(f.pool, session.Options{Clock: f.clock.Now}),
		Log:      log,
	})
}

// run runs a server's jobs until stop, which waits for them.
func (f *fixture) run(r *Runner) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	f.t.Cleanup(stop)
	return stop
}

// until waits until a query returns true.
func (f *fixture) until(query string, args ...any) {
	f.t.Helper()
	for deadline := time.Now().Add(limit); !f.ask(query, args...); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("never: %s\n%s", query, f.log.String())
		}
	}
}

func (f *fixture) ask(query string, args ...any) bool {
	f.t.Helper()
	var yes bool
	if err := f.pool.QueryRow(f.t.Context(), query, args...).Scan(&yes); err != nil {
		f.t.Fatal(err)
	}
	return yes
}

func (f *fixture) wantTrue(query string) {
	f.t.Helper()
	if !f.ask(query) {
		f.t.Errorf("false: %s", query)
	}
}

// open opens idle accounts.
func (f *fixture) open(ledgerEngine *engine.Engine, n int) {
	f.t.Helper()
	var opening sync.WaitGroup
	for range n {
		opening.Go(func() {
			err := ledgerEngine.SetPlan(context.Background(), uuid.New(), ledger.SetPlan{Plan: "starter"})
			if err != nil {
				f.t.Error(err)
			}
		})
	}
	opening.Wait()
}

func (f *fixture) wantCleanBooks(entries int) {
	f.t.Helper()
	report, err := audit.Verify(f.t.Context(), f.pool, audit.Options{})
	if err != nil || len(report.Differences) > 0 {
		f.t.Errorf("the audit: %v (%v)", report.Differences, err)
	}
	f.wantTrue(fmt.Sprintf("select count(*) = %d from entries", entries))
}

const nothingIsDue = "select count(*) = 0 from ledger_accounts where next_due_at <= $1"

// allOrderedAreDone is true once each kind of periodic job was inserted and completed.
const allOrderedAreDone = "select bool_and(state = 'completed') and count(*) filter (where kind = 'sweep_sessions') = 1 from river.river_job"

// Thousands of due idle accounts need one or two jobs, also if each has time for one chunk only, with any
// number of servers.
func TestIdleAccountsAreSettledInAFewJobs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledgerEngine, one := f.server()
	_, other := f.server()
	const accounts = 3*chunk + 11
	f.open(ledgerEngine, accounts)
	f.clock.Set(time.Date(2026, 3, 31, 9, 30, 0, 0, time.UTC)) // the second boundary
	one.turn, other.turn = time.Nanosecond, time.Nanosecond
	stopOne, stopOther := f.run(one), f.run(other)
	f.until(nothingIsDue, f.clock.Now())
	f.until(allOrderedAreDone)
	stopOne()
	stopOther()
	f.wantTrue("select count(*) between 1 and 5 from river.river_job where kind = 'settle_due_accounts'")
	f.wantTrue("select max((metadata ->> 'snoozes')::int) >= 3 from river.river_job where kind = 'settle_due_accounts'")
	f.wantCleanBooks(5 * accounts)
	if log := f.log.String(); !strings.Contains(log, "continues in the next job") || strings.Contains(log,
		"level=ERROR") {
		t.Errorf("the log says %s", log)
	}
}

// A stopping server finishes its chunk; another continues with the rest.
func TestAStopInTheMiddle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledgerEngine, first := f.server()
	const accounts = chunk + 7
	f.open(ledgerEngine, accounts)
	f.clock.Set(time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC))
	tx, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The chunk waits for this row: the sweep begins with this account.
	if _, err := tx.Exec(t.Context(), "select 1 from ledger_accounts order by next_due_at, account limit 1 for update"); err != nil {
		t.Fatal(err)
	}
	stop := f.run(first)
	f.until("select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	<-first.stopping.Done()
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-stopped
	f.wantTrue("select count(*) = 7 from ledger_accounts where next_due_at <= '2026-02-28 09:30Z'")
	f.wantTrue("select count(*) = 1 from river.river_job where kind = 'settle_due_accounts' and state = 'available'")
	_, second := f.server()
	f.run(second)
	f.until(nothingIsDue, f.clock.Now())
	f.wantCleanBooks(3 * accounts)
}

// One job of a kind exists at a time; after it is done there can be another.
func TestOneOfAKindAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, one := f.server()
	_, other := f.server()
	for i, want := range []bool{false, true, false} { // whether it existed already
		if i == 2 {
			stop := f.run(one)
			f.until(allOrderedAreDone)
			stop()
		}
		if r, err := other.client.Insert(t.Context(), settleDue{}, onlyOne()); err != nil ||
			r.UniqueSkippedAsDuplicate != want {
			t.Errorf("order %d: %+v, %v", i, r, err)
		}
	}
}

// A failed job is logged, and does not prevent the next one.
func TestAFailureIsLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ledgerEngine, r := f.server()
	f.open(ledgerEngine, 1)
	f.clock.Set(time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC))
	ledgerEngine.Close()
	f.run(r)
	f.until("select count(*) = 1 from river.river_job where kind = 'settle_due_accounts' and state = 'discarded'")
	if log := f.log.String(); !strings.Contains(log, `level=ERROR msg="a job failed"`) ||
		!strings.Contains(log, "kind=settle_due_accounts") {
		t.Errorf("the log says %s", log)
	}
}

// Without a database the jobs wait, and can be stopped meanwhile.
func TestJobsWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, r := f.server()
	lost, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	r = New(lost, r.Options)
	stop := f.run(r)
	for !strings.Contains(f.log.String(), "the jobs could not be started") {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
}
