package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/session"
)

func TestMain(m *testing.M) { testdb.Main(m) }

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixture is a store over its own database, with a clock that stands still.
type fixture struct {
	*session.Store
	t     testing.TB
	pool  *pgxpool.Pool
	clock *clock.Manual
}

func newFixture(t testing.TB, secure bool) *fixture {
	t.Helper()
	d := &fixture{
		t:     t,
		pool:  testdb.New(t),
		clock: clock.NewManual(start),
	}
	d.Store = session.New(d.pool, session.Options{Clock: d.clock.Now, Secure: secure})
	return d
}

func (d *fixture) rows(table string) (n int) {
	d.t.Helper()
	if err := d.pool.QueryRow(context.Background(), "select count(*) from "+table).Scan(&n); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// browser keeps one cookie.
type browser struct {
	*fixture
	cookie *http.Cookie // nil: none
	last   *http.Cookie // set by the last answer
}

func (d *fixture) browser() *browser { return &browser{fixture: d} }

func (b *browser) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if b.cookie != nil {
		r.AddCookie(b.cookie)
	}
	return r
}

// visit makes one request and applies its Set-Cookie like a browser.
func (b *browser) visit(handle func(w http.ResponseWriter, r *http.Request) error) error {
	b.t.Helper()
	w := httptest.NewRecorder()
	err := handle(w, b.request())
	b.last = nil
	for _, c := range w.Result().Cookies() {
		b.last = c
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return err
}

func (b *browser) signIn(v session.Visitor) {
	b.t.Helper()
	err := b.visit(func(w http.ResponseWriter, r *http.Request) error { return b.SignIn(w, r, v) })
	if err != nil || b.cookie == nil {
		b.t.Fatalf("signing in: %v, cookie %v", err, b.cookie)
	}
}

func (b *browser) signOut() {
	b.t.Helper()
	if err := b.visit(func(w http.ResponseWriter, r *http.Request) error { return b.SignOut(w, r) }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) want(v session.Visitor) {
	b.t.Helper()
	got, ok, err := b.Visitor(b.request())
	if err != nil || ok != (v != session.Visitor{}) || got != v {
		b.t.Fatalf("visitor is %v, %v (%v), want %v", got, ok, err, v)
	}
}

func (b *browser) wantNobody() { b.t.Helper(); b.want(session.Visitor{}) }

func creator() session.Visitor {
	return session.Visitor{AccountID: uuid.New(), Role: session.RoleCreator}
}

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	d := newFixture(t, true)
	b, other := d.browser(), d.browser()
	b.wantNobody()
	v, support := creator(), session.Visitor{AccountID: uuid.New(), Role: session.RoleSupport}
	b.signIn(v)
	b.want(v)
	other.signIn(support)
	other.want(support)
	b.want(v)

	stolen := *b
	elsewhere := &browser{fixture: &fixture{Store: session.New(d.pool,
		session.Options{Clock: d.clock.Now, Secure: true}), t: t}, cookie: b.cookie}
	elsewhere.want(v)
	b.signOut()
	b.wantNobody()
	stolen.wantNobody()
	d.clock.Advance(5 * time.Second) // another server's cache lasts this long
	elsewhere.wantNobody()
	other.want(support)
	b.signOut() // a second time changes nothing
	if n := d.rows("sessions"); n != 1 {
		t.Errorf("%d rows remain, want the other browser's", n)
	}
}

func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		secure bool
		name   string
	}{{true, "__Host-credits"}, {false, "credits"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newFixture(t, c.secure).browser()
			check := func(maxAge int) {
				t.Helper()
				k := b.last
				if k == nil || k.Name != c.name || k.Secure != c.secure || !k.HttpOnly ||
					k.SameSite != http.SameSiteLaxMode || k.Path != "/" ||
					k.Domain != "" || k.MaxAge != maxAge {
					t.Errorf("cookie is %v", k)
				}
			}
			if b.CookieName() != c.name {
				t.Errorf("the name is %q", b.CookieName())
			}
			b.signIn(creator())
			check(60 * 24 * 60 * 60)
			if len(b.cookie.Value) != 43 {
				t.Errorf("%q is not 256 bits in base64", b.cookie.Value)
			}
			b.signOut()
			check(-1)
			if b.last.Value != "" {
				t.Error("the cleared cookie has a value")
			}
		})
	}
}

