package testdb

import (
	"context"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// maxFaults bounds a run of Faults.Each, so that an operation whose queries never end fails.
const maxFaults = 200

// Faults makes single queries of one pool fail, the way a lost connection does: Postgres does not
// see them.
type Faults struct {
	mu    sync.Mutex
	next  int // how many queries until one fails; 0: none
	fired bool
}

// Failing makes a further pool to the test's database, of whose queries single ones can be made to
// fail.
func (d DB) Failing(t testing.TB) (*pgxpool.Pool, *Faults) {
	t.Helper()
	faults := &Faults{}
	config := d.Pool.Config()
	config.ConnConfig.Tracer = faults
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool, faults
}

// Each runs an operation once for each of its queries, with that query failing, and once more with
// none. An operation with a failed query must return an error, and one without must not. The
// operation has to bear being run again after a failure.
func (f *Faults) Each(t testing.TB, operation func() error) {
	t.Helper()
	for n := 1; n <= maxFaults; n++ {
		f.arm(n)
		err := operation()
		fired := f.disarm()
		switch {
		case fired && err == nil:
			t.Errorf("query %d failed, and the operation says that all is well", n)
		case !fired && err != nil:
			t.Errorf("no query failed, and the operation fails: %v", err)
		}
		if !fired {
			if n == 1 {
				t.Error("the operation has no query that could fail")
			}
			return
		}
	}
	t.Errorf("the operation has more than %d queries", maxFaults)
}

func (f *Faults) arm(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next, f.fired = n, false
}

func (f *Faults) disarm() (fired bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = 0
	return f.fired
}

// fail gives the context in which a query runs: one that has ended when it is the query's turn to fail.
func (f *Faults) fail(ctx context.Context) context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.next == 0 {
		return ctx
	}
	if f.next--; f.next > 0 {
		return ctx
	}
	f.fired = true
	ended, cancel := context.WithCancel(ctx)
	cancel()
	return ended
}

// TraceQueryStart is called before each query.
func (f *Faults) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData,
) context.Context {
	return f.fail(ctx)
}

// TraceQueryEnd does nothing.
func (*Faults) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart is called before each batch.
func (f *Faults) TraceBatchStart(
	ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData,
) context.Context {
	return f.fail(ctx)
}

// TraceBatchQuery does nothing.
func (*Faults) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd does nothing.
func (*Faults) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}
