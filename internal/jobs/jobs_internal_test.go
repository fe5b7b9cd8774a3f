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

// limit guards against hanging; it is no expectation.
const limit = 2 * time.Minute

var start = time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)

// office is a database and what works on it, on a clock that stands still.
type office struct {
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

func newOffice(t *testing.T) *office {
	t.Helper()
	return &office{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
	}
}

// server is a server's ledger and jobs.
func (o *office) server() (*engine.Engine, *Runner) {
	log := slog.New(slog.NewTextHandler(&o.log, nil))
	books := engine.New(o.pool, engine.Options{
		Clock:  o.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	o.t.Cleanup(books.Close)
	return books, New(o.pool, Options{
		Ledger:   books,
		Sessions: session.New(o.pool, session.Options{Clock: o.clock.Now}),
		Log:      log,
	})
}

// run runs a server's jobs; the answer stops them and waits.
func (o *office) run(r *Runner) (stop func()) {
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
	o.t.Cleanup(stop)
	return stop
}

// until waits until a query answers true.
func (o *office) until(query string, args ...any) {
	o.t.Helper()
	for deadline := time.Now().Add(limit); !o.ask(query, args...); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			o.t.Fatalf("never: %s\n%s", query, o.log.String())
		}
	}
}

func (o *office) ask(query string, args ...any) bool {
	o.t.Helper()
	var yes bool
	if err := o.pool.QueryRow(o.t.Context(), query, args...).Scan(&yes); err != nil {
		o.t.Fatal(err)
	}
	return yes
}

func (o *office) wantTrue(query string) {
	o.t.Helper()
	if !o.ask(query) {
		o.t.Errorf("not so: %s", query)
	}
}

// open opens accounts that nobody will ask for.
func (o *office) open(books *engine.Engine, n int) {
	o.t.Helper()
	var opening sync.WaitGroup
	for range n {
		opening.Go(func() {
			if err := books.SetPlan(context.Background(), uuid.New(), ledger.SetPlan{Plan: "starter"}); err != nil {
				o.t.Error(err)
			}
		})
	}
	opening.Wait()
}

func (o *office) wantCleanBooks(entries int) {
	o.t.Helper()
	report, err := audit.Verify(o.t.Context(), o.pool, audit.Options{})
	if err != nil || len(report.Differences) > 0 {
		o.t.Errorf("the books: %v (%v)", report.Differences, err)
	}
	o.wantTrue(fmt.Sprintf("select count(*) = %d from entries", entries))
}

const nothingIsDue = "select count(*) = 0 from ledger_accounts where next_due_at <= $1"

// allOrderedAreDone says that what a start orders, all kinds together, was ordered and done.
const allOrderedAreDone = "select bool_and(state = 'completed') and count(*) filter (where kind = 'sweep_sessions') = 1 from river.river_job"

// Thousands of idle accounts at a boundary are a job or two, also when each has time for one chunk
// only, whatever number of servers run.
func TestIdleAccountsAreSettledInAFewJobs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	books, one := o.server()
	_, other := o.server()
	const accounts = 3*chunk + 11
	o.open(books, accounts)
	o.clock.Set(time.Date(2026, 3, 31, 9, 30, 0, 0, time.UTC)) // the second boundary
	one.turn, other.turn = time.Nanosecond, time.Nanosecond
	stopOne, stopOther := o.run(one), o.run(other)
	o.until(nothingIsDue, o.clock.Now())
	o.until(allOrderedAreDone)
	stopOne()
	stopOther()
	o.wantTrue("select count(*) between 1 and 5 from river.river_job where kind = 'settle_due_accounts'")
	o.wantTrue("select max((metadata ->> 'snoozes')::int) >= 3 from river.river_job where kind = 'settle_due_accounts'")
	o.wantCleanBooks(5 * accounts)
	if log := o.log.String(); !strings.Contains(log, "goes on in the next job") || strings.Contains(log,
		"level=ERROR") {
		t.Errorf("the log says %s", log)
	}
}

// A server that is told to stop ends the chunk that it is at; another goes on with the rest.
func TestAStopInTheMiddle(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	books, first := o.server()
	const accounts = chunk + 7
	o.open(books, accounts)
	o.clock.Set(time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC))
	tx, err := o.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The chunk waits for this row, which is in it: the sweep begins with the account that comes first.
	if _, err := tx.Exec(t.Context(), "select 1 from ledger_accounts order by next_due_at, account limit 1 for update"); err != nil {
		t.Fatal(err)
	}
	stop := o.run(first)
	o.until("select count(*) > 0 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
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
	o.wantTrue("select count(*) = 7 from ledger_accounts where next_due_at <= '2026-02-28 09:30Z'")
	o.wantTrue("select count(*) = 1 from river.river_job where kind = 'settle_due_accounts' and state = 'available'")
	_, second := o.server()
	o.run(second)
	o.until(nothingIsDue, o.clock.Now())
	o.wantCleanBooks(3 * accounts)
}

// One job of a kind is there at a time, whoever orders it; once it is done there can be another.
func TestOneOfAKindAtATime(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	_, one := o.server()
	_, other := o.server()
	for i, want := range []bool{false, true, false} { // whether it was there already
		if i == 2 {
			stop := o.run(one)
			o.until(allOrderedAreDone)
			stop()
		}
		if r, err := other.client.Insert(t.Context(), settleDue{}, onlyOne()); err != nil ||
			r.UniqueSkippedAsDuplicate != want {
			t.Errorf("order %d: %+v, %v", i, r, err)
		}
	}
}

// A job that fails is in the log, and keeps no other from being ordered.
func TestAFailureIsLogged(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	books, r := o.server()
	o.open(books, 1)
	o.clock.Set(time.Date(2026, 2, 28, 9, 30, 0, 0, time.UTC))
	books.Close()
	o.run(r)
	o.until("select count(*) = 1 from river.river_job where kind = 'settle_due_accounts' and state = 'discarded'")
	if log := o.log.String(); !strings.Contains(log, `level=ERROR msg="a job failed"`) ||
		!strings.Contains(log, "kind=settle_due_accounts") {
		t.Errorf("the log says %s", log)
	}
}

// Without a database the jobs wait for it, and can be stopped meanwhile.
func TestJobsWaitForTheDatabase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	_, r := o.server()
	lost, err := pgxpool.New(t.Context(), "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1")
	if err != nil {
		t.Fatal(err)
	}
	defer lost.Close()
	r = New(lost, r.Options)
	stop := o.run(r)
	for !strings.Contains(o.log.String(), "the jobs could not be started") {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
}
