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

// withoutDatabase are the routes that can answer without asking the database.
func withoutDatabase(r route) bool {
	return r.Path == "/healthz" || r.Path == "/static/*" || r.Path == "/login" || r.Path == "/logout" ||
		r.Path == "/login/link/:token"
}

// The database is gone: every route says that it cannot answer now, when to ask again, and nothing else.
func TestWithoutADatabase(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	event, back := s.PayAndTakeEvent(v)
	before := s.Contents()
	s.Pool.Close()
	s.Clock.Advance(5 * time.Second) // as long as a session is remembered without asking
	for _, r := range routes {
		if withoutDatabase(r) {
			continue
		}
		path, body := r.Of("maya"), r.Body
		headers := []string{
			"Idempotency-Key", uuid.NewString(), "Sec-Fetch-Site", "same-origin", "Content-Type",
			"application/x-www-form-urlencoded",
		}
		switch r.Sort {
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
		if r.Sort == api || r.Sort == signed || r.Path == "/readyz" {
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
	// Who wants to leave is told that it has not worked, and keeps the cookie to try again.
	cookie := v.Cookie
	handlerstest.WantNoCookie(t, v.Submit("/logout", nil).Want(http.StatusServiceUnavailable))
	v.Get("/login/link/" + cookie).Want(http.StatusServiceUnavailable)
	s.WantUnchanged(before)
	if !strings.Contains(s.Log.String(), "closed pool") {
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
	s := handlerstest.New(t)
	s.App.Prices = prices // of the handlers alone: requests recover, the ledger's goroutines do not
	s.Rebuild()
	s.Open("maya", "starter")
	s.OpenWith("noor", "20") // low: her chrome says what that is good for, at the broken prices
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

// The server's own limits hold before a handler is asked.
func TestHeadersThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Send("GET", "/healthz", "", "X-Long", strings.Repeat("x", 32<<10)).Want(http.StatusRequestHeaderFieldsTooLarge)
	s.Send("GET", "/healthz", "", "X-Long", strings.Repeat("x", 8<<10)).Want(http.StatusOK)
}

// What went wrong on our side is found again by the number that its page names.
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
