// Package handlerstest runs the whole app behind a real server for tests, and reads its answers as an
// API client and as a browser.
package handlerstest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db"
	"pop.store/credits/db/testdb"
	"pop.store/credits/handlers"
	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/topup"
	"pop.store/credits/internal/webhook"
)

// A Sunday, on which every clock of these tests stands until it is moved.
var Start = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

// seller is who sells.
var seller = []string{"Credits Ltd", "1 Main Street", "VAT GB123456789"}

// EventSecret signs the payment provider's events.
const EventSecret = "whsec_of_the_tests"

// Site is the whole app behind a real server, over a database of its own, on a clock that stands still.
type Site struct {
	T               *testing.T
	App             *handlers.App
	URL             string // where the server listens
	Client          *http.Client
	DB              testdb.DB     // for looking at the database, and for changing it behind everybody's back
	Pool            *pgxpool.Pool // the app's own
	Clock           *clock.Manual
	Provider        *sandbox.Provider
	Keys            map[apikey.Scope]string
	Log             *LogBuffer
	handler         atomic.Pointer[http.Handler]
	WebhookStatuses chan int // statuses that webhook deliveries were answered with
}

// Options are what tests vary. A zero field means: as usual.
type Options struct {
	BaseURL      string // public address: "https://credits.example"
	NoDemo       bool   // neither one-click sign-in nor payment provider
	Deliver      bool   // the provider delivers its events
	AllowPrivate bool   // webhooks may go to this machine
	Prices       func() *catalog.Catalog
}

func New(t *testing.T) *Site {
	t.Helper()
	return NewWith(t, Options{})
}

func NewWith(t *testing.T, o Options) *Site {
	t.Helper()
	s := &Site{
		T:               t,
		DB:              testdb.Open(t),
		Clock:           clock.NewManual(Start),
		Log:             &LogBuffer{},
		Keys:            map[apikey.Scope]string{},
		WebhookStatuses: make(chan int, 1000),
	}
	var err error
	if s.Pool, err = db.Open(t.Context(), s.DB.AppURL, 8); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Pool.Close)
	t.Cleanup(s.checkBooks)
	server := httptest.NewUnstartedServer(nil)
	s.URL = "http://" + server.Listener.Addr().String()
	server.Listener = handlers.Listen(server.Listener)
	s.assemble(o)
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

// assemble wires the parts as cmd/credits does.
func (s *Site) assemble(o Options) {
	log := slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.BaseURL == "" {
		o.BaseURL = s.URL
	}
	base, err := url.Parse(o.BaseURL)
	if err != nil {
		s.T.Fatal(err)
	}
	books := engine.New(s.Pool, engine.Options{
		Clock:  s.Clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	s.T.Cleanup(books.Close)
	s.App = &handlers.App{
		Directory: directory.New(s.Pool, books, catalog.Builtin),
		Agents:    agents.New(books, catalog.Builtin),
		Notices:   notice.New(s.Pool, books, catalog.Builtin),
		Ledger:    books,
		Prices:    catalog.Builtin,
		Clock:     s.Clock.Now,
		Log:       log,
		BaseURL:   base,
		Sessions:  session.New(s.Pool, session.Options{Clock: s.Clock.Now, Secure: base.Scheme == "https"}),
		Keys:      apikey.New(s.Pool, apikey.Options{Clock: s.Clock.Now}),
		Ready:     s.Pool.Ping,
		Results:   results.New(s.Pool, books),
		Seller:    seller,
	}
	if o.Prices != nil {
		s.App.Prices = o.Prices
	}
	s.App.Webhooks = webhook.New(s.Pool, webhook.Options{
		Clock:        s.Clock.Now,
		Log:          log,
		AllowPrivate: o.AllowPrivate,
	})
	s.App.Mail = mail.New(s.Pool, mail.Options{
		Agents:    s.App.Agents,
		Notices:   s.App.Notices,
		Ledger:    books,
		Prices:    s.App.Prices,
		BaseURL:   base,
		From:      &netmail.Address{Address: "credits@shop.example"},
		Folder:    s.T.TempDir(),
		Clock:     s.Clock.Now,
		Log:       log,
		Seller:    seller,
		Receipt: func(ctx context.Context, account, purchase uuid.UUID) (billing.Receipt, error) {
			return s.App.Billing.Receipt(ctx, account, purchase)
		},
	})
	shop := billing.Options{
		Ledger:  books,
		Prices:  catalog.Builtin,
		BaseURL: o.BaseURL,
		Clock:   s.Clock.Now,
		Log:     log,
	}
	if !o.NoDemo {
		s.Provider = sandbox.New(s.Pool, sandbox.Options{
			Clock:      s.Clock.Now,
			BaseURL:    o.BaseURL,
			DeliverURL: s.URL + "/webhooks/stripe",
			Secret:     EventSecret,
			Log:        log,
		})
		s.App.Sandbox, s.App.DemoAccount, s.App.Jobs = s.Provider, "maya", demo.NewJobs(books, s.Clock.Now, log)
		shop.Provider = s.Provider
	}
	s.App.Billing = billing.New(s.Pool, shop)
	s.App.TopUp = topup.New(s.Pool, topup.Options{
		Ledger:  books,
		Billing: s.App.Billing,
		Prices:  s.App.Prices,
		Clock:   s.Clock.Now,
		Log:     log,
	})
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

// watchWebhooks tells when a delivery has been answered, so that no test has to guess how long that takes.
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

// checkBooks compares what the books say in the ways in which they say it.
func (s *Site) checkBooks() {
	var wrong int
	err := s.DB.Pool.QueryRow(context.Background(), `select count(*) from ledger_accounts a
		where balance <> (select coalesce(sum(amount), 0) from entries e where e.account = a.account)
		or balance <> (select coalesce(sum(case lot when open_lot then open_remaining else remaining end), 0) from lots l where l.account = a.account)
		or seq <> (select count(*) from entries e where e.account = a.account)`).Scan(&wrong)
	if err != nil || wrong != 0 {
		s.T.Errorf("the books of %d accounts do not balance (%v)", wrong, err)
	}
}

// Contents is a digest of every table.
type Contents map[string]string

// Contents looks at the whole database, whatever tables there are.
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

// WantUnchanged checks that nothing was written since, but to the tables that are named.
func (s *Site) WantUnchanged(since Contents, but ...string) {
	s.T.Helper()
	for table, now := range s.Contents() {
		if now != since[table] && !slices.Contains(but, table) {
			s.T.Errorf("%s was written: %s before, %s now", table, since[table], now)
		}
	}
}

// Count answers a query for a number.
func (s *Site) Count(query string, args ...any) int {
	s.T.Helper()
	var n int
	if err := s.DB.Pool.QueryRow(s.T.Context(), query, args...).Scan(&n); err != nil {
		s.T.Fatal(err)
	}
	return n
}

// Concurrently runs f many times at once and waits for all.
func Concurrently(times int, f func(i int)) {
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// LogBuffer is the app's log. What must not get into it is noted while a test runs and looked for at its end.
type LogBuffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets []string
}

func (l *LogBuffer) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *LogBuffer) AddSecret(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(text) > 8 && !slices.Contains(l.secrets, text) {
		l.secrets = append(l.secrets, text)
	}
}

func (l *LogBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *LogBuffer) check(t *testing.T) {
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

// FillPath puts values into a route's parameters, in their order.
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
