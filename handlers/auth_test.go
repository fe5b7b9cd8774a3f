package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/internal/apikey"
)

// refusal is a credential and how a route that it does not suffice for answers it.
type refusal struct {
	authorization string
	status        int
	code          string
}

// refusals are the credentials that do not suffice for a scope, by name.
func (s *site) refusals(scope apikey.Scope) map[string]refusal {
	s.t.Helper()
	revoked, revokedSecret := s.newKey(apikey.Admin)
	if err := s.app.Keys.Revoke(s.t.Context(), revoked.ID); err != nil {
		s.t.Fatal(err)
	}
	good := s.keys[apikey.Admin]
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
		out["scope "+lower.String()] = refusal{"Bearer " + s.keys[lower], http.StatusForbidden, "insufficient_scope"}
	}
	return out
}

// Every route of the API, with every credential that does not suffice: refused, and nothing written.
func TestWhoMayUseTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for _, r := range closingLast(of(api)) {
		refused := s.refusals(r.scope)
		before := s.contents()
		for _, path := range []string{r.of("maya"), r.of("nobody"), r.of("me")} {
			for name, c := range refused {
				if c.code == "missing_api_key" && path == r.of("me") && strings.Contains(r.path, ":account") &&
					r.method == http.MethodGet {
					c.code = "signed_out"
				}
				a := s.send(r.method, path, r.body, "Authorization", c.authorization, "Idempotency-Key",
					uuid.NewString()).problem(c.status, c.code, "")
				if challenge := a.header.Get("WWW-Authenticate"); (challenge != "") !=
					(c.status == http.StatusUnauthorized) {
					t.Errorf("%s, %s: WWW-Authenticate %q", a.to, name, challenge)
				}
			}
			if a := s.send(r.method, path, r.body, "Idempotency-Key", "k"); a.status != http.StatusUnauthorized {
				t.Errorf("%s, without a key: %d", a.to, a.status)
			}
		}
		// A session is no key.
		v.do(r.method, r.of("maya"), r.body, "Idempotency-Key", "k", "Sec-Fetch-Site",
			"same-origin").problem(http.StatusUnauthorized, "missing_api_key", "")
		s.unchanged(before)
		for scope := r.scope; scope <= apikey.Admin; scope++ {
			a := s.send(r.method, r.of("maya"), r.body, "Authorization", "bearer "+s.keys[scope],
				"Idempotency-Key", uuid.NewString())
			if a.status != http.StatusOK && a.status != http.StatusCreated &&
				(!r.absent || a.status != http.StatusNotFound) {
				t.Errorf("%s, scope %s: %d: %s", a.to, scope, a.status, a.body)
			}
		}
	}
}

// A creator's session reads its own account as "me", and that is all that it does here.
func TestMe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "pro")
	v := s.signIn("maya")
	s.charge("maya", `{"feature":"lip_sync"}`)
	before := s.contents()
	for _, r := range of(api) {
		path := r.of("me")
		if !strings.Contains(r.path, ":account") {
			continue
		}
		a := v.do(r.method, path, r.body, "Idempotency-Key", "k", "Sec-Fetch-Site", "same-origin")
		if r.method != http.MethodGet {
			a.problem(http.StatusUnauthorized, "missing_api_key", "")
			continue
		}
		if strings.HasSuffix(path, "/x") { // a thing of the account that is not there
			a.problem(http.StatusNotFound, "", "")
		} else if theirs := s.call(r.method, r.of("maya"), ""); string(theirs.body) !=
			string(a.want(http.StatusOK).body) {
			t.Errorf("%s\n%s\nis not\n%s", a.to, a.body, theirs.body)
		}
		s.send(r.method, path, "").problem(http.StatusUnauthorized, "", "")
		s.send(r.method, path, "", "Cookie", "credits="+strings.Repeat("A", 43)).problem(http.StatusUnauthorized,
			"", "")
		// A key names its account; nobody is called "me". And a bad key is not made up for by a cookie.
		s.call(r.method, path, "").problem(http.StatusNotFound, "account_not_found", "")
		v.do(r.method, path, "", "Authorization", "Bearer crk_x").problem(http.StatusUnauthorized,
			"invalid_api_key", "")
	}
	v.get("/v1/accounts/noor").problem(http.StatusUnauthorized, "missing_api_key", "")
	v.get("/v1/accounts/maya").problem(http.StatusUnauthorized, "missing_api_key", "")
	s.unchanged(before)
}

