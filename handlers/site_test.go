package handlers_test

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
	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/topup"
	"pop.store/credits/internal/webhook"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// A Sunday, on which every clock of these tests stands until it is moved.
var start = time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC)

// seller is who sells.
var seller = []string{"Credits Ltd", "1 Main Street", "VAT GB123456789"}

// eventSecret signs the payment provider's events.
const eventSecret = "whsec_of_the_tests"

// site is the whole app behind a real server, over a database of its own, on a clock that stands still.
type site struct {
	t        *testing.T
	app      *handlers.App
	url      string // where the server listens
	client   *http.Client
	db       testdb.DB     // for looking at the database, and for changing it behind everybody's back
	pool     *pgxpool.Pool // the app's own
	clock    *clock.Manual
	provider *sandbox.Provider
	keys     map[apikey.Scope]string
	log      *logBook
	handler  atomic.Pointer[http.Handler]
	webhooks chan int // statuses that webhook deliveries were answered with
}

// options are what tests vary. A zero field means: as usual.
type options struct {
	base    string // public address: "https://credits.example"
	noDemo  bool   // neither one-click sign-in nor payment provider
	deliver bool   // the provider delivers its events
	private bool   // webhooks may go to this machine
	prices  func() *catalog.Catalog
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, options{})
}

func newSiteWith(t *testing.T, o options) *site {
	t.Helper()
	s := &site{
		t:        t,
		db:       testdb.Open(t),
		clock:    clock.NewManual(start),
		log:      &logBook{},
		keys:     map[apikey.Scope]string{},
		webhooks: make(chan int, 1000),
	}
	var err error
	if s.pool, err = db.Open(t.Context(), s.db.AppURL, 8); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pool.Close)
	t.Cleanup(s.checkBooks)
	server := httptest.NewUnstartedServer(nil)
	s.url = "http://" + server.Listener.Addr().String()
	server.Listener = handlers.Listen(server.Listener)
	s.assemble(o)
	server.Config = handlers.NewServer(s.watchWebhooks(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		(*s.handler.Load()).ServeHTTP(w, r)
	})), s.app.Log)
	server.Start()
	t.Cleanup(server.Close)
	s.client = server.Client()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, scope := range []apikey.Scope{apikey.Read, apikey.Spend, apikey.Admin} {
		_, s.keys[scope] = s.newKey(scope)
	}
	t.Cleanup(func() { s.log.check(t) })
	if o.deliver {
		s.deliver()
	}
	return s
}

// assemble wires the parts as cmd/credits does.
func (s *site) assemble(o options) {
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.base == "" {
		o.base = s.url
	}
	base, err := url.Parse(o.base)
	if err != nil {
		s.t.Fatal(err)
	}
	books := ledger.New(s.pool, ledger.Options{
		Clock:  s.clock.Now,
		Prices: catalog.Builtin,
		Log:    log,
	})
	s.t.Cleanup(books.Close)
	s.app = &handlers.App{
		Accounts: accounts.New(s.pool, books, catalog.Builtin),
		Ledger:   books,
		Prices:   catalog.Builtin,
		Clock:    s.clock.Now,
		Log:      log,
		BaseURL:  base,
		Sessions: session.New(s.pool, session.Options{Clock: s.clock.Now, Secure: base.Scheme == "https"}),
		Keys:     apikey.New(s.pool, apikey.Options{Clock: s.clock.Now}),
		Ready:    s.pool.Ping,
		Results:  results.New(s.pool, books),
		Seller:   seller,
	}
	if o.prices != nil {
		s.app.Prices = o.prices
	}
	s.app.Webhooks = webhook.New(s.pool, webhook.Options{
		Clock:        s.clock.Now,
		Log:          log,
		AllowPrivate: o.private,
	})
	s.app.Mail = mail.New(s.pool, mail.Options{
		Accounts: s.app.Accounts,
		Ledger:   books,
		Prices:   s.app.Prices,
		BaseURL:  base,
		From:     &netmail.Address{Address: "credits@shop.example"},
		Folder:   s.t.TempDir(),
		Clock:    s.clock.Now,
		Log:      log,
		Seller:   seller,
		Receipt: func(ctx context.Context, account, purchase uuid.UUID) (billing.Receipt, error) {
			return s.app.Billing.Receipt(ctx, account, purchase)
		},
	})
	shop := billing.Options{
		Ledger:  books,
		Prices:  catalog.Builtin,
		BaseURL: o.base,
		Clock:   s.clock.Now,
		Log:     log,
	}
	if !o.noDemo {
		s.provider = sandbox.New(s.pool, sandbox.Options{
			Clock:      s.clock.Now,
			BaseURL:    o.base,
			DeliverURL: s.url + "/webhooks/stripe",
			Secret:     eventSecret,
			Log:        log,
		})
		s.app.Sandbox, s.app.DemoAccount, s.app.Jobs = s.provider, "maya", demo.NewJobs(books, s.clock.Now, log)
		shop.Provider, shop.WebhookSecrets = s.provider, []string{eventSecret}
	}
	s.app.Billing = billing.New(s.pool, shop)
	s.app.TopUp = topup.New(s.pool, topup.Options{
		Ledger:  books,
		Billing: s.app.Billing,
		Prices:  s.app.Prices,
		Clock:   s.clock.Now,
		Log:     log,
	})
	s.rebuild()
}