// Each sign-in has a new id and ends the previous one, which prevents session fixation.
func TestSignInAlwaysGivesANewID(t *testing.T) {
	t.Parallel()
	b := newFixture(t, false).browser()
	planted := strings.Repeat("A", 43)
	b.cookie = &http.Cookie{Name: b.CookieName(), Value: planted}
	b.wantNobody()
	v := creator()
	seen := map[string]bool{planted: true}
	for range 5 {
		before := *b
		b.signIn(v)
		if seen[b.cookie.Value] {
			t.Fatal("an id came twice")
		}
		seen[b.cookie.Value] = true
		b.want(v)
		before.wantNobody()
	}
	if n := b.rows("sessions"); n != 1 {
		t.Errorf("%d sessions of one browser", n)
	}
}

// A sign-in or sign-out is visible within the same request.
func TestWithinOneRequest(t *testing.T) {
	t.Parallel()
	b := newFixture(t, false).browser()
	first, second := creator(), creator()
	err := b.visit(func(w http.ResponseWriter, r *http.Request) error {
		for _, step := range []struct {
			do   func() error
			want session.Visitor
		}{
			{func() error { return nil }, session.Visitor{}},
			{func() error { return b.SignIn(w, r, first) }, first},
			{func() error { return b.SignIn(w, r, second) }, second},
			{func() error { return b.SignOut(w, r) }, session.Visitor{}},
			{func() error { return b.SignIn(w, r, first) }, first},
		} {
			if err := step.do(); err != nil {
				return err
			}
			if v, ok, err := b.Visitor(r); v != step.want || ok != (v != session.Visitor{}) || err != nil {
				t.Errorf("visitor is %v, %v, %v; want %v", v, ok, err, step.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.want(first)
	if n := b.rows("sessions"); n != 1 {
		t.Errorf("%d sessions of one browser", n)
	}
}

func TestSignInRefusesAnInvalidVisitor(t *testing.T) {
	t.Parallel()
	b := newFixture(t, false).browser()
	v := creator()
	b.signIn(v)
	for _, wrong := range []session.Visitor{
		{},
		{AccountID: uuid.New()},
		{Role: session.RoleCreator},
		{AccountID: uuid.New(), Role: "root"},
	} {
		if err := b.visit(func(w http.ResponseWriter, r *http.Request) error {
			return b.SignIn(w, r, wrong)
		}); err == nil {
			t.Errorf("%v could sign in", wrong)
		}
		b.want(v)
	}
}

func TestUnknownIDsAreNobody(t *testing.T) {
	t.Parallel()
	b := newFixture(t, true).browser()
	v := creator()
	b.signIn(v)
	good := b.cookie.Value
	for _, value := range []string{
		"", "x", strings.Repeat("A", 43), good[:42], good + "A", " " + good, strings.ToUpper(good), good + "=",
		good[:40] + "%00", "../../etc/passwd",
		"'; drop table sessions; --", strings.Repeat("A", 8000),
	} {
		b.cookie = &http.Cookie{Name: b.CookieName(), Value: value}
		b.wantNobody()
	}
	// The name without the prefix could be set by any sibling domain.
	b.cookie = &http.Cookie{Name: "credits", Value: good}
	b.wantNobody()
	b.cookie = &http.Cookie{Name: b.CookieName(), Value: good}
	b.want(v)
}

func TestEndAll(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	v, other := creator(), creator()
	phone, laptop, stranger := d.browser(), d.browser(), d.browser()
	phone.signIn(v)
	laptop.signIn(v)
	stranger.signIn(other)
	if err := d.EndAll(t.Context(), v.AccountID); err != nil {
		t.Fatal(err)
	}
	phone.wantNobody()
	laptop.wantNobody()
	stranger.want(other)
}

// The stored rows cannot open a session or a link.
func TestSecretsAreNotStored(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	b := d.browser()
	b.signIn(creator())
	token, _, err := d.CreateLink(t.Context(), uuid.New(), "/")
	if err != nil {
		t.Fatal(err)
	}
	for table, secret := range map[string]string{"sessions": b.cookie.Value, "login_links": token} {
		var row string
		if err := d.pool.QueryRow(t.Context(),
			"select encode(token_hash, 'escape') || t::text from "+table+" t").Scan(&row); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(row, secret) {
			t.Errorf("%s holds a secret in the clear: %s", table, row)
		}
	}
}

// A failing database does not sign a browser out, and calls without a query still succeed.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	b := d.browser()
	b.signIn(creator())
	d.pool.Close()
	_, ok, err := b.Visitor(b.request())
	if ok || problem.Of(err).Kind != problem.KindUnavailable {
		t.Errorf("visitor: %v, %v", ok, err)
	}
	out := b.visit(func(w http.ResponseWriter, r *http.Request) error { return b.SignOut(w, r) })
	if !problem.IsUnavailable(out) || b.cookie == nil {
		t.Errorf("a sign-out that failed took the cookie: %v", out)
	}
	in := b.visit(func(w http.ResponseWriter, r *http.Request) error { return b.SignIn(w, r, creator()) })
	if !problem.IsUnavailable(in) || b.last != nil {
		t.Errorf("a sign-in that failed set %v: %v", b.last, in)
	}
	_, sweep := d.Sweep(t.Context())
	_, _, create := d.CreateLink(t.Context(), uuid.New(), "/")
	_, _, use := d.UseLink(t.Context(), strings.Repeat("A", 43))
	for name, err := range map[string]error{
		"sweep":   sweep,
		"create":  create,
		"use":     use,
		"end all": d.EndAll(t.Context(), uuid.New()),
	} {
		if !problem.IsUnavailable(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.cookie = nil
	b.wantNobody()
	b.cookie = &http.Cookie{Name: b.CookieName(), Value: "no token"}
	b.wantNobody()
}

type counter struct{ n atomic.Int64 }

func (c *counter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.n.Add(1)
	return ctx
}
func (*counter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Requests within five seconds make one query, and the last visit is written only every few minutes.
func TestOneQueryInFiveSeconds(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig(testdb.Open(t).AppURL)
	if err != nil {
		t.Fatal(err)
	}
	count := &counter{}
	config.ConnConfig.Tracer = count
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	d := &fixture{
		t:     t,
		pool:  pool,
		clock: clock.NewManual(start),
	}
	d.Store = session.New(pool, session.Options{Clock: d.clock.Now})
	b, v := d.browser(), creator()
	b.signIn(v)
	requests := func(n int, want int64) {
		t.Helper()
		count.n.Store(0)
		for range n {
			r := b.request()
			for range 3 {
				if got, _, err := b.Visitor(r); got != v || err != nil {
					t.Fatal(got, err)
				}
			}
		}
		if got := count.n.Load(); got != want {
			t.Errorf("%d statements for %d requests, want %d", got, n, want)
		}
	}
	requests(10, 1)
	d.clock.Advance(5*time.Second - time.Microsecond)
	requests(10, 0)
	d.clock.Advance(time.Microsecond)
	requests(10, 1)
	d.clock.Advance(5*time.Minute - 5*time.Second)
	requests(10, 2)
	d.clock.Advance(time.Hour)
	requests(10, 2)
	b.cookie = nil
	v = session.Visitor{}
	requests(10, 0)
}

func FuzzCookie(f *testing.F) {
	d := newFixture(f, true)
	b := d.browser()
	b.signIn(creator())
	for _, seed := range []string{
		"", "x", strings.Repeat("A", 43), b.cookie.Value[:42] + "\n", b.cookie.Value[1:] + "\x00",
		`"` + strings.Repeat("_", 43) + `"`, "a; __Host-credits=b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", d.CookieName()+"="+value)
		if v, ok, err := d.Visitor(r); ok || err != nil || v != (session.Visitor{}) {
			t.Errorf("%q is %v, %v, %v", value, v, ok, err)
		}
	})
}
