// Package testkit gives tests the whole app over a database of their own, on a clock that stands
// still until a test moves it.
package testkit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	netmail "net/mail"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/db"
	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/app"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/tokens"
)

const (
	// BaseURL is how browsers reach a fixture's app.
	BaseURL = "http://credits.test"
	// EventSecret signs the sandbox's events.
	EventSecret = "whsec_of_the_tests"
)

// Start is where a fixture's clock stands at first: a Sunday, in the middle of a month.
var Start = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

// Fixture is an app and what a test needs to look at it and to change it.
type Fixture struct {
	*app.App
	T     *testing.T
	DB    testdb.DB
	Clock *clock.Manual
	Log   *Log
}

// Option changes how a fixture is built.
type Option func(*options)

type options struct {
	app.Options
	start   time.Time
	appRole bool
}

// At sets the clock.
func At(start time.Time) Option { return func(o *options) { o.start = start } }

// Prices sets the catalog in force; the built-in one without it.
func Prices(inForce func() *catalog.Catalog) Option { return func(o *options) { o.Prices = inForce } }

// Config changes the configuration: no demo, so no payment provider; e-mails as files; webhooks to
// private addresses.
func Config(change func(*config.Config)) Option { return func(o *options) { change(&o.Config) } }

// Local sets where a server for the app listens; BaseURL without it.
func Local(server *url.URL) Option { return func(o *options) { o.Local = server } }

// AppRole gives the app a pool of its own, with the rights of the server's role; without it the app
// uses the fixture's, with the rights of the database's owner.
func AppRole() Option { return func(o *options) { o.appRole = true } }

// Sandbox makes the demo's sandbox the payment provider. Its events are signed with EventSecret.
func Sandbox() Option { return Config(func(c *config.Config) { c.Demo = true }) }

// Provider is Sandbox with another payment provider around the sandbox, such as one with faults.
func Provider(wrap func(*sandbox.Provider) billing.Provider) Option {
	return func(o *options) { o.Config.Demo, o.Provider = true, wrap }
}

// New builds an app over a database of the test's own. Nothing runs but the ledger's lanes.
func New(t *testing.T, change ...Option) *Fixture {
	t.Helper()
	f := &Fixture{
		T:   t,
		DB:  testdb.Open(t),
		Log: &Log{},
	}
	base, err := url.Parse(BaseURL)
	f.Must(err)
	o := options{
		start: Start,
		Options: app.Options{
			Pool: f.DB.Pool,
			Config: config.Config{
				BaseURL:        base,
				DataDir:        t.TempDir(),
				MailFrom:       &netmail.Address{Name: "Credits", Address: "credits@shop.example"},
				WebhookPrivate: true,
			},
			Prices: catalog.Builtin,
			Log:    slog.New(slog.NewTextHandler(f.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Local:  base,
		},
	}
	for _, c := range change {
		c(&o)
	}
	if o.appRole {
		o.Pool, err = db.Open(t.Context(), f.DB.AppURL, 8)
		f.Must(err)
		t.Cleanup(o.Pool.Close)
	}
	f.Clock = clock.NewManual(o.start)
	o.Clock = f.Clock.Now
	if o.Config.Demo {
		f.Exec("insert into installation (name, value, created_at) values ('sandbox_webhook_secret', $1, $2)",
			EventSecret, o.start)
	}
	f.App = f.build(o.Options)
	return f
}

// Server is another app over the same database and on the same clock, as a second server has it.
func (f *Fixture) Server() *app.App {
	f.T.Helper()
	return f.build(f.Options)
}

func (f *Fixture) build(o app.Options) *app.App {
	f.T.Helper()
	a, err := app.New(f.T.Context(), o)
	if err != nil {
		f.T.Fatal(err)
	}
	f.T.Cleanup(a.Close)
	return a
}

// Must ends the test on an error.
func (f *Fixture) Must(err error) {
	f.T.Helper()
	if err != nil {
		f.T.Fatal(err)
	}
}

// Count answers a query for a number.
func (f *Fixture) Count(query string, args ...any) (n int) {
	f.T.Helper()
	f.Must(f.DB.Pool.QueryRow(context.WithoutCancel(f.T.Context()), query, args...).Scan(&n))
	return n
}

// True answers a query for a truth value.
func (f *Fixture) True(query string, args ...any) (yes bool) {
	f.T.Helper()
	f.Must(f.DB.Pool.QueryRow(context.WithoutCancel(f.T.Context()), query, args...).Scan(&yes))
	return yes
}

// Exec changes the database past the app. It must change at least one row.
func (f *Fixture) Exec(sql string, args ...any) {
	f.T.Helper()
	if tag, err := f.DB.Pool.Exec(f.T.Context(), sql, args...); err != nil || tag.RowsAffected() == 0 {
		f.T.Fatal(tag, err)
	}
}

// Account opens an account on Starter: 200 tokens a month. The directory does not know it.
func (f *Fixture) Account() uuid.UUID {
	f.T.Helper()
	id := uuid.New()
	f.Must(f.Ledger.SetPlan(f.T.Context(), id, ledger.SetPlan{Plan: "starter"}))
	return id
}

// Register opens an account on Starter under the host's name for it.
func (f *Fixture) Register(name string, put directory.Put) uuid.UUID {
	f.T.Helper()
	put.Plan = new("starter")
	id, _, err := f.Directory.Put(f.T.Context(), name, put)
	f.Must(err)
	return id
}

// Grant puts tokens into an account.
func (f *Fixture) Grant(account uuid.UUID, kind ledger.LotKind, amount tokens.Amount, source string) {
	f.T.Helper()
	_, err := f.Ledger.Grant(f.T.Context(), account, uuid.NewString(), ledger.Grant{
		Kind:   kind,
		Amount: amount,
		Source: source,
		Reason: "a test",
	})
	f.Must(err)
}

// Log is an app's log. It is safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// String is all lines so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Concurrently calls f the given number of times at once and waits for all.
func Concurrently(times int, f func(i int)) {
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// WantProblem compares an error's kind and code.
func WantProblem(t *testing.T, err error, kind problem.Kind, code string) {
	t.Helper()
	var p *problem.Error
	if !errors.As(err, &p) || p.Kind != kind || p.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}