// rebuild makes the server use the app's fields as they are now.
func (s *site) rebuild() {
	h := s.app.Handler()
	s.handler.Store(&h)
}

// deliver makes the provider send its events, until the test ends.
func (s *site) deliver() {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.provider.Run(ctx) })
	s.t.Cleanup(func() {
		stop()
		running.Wait()
	})
}

// watchWebhooks tells when a delivery has been answered, so that no test has to guess how long that takes.
func (s *site) watchWebhooks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/webhooks/") {
			next.ServeHTTP(w, r)
			return
		}
		seen := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		s.webhooks <- seen.status
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

func (s *site) newKey(scope apikey.Scope) (apikey.Key, string) {
	s.t.Helper()
	key, secret, err := s.app.Keys.Create(s.t.Context(), "tests "+scope.String(), scope)
	if err != nil {
		s.t.Fatal(err)
	}
	s.log.secret(secret)
	return key, secret
}

// checkBooks compares what the books say in the ways in which they say it.
func (s *site) checkBooks() {
	var wrong int
	err := s.db.Pool.QueryRow(context.Background(), `select count(*) from ledger_accounts a
		where balance <> (select coalesce(sum(amount), 0) from entries e where e.account = a.account)
		or balance <> (select coalesce(sum(case lot when open_lot then open_remaining else remaining end), 0) from lots l where l.account = a.account)
		or seq <> (select count(*) from entries e where e.account = a.account)`).Scan(&wrong)
	if err != nil || wrong != 0 {
		s.t.Errorf("the books of %d accounts do not balance (%v)", wrong, err)
	}
}

// contents is a digest of every table.
type contents map[string]string

// contents looks at the whole database, whatever tables there are.
func (s *site) contents() contents {
	s.t.Helper()
	var query string
	err := s.db.Pool.QueryRow(s.t.Context(), `select string_agg(format(
		'select %L, count(*) || %L || coalesce(md5(string_agg(t::text, chr(10) order by t::text)), %L) from %I as t', tablename, ' rows, ', 'none', tablename), ' union all ')
		from pg_tables where schemaname = 'public'`).Scan(&query)
	if err != nil {
		s.t.Fatal(err)
	}
	rows, err := s.db.Pool.Query(s.t.Context(), query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	found := contents{}
	for rows.Next() {
		var table, digest string
		if err := rows.Scan(&table, &digest); err != nil {
			s.t.Fatal(err)
		}
		found[table] = digest
	}
	if rows.Err() != nil || len(found) < 10 {
		s.t.Fatalf("%d tables found: %v", len(found), rows.Err())
	}
	return found
}

// unchanged checks that nothing was written since, but to the tables that are named.
func (s *site) unchanged(since contents, but ...string) {
	s.t.Helper()
	for table, now := range s.contents() {
		if now != since[table] && !slices.Contains(but, table) {
			s.t.Errorf("%s was written: %s before, %s now", table, since[table], now)
		}
	}
}

// count answers a query for a number.
func (s *site) count(query string, args ...any) int {
	s.t.Helper()
	var n int
	if err := s.db.Pool.QueryRow(s.t.Context(), query, args...).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// together runs f many times at once and waits for all.
func together(times int, f func(i int)) {
	var all sync.WaitGroup
	for i := range times {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// logBook is the app's log. What must not get into it is noted while a test runs and looked for at its end.
type logBook struct {
	mu      sync.Mutex
	text    bytes.Buffer
	secrets []string
}

func (l *logBook) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logBook) secret(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(text) > 8 && !slices.Contains(l.secrets, text) {
		l.secrets = append(l.secrets, text)
	}
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logBook) check(t *testing.T) {
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

// fill puts values into a route's parameters, in their order.
func fill(path string, values ...string) string {
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
