package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/apikey"
)

// refusal is an insufficient credential and the expected answer of a route.
type refusal struct {
	authorization string
	status        int
	code          string
}

// refusals are the credentials that are insufficient for a scope, by name.
func refusals(s *handlerstest.Site, scope apikey.Scope) map[string]refusal {
	s.T.Helper()
	revoked, revokedSecret := s.NewKey(apikey.Admin)
	if err := s.App.Keys.Revoke(s.T.Context(), revoked.ID); err != nil {
		s.T.Fatal(err)
	}
	good := s.Keys[apikey.Admin]
	last := "a"
	if strings.HasSuffix(good, "a") {
		last = "b"
	}
	out := map[string]refusal{
		"no scheme":     {good, http.StatusUnauthorized, "missing_api_key"},
		"other scheme":  {"Basic " + good, http.StatusUnauthorized, "missing_api_key"},
		"no key":        {"Bearer ", http.StatusUnauthorized, "missing_api_key"},
		"malformed":     {"Bearer crk_short", http.StatusUnauthorized, "invalid_api_key"},
		"SQL":           {"Bearer ' or 1=1 --", http.StatusUnauthorized, "invalid_api_key"},
		"another's end": {"Bearer " + good[:len(good)-1] + last, http.StatusUnauthorized, "invalid_api_key"},
		"upper case":    {"Bearer " + strings.ToUpper(good), http.StatusUnauthorized, "invalid_api_key"},
		"two keys":      {"Bearer " + good + " " + good, http.StatusUnauthorized, "invalid_api_key"},
		"unknown": {
			"Bearer crk_" + strings.Repeat("a", 8) + "_" + strings.Repeat("b", 52),
			http.StatusUnauthorized, "invalid_api_key",
		},
		"revoked": {"Bearer " + revokedSecret, http.StatusUnauthorized, "invalid_api_key"},
	}
	for lower := apikey.Read; lower < scope; lower++ {
		out["scope "+lower.String()] = refusal{"Bearer " + s.Keys[lower], http.StatusForbidden, "insufficient_scope"}
	}
	return out
}

// Every route of the API refuses every insufficient credential and writes nothing.
func TestWhoMayUseTheAPI(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for _, r := range closingLast(routesFor(api)) {
		refused := refusals(s, r.Scope)
		before := s.Contents()
		for _, path := range []string{r.PathFor("maya"), r.PathFor("nobody"), r.PathFor("me")} {
			for name, c := range refused {
				if c.code == "missing_api_key" && path == r.PathFor("me") && strings.Contains(r.Path, ":account") &&
					r.Method == http.MethodGet {
					c.code = "signed_out"
				}
				a := s.Send(r.Method, path, r.Body, "Authorization", c.authorization, "Idempotency-Key",
					uuid.NewString()).WantProblem(c.status, c.code, "")
				if challenge := a.Header.Get("WWW-Authenticate"); (challenge != "") !=
					(c.status == http.StatusUnauthorized) {
					t.Errorf("%s, %s: WWW-Authenticate %q", a.Request, name, challenge)
				}
			}
			if a := s.Send(r.Method, path, r.Body, "Idempotency-Key", "k"); a.Status != http.StatusUnauthorized {
				t.Errorf("%s, without a key: %d", a.Request, a.Status)
			}
		}
		// A session is not an API key.
		v.Do(r.Method, r.PathFor("maya"), r.Body, "Idempotency-Key", "k", "Sec-Fetch-Site",
			"same-origin").WantProblem(http.StatusUnauthorized, "missing_api_key", "")
		s.WantUnchanged(before)
		for scope := r.Scope; scope <= apikey.Admin; scope++ {
			a := s.Send(r.Method, r.PathFor("maya"), r.Body, "Authorization", "bearer "+s.Keys[scope],
				"Idempotency-Key", uuid.NewString())
			if a.Status != http.StatusOK && a.Status != http.StatusCreated &&
				(!r.Absent || a.Status != http.StatusNotFound) {
				t.Errorf("%s, scope %s: %d: %s", a.Request, scope, a.Status, a.Body)
			}
		}
	}
}