// What one creator has, another one's session does not see.
func TestOtherCreatorsSeeNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "pro")
	maya, noor := s.signIn("maya"), s.signIn("noor")
	s.charge("maya", `{"feature":"lip_sync","agent":"secret-agent-of-maya"}`)
	checkout := maya.order("pack_100")
	back := maya.pay(checkout)
	before := s.contents()
	for _, path := range []string{back, back + "/status", back + "?cancelled=1"} {
		noor.get(path).want(http.StatusNotFound)
	}
	s.unchanged(before) // not even fulfilled by somebody else's look
	maya.get(back).want(http.StatusOK).wantState("paid")
	cursor := s.call("GET", "/v1/accounts/maya/transactions?limit=1", "").at("next_cursor").(string)
	noor.get("/credits/history?cursor=" + cursor).want(http.StatusBadRequest)
	noor.get("/v1/accounts/me/transactions?cursor="+cursor).problem(http.StatusBadRequest, "invalid_cursor", "cursor")
	id := strings.TrimPrefix(back, "/credits/purchases/")
	for _, r := range of(personal) {
		if r.method == http.MethodGet && !strings.Contains(r.path, ":") {
			a := noor.get(r.path)
			if a.status == http.StatusSeeOther && a.header.Get("Location") != "" {
				continue // the address of a form leads to its page
			}
			if a.want(http.StatusOK); strings.Contains(string(a.body), "secret-agent") ||
				strings.Contains(string(a.body), id) {
				t.Errorf("%s shows what is another creator's", a.to)
			}
		}
	}
	if own := maya.get("/credits/history"); !strings.Contains(string(own.body), "secret-agent") {
		t.Error("nor does their own")
	}
	if me := noor.get("/v1/accounts/me/transactions"); strings.Contains(string(me.body), "secret-agent") ||
		len(me.list("transactions")) != 1 {
		t.Errorf("%s", me.body)
	}
}

// Strangers are sent to the way in, and come back to where they wanted to go.
func TestPagesAreForTheSignedIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	for _, cookie := range []string{
		"", "credits=", "credits=x", "credits=" + strings.Repeat("A", 43),
		"__Host-credits=" + strings.Repeat("A", 43), "credits=\"; x",
	} {
		for _, r := range of(personal) {
			path := r.of("")
			headers := []string{"Sec-Fetch-Site", "same-origin", "Cookie", cookie}
			to := "/login"
			if r.method == http.MethodGet && path != "/" {
				if path == "/credits/history" {
					path += "?kind=b&agent=%2Fd"
				}
				to += "?next=" + url.QueryEscape(path)
			}
			a := s.send(r.method, path, r.body, headers...).leads(to)
			wantNoCookie(t, a)
			// A fragment must not be replaced by the sign-in page.
			a = s.send(r.method, path, r.body, append(headers, "HX-Request", "true")...).want(http.StatusUnauthorized)
			if a.header.Get("HX-Redirect") != "" || len(a.body) > 0 || a.header.Get("Location") != "" {
				t.Errorf("%s: HX-Redirect %q, Location %q, %d bytes", a.to, a.header.Get("HX-Redirect"),
					a.header.Get("Location"), len(a.body))
			}
			wantNoCookie(t, a)
		}
	}
	s.unchanged(before)
}

func wantNoCookie(t *testing.T, a answer) {
	t.Helper()
	if got := a.header.Values("Set-Cookie"); len(got) > 0 {
		t.Errorf("%s: cookies %q", a.to, got)
	}
}
