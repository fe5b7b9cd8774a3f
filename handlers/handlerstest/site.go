// Package handlerstest runs the whole app behind a real server for tests, and reads its answers as an
// API client and as a browser.
package handlerstest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/handlers"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

// Start is where every clock of these tests stands until it is moved.
var Start = testkit.Start

// EventSecret signs the payment provider's events.
const EventSecret = testkit.EventSecret

// Site is the whole app behind a real server, over a database of its own, on a clock that stands still.
type Site struct {
	T        *testing.T
	App      *handlers.App
	URL      string // where the server listens
	Client   *http.Client
	DB       testdb.DB     // with the rights of the database's owner, past the app
	Pool     *pgxpool.Pool // the app's own, with the rights of its role
	Clock    *clock.Manual
	Provider *sandbox.Provider // nil with Options.NoDemo
	Keys     map[apikey.Scope]string
	Log      *Log
	handler  atomic.Pointer[http.Handler]
	// WebhookStatuses gets the status of each answer to a payment event.
	WebhookStatuses chan int
}

// Options are what tests vary. A zero field means the default.
type Options struct {
	BaseURL      string // public address: "https://credits.example"; the server's own without it
	NoDemo       bool   // neither one-click sign-in nor payment provider
	Deliver      bool   // the provider delivers its events
	AllowPrivate bool   // webhooks may go to this machine
	Prices       func() *catalog.Catalog
}

// New starts a site with the default options.
func New(t *testing.T) *Site {
	t.Helper()
	return NewWith(t, Options{})
}

// NewWith starts a site. It stops when the test ends.
func NewWith(t *testing.T, o Options) *Site {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	s := &Site{
		T:               t,
		URL:             "http://" + server.Listener.Addr().String(),
		Keys:            map[apikey.Scope]string{},
		WebhookStatuses: make(chan int, 1000),
	}
	s.build(o)
	t.Cleanup(s.checkBalances)
	server.Listener = handlers.Listen(server.Listener)
	server.Config = handlers.NewServer(s.watchWebhooks(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*s.handler.Load()).ServeHTTP(w, r)
	})), s.App.Log)
	server.Start()
	t.Cleanup(server.Close)
	s.Client = server.Client()
	s.Client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, scope := range []apikey.Scope{apikey.Read, apikey.Spend, apikey.Admin} {
		_, s.Keys[scope] = s.NewKey(scope)
	}
	t.Cleanup(func() { s.Log.check(t) })
	if o.Deliver {
		s.deliver()
	}
	return s
}

// build makes the app that the server runs.
func (s *Site) build(o Options) {
	local, err := url.Parse(s.URL)
	if err != nil {
		s.T.Fatal(err)
	}
	base := local
	if o.BaseURL != "" {
		if base, err = url.Parse(o.BaseURL); err != nil {
			s.T.Fatal(err)
		}
	}
	options := []testkit.Option{
		testkit.AppRole(),
		testkit.Local(local),
		testkit.Config(func(c *config.Config) {
			c.BaseURL = base
			c.Demo = !o.NoDemo
			c.WebhookPrivate = o.AllowPrivate
			c.Seller = []string{"Credits Ltd", "1 Main Street", "VAT GB123456789"}
		}),
	}
	if o.Prices != nil {
		options = append(options, testkit.Prices(o.Prices))
	}
	f := testkit.New(s.T, options...)
	s.DB, s.Pool, s.Clock = f.DB, f.Pool, f.Clock
	s.Provider = f.Sandbox
	s.Log = &Log{Log: f.Log}
	s.App = handlers.New(f.App)
	s.App.Ready = f.Pool.Ping // the tests use an empty demo: it is never prepared
	s.Rebuild()
}

// Rebuild makes the server use the app's fields as they are now.
func (s *Site) Rebuild() {
	h := s.App.Handler()
	s.handler.Store(&h)
}

// deliver makes the provider send its events, until the test ends.
func (s *Site) deliver() {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Provider.Run(ctx) })
	s.T.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// watchWebhooks reports the status of each payment event's answer, so that tests need not sleep.