// A creator's session reads its own account as "me", and has no other access to the API.
func TestMe(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "pro")
	v := s.SignIn("maya")
	s.Charge("maya", `{"feature":"lip_sync"}`)
	before := s.Contents()
	for _, r := range routesFor(api) {
		path := r.PathFor("me")
		if !strings.Contains(r.Path, ":account") {
			continue
		}
		a := v.Do(r.Method, path, r.Body, "Idempotency-Key", "k", "Sec-Fetch-Site", "same-origin")
		if r.Method != http.MethodGet {
			a.WantProblem(http.StatusUnauthorized, "missing_api_key", "")
			continue
		}
		if strings.HasSuffix(path, "/x") { // the path names an unknown object of the account
			a.WantProblem(http.StatusNotFound, "", "")
		} else if theirs := s.Call(r.Method, r.PathFor("maya"), ""); string(theirs.Body) !=
			string(a.Want(http.StatusOK).Body) {
			t.Errorf("%s\n%s\nis not\n%s", a.Request, a.Body, theirs.Body)
		}
		s.Send(r.Method, path, "").WantProblem(http.StatusUnauthorized, "", "")
		s.Send(r.Method, path, "", "Cookie", "credits="+strings.Repeat("A", 43)).WantProblem(http.StatusUnauthorized,
			"", "")
		// With a key, "me" is an unknown account. A session does not replace an invalid key.
		s.Call(r.Method, path, "").WantProblem(http.StatusNotFound, "account_not_found", "")
		v.Do(r.Method, path, "", "Authorization", "Bearer crk_x").WantProblem(http.StatusUnauthorized,
			"invalid_api_key", "")
	}
	v.Get("/v1/accounts/noor").WantProblem(http.StatusUnauthorized, "missing_api_key", "")
	v.Get("/v1/accounts/maya").WantProblem(http.StatusUnauthorized, "missing_api_key", "")
	s.WantUnchanged(before)
}

// A creator's session cannot see the objects of another creator.
func TestOtherCreatorsSeeNothing(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "pro")
	maya, noor := s.SignIn("maya"), s.SignIn("noor")
	s.Charge("maya", `{"feature":"lip_sync","agent":"secret-agent-of-maya"}`)
	checkout := maya.Order("pack_100")
	back := maya.Pay(checkout)
	before := s.Contents()
	for _, path := range []string{back, back + "/status", back + "?cancelled=1"} {
		noor.Get(path).Want(http.StatusNotFound)
	}
	s.WantUnchanged(before) // and does not fulfil the purchase either
	maya.Get(back).Want(http.StatusOK).WantState("paid")
	cursor := s.Call("GET", "/v1/accounts/maya/transactions?limit=1", "").At("next_cursor").(string)
	noor.Get("/credits/history?cursor=" + cursor).Want(http.StatusBadRequest)
	noor.Get("/v1/accounts/me/transactions?cursor="+cursor).
		WantProblem(http.StatusBadRequest, "invalid_cursor", "cursor")
	id := strings.TrimPrefix(back, "/credits/purchases/")
	for _, r := range routesFor(personal) {
		if r.Method == http.MethodGet && !strings.Contains(r.Path, ":") {
			a := noor.Get(r.Path)
			if a.Status == http.StatusSeeOther && a.Header.Get("Location") != "" {
				continue // the address of a form redirects to its page
			}
			if a.Want(http.StatusOK); strings.Contains(string(a.Body), "secret-agent") ||
				strings.Contains(string(a.Body), id) {
				t.Errorf("%s shows what is another creator's", a.Request)
			}
		}
	}
	if own := maya.Get("/credits/history"); !strings.Contains(string(own.Body), "secret-agent") {
		t.Error("nor does their own")
	}
	if me := noor.Get("/v1/accounts/me/transactions"); strings.Contains(string(me.Body), "secret-agent") ||
		len(me.List("transactions")) != 1 {
		t.Errorf("%s", me.Body)
	}
}

// Visitors without a session are sent to the sign-in page, and return to the requested page
// afterwards.
func TestPagesAreForTheSignedIn(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for _, cookie := range []string{
		"", "credits=", "credits=x", "credits=" + strings.Repeat("A", 43),
		"__Host-credits=" + strings.Repeat("A", 43), "credits=\"; x",
	} {
		for _, r := range routesFor(personal) {
			path := r.PathFor("")
			headers := []string{"Sec-Fetch-Site", "same-origin", "Cookie", cookie}
			to := "/login"
			if r.Method == http.MethodGet && path != "/" {
				if path == "/credits/history" {
					path += "?kind=b&agent=%2Fd"
				}
				to += "?next=" + url.QueryEscape(path)
			}
			a := s.Send(r.Method, path, r.Body, headers...).WantRedirect(to)
			handlerstest.WantNoCookie(t, a)
			// A fragment must not be replaced by the sign-in page.
			a = s.Send(r.Method, path, r.Body, append(headers, "HX-Request", "true")...).Want(http.StatusUnauthorized)
			if a.Header.Get("HX-Redirect") != "" || len(a.Body) > 0 || a.Header.Get("Location") != "" {
				t.Errorf("%s: HX-Redirect %q, Location %q, %d bytes", a.Request, a.Header.Get("HX-Redirect"),
					a.Header.Get("Location"), len(a.Body))
			}
			handlerstest.WantNoCookie(t, a)
		}
	}
	s.WantUnchanged(before)
}

func TestUnknownAccounts(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	before := s.Contents()
	for _, r := range routesFor(api) {
		if strings.Contains(r.Path, ":account") && r.Method != http.MethodPut {
			s.Call(r.Method, r.PathFor("nobody"), r.Body, "Idempotency-Key", "k").WantProblem(http.StatusNotFound,
				"account_not_found", "")
		}
	}
	s.WantUnchanged(before)
}
