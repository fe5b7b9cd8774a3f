package handlers_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/catalog"
)

// withoutDatabase reports whether a route can answer without the database.
func withoutDatabase(r route) bool {
	return r.Path == "/healthz" || r.Path == "/static/*" || r.Path == "/login" || r.Path == "/logout" ||
		r.Path == "/login/link/:token"
}

// Without a database every route answers 503 with a Retry-After, and reveals nothing.
func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	event, back := s.PayAndTakeEvent(v)
	before := s.Contents()
	s.Pool.Close()
	s.Clock.Advance(5 * time.Second) // the time for which a session is cached
	for _, r := range routes {
		if withoutDatabase(r) {
			continue
		}
		path, body := r.PathFor("maya"), r.Body
		headers := []string{
			"Idempotency-Key", uuid.NewString(), "Sec-Fetch-Site", "same-origin", "Content-Type",
			"application/x-www-form-urlencoded",
		}
		switch r.Access {
		case api:
			headers = append(headers, "Authorization", "Bearer "+s.Keys[apikey.Admin])
		case signed:
			body, headers = event, append(
				headers,
				"Stripe-Signature",
				handlerstest.SignEvent(event, handlerstest.EventSecret, time.Now()),
			)
		case public, form, personal:
		}
		a := v.Do(r.Method, path, body, headers...).Want(http.StatusServiceUnavailable)
		if after := a.Header.Get("Retry-After"); after != "1" && after != "2" && after != "3" {
			t.Errorf("%s: Retry-After is %q", a.Request, after)
		}
		handlerstest.WantSilent(t, a)
		if r.Access == api || r.Access == signed || r.Path == "/readyz" {
			a.WantProblem(http.StatusServiceUnavailable, "", "")
		} else {
			a.WantElement("error-page", true).WantElement("badge", false)
		}
	}
	v.Get("/v1/accounts/me").WantProblem(http.StatusServiceUnavailable, "", "")
	v.Get(back, "HX-Request", "true").Want(http.StatusServiceUnavailable)
	s.Send("GET", "/healthz", "").Want(http.StatusOK)
	s.Send("GET", "/login", "").Want(http.StatusOK).WantElement("demo-sign-in", true)
	v.Get("/login").Want(http.StatusServiceUnavailable)
	// A failed sign-out says so, and keeps the cookie, so that the creator can try again.
	cookie := v.Cookie
	handlerstest.WantNoCookie(t, v.Submit("/logout", nil).Want(http.StatusServiceUnavailable))
	v.Get("/login/link/" + cookie).Want(http.StatusServiceUnavailable)
	s.WantUnchanged(before)
	if !strings.Contains(s.Log.String(), "closed pool") {
		t.Error("the log does not say what happened")
	}
}

// A panic in a handler answers 500 without details, even if the error page panics as well.
func TestAPanicSaysNothing(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	prices := func() *catalog.Catalog {
		if broken.Load() {
			panic("secret-of-the-panic")
		}
		return catalog.Builtin()
	}
	s := handlerstest.New(t)
	s.App.Prices = prices // of the handlers alone: requests recover, the ledger's goroutines do not
	s.Rebuild()
	s.Open("maya", "starter")
	s.OpenWith("noor", "20") // low: the notice computes equivalents from the prices
	maya, noor := s.SignIn("maya"), s.SignIn("noor")
	broken.Store(true)
	a := s.Call("GET", "/v1/catalog", "").WantProblem(http.StatusInternalServerError, "internal", "")
	handlerstest.WantSilent(t, a)
	for _, v := range []*handlerstest.Browser{maya, noor} {
		for _, path := range []string{"/plans", "/credits/buy", "/credits/history"} {
			a := v.Get(path).Want(http.StatusInternalServerError).WantElement("error-page", true)
			handlerstest.WantSilent(t, a)
		}
	}
	noor.Get("/credits/badge", "HX-Request", "true").Want(http.StatusInternalServerError)
	noor.Get("/nothing-here").Want(http.StatusNotFound).WantElement("error-page", true)
	if !strings.Contains(s.Log.String(), "the layout of an error page failed") {
		t.Error("the log does not say that the chrome is broken, too")
	}
	if !strings.Contains(s.Log.String(), "secret-of-the-panic") || !strings.Contains(s.Log.String(), "goroutine") {
		t.Error("the log does not say what happened")
	}
	broken.Store(false)
	for _, v := range []*handlerstest.Browser{maya, noor} {
		v.Get("/plans").Want(http.StatusOK)
	}
}

// The server's own limits apply before a handler runs.
func TestHeadersThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Send("GET", "/healthz", "", "X-Long", strings.Repeat("x", 32<<10)).Want(http.StatusRequestHeaderFieldsTooLarge)
	s.Send("GET", "/healthz", "", "X-Long", strings.Repeat("x", 8<<10)).Want(http.StatusOK)
}

// An error page names the request id, and the log has it.
func TestFailuresAreFoundInTheLog(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	s.Pool.Close()
	a := v.Get("/credits").Want(http.StatusServiceUnavailable)
	id := a.Header.Get("X-Request-Id")
	named := handlerstest.Elements(a.HTML(), func(n *html.Node) bool { return n.Data == "code" })
	if len(named) != 1 || handlerstest.Text(named[0]) != id || !strings.Contains(s.Log.String(), "id="+id) {
		t.Errorf("request %q is not on the page or not in the log", id)
	}
}
