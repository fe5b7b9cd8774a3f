package ledgertest

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
)

// MaxWait limits every wait of a test. It only ends what hangs: it says nothing about speed.
const MaxWait = 5 * time.Minute

// Start is where a fixture's clock stands at first: the last day of a month, so that periods have to be shortened.
var Start = time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)

// DiscardLog is a logger that writes nothing.
var DiscardLog = slog.New(slog.DiscardHandler)

// Fixture is an engine over a test database, on a clock that stands still until the test moves it.
type Fixture struct {
	*engine.Engine
	T     *testing.T
	Pool  *pgxpool.Pool
	Clock *clock.Manual
}

// Options of a fixture.
type Options struct {
	Pool  *pgxpool.Pool
	Lanes int // 0: as many as the engine has by default
	// CheckInvariants adds everything up when the test ends.
	CheckInvariants bool
}

// New makes a fixture over a database of its own. The invariants are checked when the test ends.
func New(t *testing.T) *Fixture {
	t.Helper()
	return NewWith(t, Options{Pool: testdb.New(t), CheckInvariants: true})
}

// On makes a fixture over a database that other servers use as well. The test checks the invariants itself, when all
// servers have stopped.
func On(t *testing.T, url string) *Fixture {
	t.Helper()
	return NewWith(t, Options{Pool: NewPool(t, url, nil)})
}

// NewWith makes a fixture over the pool of the options.
func NewWith(t *testing.T, o Options) *Fixture {
	t.Helper()
	f := &Fixture{
		T:     t,
		Pool:  o.Pool,
		Clock: clock.NewManual(Start),
	}
	f.Engine = engine.New(f.Pool, engine.Options{
		Clock:  f.Clock.Now,
		Prices: catalog.Builtin,
		Lanes:  o.Lanes,
		Log:    DiscardLog,
	})
	if o.CheckInvariants {
		t.Cleanup(f.CheckInvariants)
	}
	t.Cleanup(f.Close)
	return f
}

// NewServer makes the engine of another server, over the same database and clock.
func (f *Fixture) NewServer() *engine.Engine { return f.NewServerWith(catalog.Builtin) }

// NewServerWith makes the engine of another server, with its own catalog.
func (f *Fixture) NewServerWith(prices func() *catalog.Catalog) *engine.Engine {
	l := engine.New(f.Pool, engine.Options{
		Clock:  f.Clock.Now,
		Prices: prices,
		Log:    DiscardLog,
	})
	f.T.Cleanup(l.Close)
	return l
}

// NewEngine makes an engine over a pool. Its clock stands still at Start. It is closed when the test ends.
func NewEngine(t *testing.T, pool *pgxpool.Pool, log *slog.Logger) *engine.Engine {
	t.Helper()
	l := engine.New(pool, engine.Options{
		Clock:  clock.NewManual(Start).Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	t.Cleanup(l.Close)
	return l
}

// NewPool opens a pool of six connections, which is closed when the test ends. configure may be nil.
func NewPool(t *testing.T, url string, configure func(*pgxpool.Config)) *pgxpool.Pool {
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

// LogBuffer keeps what is logged to it. It may be used by several goroutines.
type LogBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *LogBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Logger writes to the buffer.
func (l *LogBuffer) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// WaitUntil polls until a condition is met. The test fails if that takes longer than MaxWait.
func (f *Fixture) WaitUntil(what string, met func() bool) {
	f.T.Helper()
	for deadline := time.Now().Add(MaxWait); !met(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.T.Fatal("timed out waiting until ", what)
		}
	}
}

// NoError reports an error of a step that must succeed.
func (f *Fixture) NoError(err error) {
	f.T.Helper()
	if err != nil {
		f.T.Error(err)
	}
}