func (s *Site) watchWebhooks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/webhooks/") {
			next.ServeHTTP(w, r)
			return
		}
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		s.WebhookStatuses <- seen.status
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (s *Site) NewKey(scope apikey.Scope) (apikey.Key, string) {
	s.T.Helper()
	key, secret, err := s.App.Keys.Create(s.T.Context(), "tests "+scope.String(), scope)
	if err != nil {
		s.T.Fatal(err)
	}
	s.Log.AddSecret(secret)
	return key, secret
}

// checkBalances compares each balance with its entries and with its lots.
func (s *Site) checkBalances() {
	var wrong int
	err := s.DB.Pool.QueryRow(context.Background(), `select count(*) from ledger_accounts a
		where balance <> (select coalesce(sum(amount), 0) from entries e where e.account = a.account)
		or balance <> (select coalesce(sum(case lot when open_lot then open_remaining else remaining end), 0) from lots l where l.account = a.account)
		or seq <> (select count(*) from entries e where e.account = a.account)`).Scan(&wrong)
	if err != nil || wrong != 0 {
		s.T.Errorf("the balances of %d accounts are wrong (%v)", wrong, err)
	}
}

// Contents has a digest of every table.
type Contents map[string]string

// Contents reads the whole database, whatever its tables.
func (s *Site) Contents() Contents {
	s.T.Helper()
	var query string
	err := s.DB.Pool.QueryRow(s.T.Context(), `select string_agg(format(
		'select %L, count(*) || %L || coalesce(md5(string_agg(t::text, chr(10) order by t::text)), %L) from %I as t', tablename, ' rows, ', 'none', tablename), ' union all ')
		from pg_tables where schemaname = 'public'`).Scan(&query)
	if err != nil {
		s.T.Fatal(err)
	}
	rows, err := s.DB.Pool.Query(s.T.Context(), query)
	if err != nil {
		s.T.Fatal(err)
	}
	defer rows.Close()
	found := Contents{}
	for rows.Next() {
		var table, digest string
		if err := rows.Scan(&table, &digest); err != nil {
			s.T.Fatal(err)
		}
		found[table] = digest
	}
	if rows.Err() != nil || len(found) < 10 {
		s.T.Fatalf("%d tables found: %v", len(found), rows.Err())
	}
	return found
}

// WantUnchanged checks that only the named tables were written since.
func (s *Site) WantUnchanged(since Contents, but ...string) {
	s.T.Helper()
	for table, now := range s.Contents() {
		if now != since[table] && !slices.Contains(but, table) {
			s.T.Errorf("%s was written: %s before, %s now", table, since[table], now)
		}
	}
}

// Count returns the number that a query selects.
func (s *Site) Count(query string, args ...any) int {
	s.T.Helper()
	var n int
	if err := s.DB.Pool.QueryRow(s.T.Context(), query, args...).Scan(&n); err != nil {
		s.T.Fatal(err)
	}
	return n
}

// Log is the app's log, with texts that must not appear in it; the end of the test checks that.
type Log struct {
	*testkit.Log
	mu      sync.Mutex
	secrets []string
}

// AddSecret adds a text that must not be logged. Texts of up to 8 bytes are ignored.
func (l *Log) AddSecret(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(text) > 8 && !slices.Contains(l.secrets, text) {
		l.secrets = append(l.secrets, text)
	}
}

func (l *Log) check(t *testing.T) {
	text := l.String()
	if !strings.Contains(text, "route=") {
		t.Error("the log has no request: it is not the app's")
	}
	for _, secret := range l.secrets {
		if at := strings.Index(text, secret); at >= 0 {
			t.Errorf("a secret or an e-mail address is in the log: %.300s", text[max(0, at-100):])
		}
	}
}

// FillPath replaces a route's parameters by the values, in order.
func FillPath(path string, values ...string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ":") || part == "*" {
			if len(values) == 0 {
				panic(fmt.Sprintf("no value for %s of %s", part, path))
			}
			parts[i], values = values[0], values[1:]
		}
	}
	return strings.Join(parts, "/")
}
