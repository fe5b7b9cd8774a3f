package handlers_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/catalog"
)

// wantSilent checks that an answer tells nothing of what is inside.
func wantSilent(t *testing.T, a answer) {
	t.Helper()
	body := strings.ToLower(string(a.body))
	for _, word := range []string{
		"pgx", "pool", "postgres", "sqlstate", "select ", "insert ", "update ", "relation", "sandbox_sessions",
		"dial ", "connection", "goroutine", ".go:",
		"panic", "runtime", "handlers.",
	} {
		if at := strings.Index(body, word); at >= 0 {
			t.Errorf("%s: the answer says %q: %.200s", a.to, word, body[max(0, at-80):])
		}
	}
}

// withoutDatabase are the routes that can answer without asking the database.
func withoutDatabase(r route) bool {
	return r.path == "/healthz" || r.path == "/static/*" || r.path == "/login" || r.path == "/logout" ||
		r.path == "/login/link/:token"
}

// The database is gone: every route says that it cannot answer now, when to ask again, and nothing else.
func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	event, back := s.paid(v)
	before := s.contents()
	s.pool.Close()
	s.clock.Advance(5 * time.Second) // as long as a session is remembered without asking
	for _, r := range routes {
		if withoutDatabase(r) {
			continue
		}
		path, body := r.of("maya"), r.body
		headers := []string{
			"Idempotency-Key", uuid.NewString(), "Sec-Fetch-Site", "same-origin", "Content-Type",
			"application/x-www-form-urlencoded",
		}
		switch r.sort {
		case api:
			headers = append(headers, "Authorization", "Bearer "+s.keys[apikey.Admin])
		case signed:
			body, headers = event, append(headers, "Stripe-Signature", sign(event, eventSecret, time.Now()))
		case public, form, personal:
		}
		a := v.do(r.method, path, body, headers...).want(http.StatusServiceUnavailable)
		if after := a.header.Get("Retry-After"); after != "1" && after != "2" && after != "3" {
			t.Errorf("%s: Retry-After is %q", a.to, after)
		}
		wantSilent(t, a)
		if r.sort == api || r.sort == signed || r.path == "/readyz" {
			a.problem(http.StatusServiceUnavailable, "", "")
		} else {
			a.has("error-page", true).has("badge", false)
		}
	}
	v.get("/v1/accounts/me").problem(http.StatusServiceUnavailable, "", "")
	v.get(back, "HX-Request", "true").want(http.StatusServiceUnavailable)
	s.send("GET", "/healthz", "").want(http.StatusOK)
	s.send("GET", "/login", "").want(http.StatusOK).has("demo-sign-in", true)
	v.get("/login").want(http.StatusServiceUnavailable)
	// Who wants to leave is told that it has not worked, and keeps the cookie to try again.
	cookie := v.cookie
	wantNoCookie(t, v.submit("/logout", nil).want(http.StatusServiceUnavailable))
	v.get("/login/link/" + cookie).want(http.StatusServiceUnavailable)
	s.unchanged(before)
	if !strings.Contains(s.log.String(), "closed pool") {
		t.Error("the log does not say what happened")
	}
}

// A mistake in a handler: 500, and nothing about it, even if making the error page meets the same mistake.
func TestAPanicSaysNothing(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	prices := func() *catalog.Catalog {
		if broken.Load() {
			panic("secret-of-the-panic")
		}
		return catalog.Builtin()
	}
	s := newSiteWith(t, options{prices: prices})
	s.open("maya", "starter")
	s.openWith("noor", "20") // low: her chrome says what that is good for, at the broken prices
	maya, noor := s.signIn("maya"), s.signIn("noor")
	broken.Store(true)
	a := s.call("GET", "/v1/catalog", "").problem(http.StatusInternalServerError, "internal", "")
	wantSilent(t, a)
	for _, v := range []*visitor{maya, noor} {
		for _, path := range []string{"/plans", "/credits/buy", "/credits/history"} {
			a := v.get(path).want(http.StatusInternalServerError).has("error-page", true)
			wantSilent(t, a)
		}
	}
	noor.get("/credits/badge", "HX-Request", "true").want(http.StatusInternalServerError)
	noor.get("/nothing-here").want(http.StatusNotFound).has("error-page", true)
	if !strings.Contains(s.log.String(), "goes without its chrome") {
		t.Error("the log does not say that the chrome is broken, too")
	}
	if !strings.Contains(s.log.String(), "secret-of-the-panic") || !strings.Contains(s.log.String(), "goroutine") {
		t.Error("the log does not say what happened")
	}
	broken.Store(false)
	for _, v := range []*visitor{maya, noor} {
		v.get("/plans").want(http.StatusOK)
	}
}

// The server's own limits hold before a handler is asked.
func TestHeadersThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send("GET", "/healthz", "", "X-Long", strings.Repeat("x", 32<<10)).want(http.StatusRequestHeaderFieldsTooLarge)
	s.send("GET", "/healthz", "", "X-Long", strings.Repeat("x", 8<<10)).want(http.StatusOK)
}

// What went wrong on our side is found again by the number that its page names.
func TestFailuresAreFoundInTheLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	s.pool.Close()
	a := v.get("/credits").want(http.StatusServiceUnavailable)
	id := a.header.Get("X-Request-Id")
	named := all(a.page(), func(n *html.Node) bool { return n.Data == "code" })
	if len(named) != 1 || text(named[0]) != id || !strings.Contains(s.log.String(), "id="+id) {
		t.Errorf("request %q is not on the page or not in the log", id)
	}
}
