package handlers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/handlers"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/logs"
)

// logLine is the line of the log about the request that was answered; there must be exactly one
// with the level.
func (a answer) logLine(s *site, level string) string {
	a.t.Helper()
	id := a.header.Get("X-Request-Id")
	var found []string
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "request_id="+id) && strings.Contains(line, "level="+level) {
			found = append(found, line)
		}
	}
	if id == "" || len(found) != 1 {
		a.t.Fatalf("%s: %d lines of level %s about request %q: %q", a.to, len(found), level, id, found)
	}
	return found[0]
}

func wantWords(t *testing.T, line string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("no %q in %s", word, line)
		}
	}
}

// What operators do is logged: who, what, to whom, how much. No name, no e-mail address, no reason.
func TestOperatorActsAreLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.log.secret("maya@shop.example")
	s.log.secret("Maya's Secret Studio")
	s.log.secret("because of the secret incident")
	const reason = `"reason":"because of the secret incident"`
	a := s.call("PUT", "/v1/accounts/maya",
		`{"plan":"starter","name":"Maya's Secret Studio","email":"maya@shop.example"}`).want(http.StatusCreated)
	line := a.logLine(s, "INFO")
	wantWords(t, line, `msg="operator act"`, `act="PUT /v1/accounts/:account"`, "plan=starter", "key=")
	id, err := s.app.Accounts.Find(t.Context(), "maya")
	if err != nil {
		t.Fatal(err)
	}
	wantWords(t, line, "account="+id.String())
	for _, c := range []struct{ path, body, act string }{
		{"/v1/accounts/maya/grants", `{"amount":"7.5","kind":"promo",` + reason + `}`, "amount=7.5"},
		{"/v1/accounts/maya/login-links", `{}`, "login-links"},
		{"/v1/webhook-endpoints", `{"url":"https://example.com/hook","events":["balance.low"]}`, "webhook-endpoints"},
	} {
		wantWords(t, s.post(c.path, c.body).want(http.StatusCreated).logLine(s, "INFO"), `msg="operator act"`, c.act)
	}
	charge := s.charge("maya", `{"feature":"image_generation"}`)
	path := fmt.Sprintf("/v1/accounts/maya/charges/%v/refund", charge["id"])
	key := uuid.NewString()
	for _, replayed := range []bool{false, true} {
		line := s.call("POST", path, "{"+reason+"}", "Idempotency-Key", key).want(http.StatusCreated).logLine(s,
			"INFO")
		wantWords(t, line, `/refund"`, "account="+id.String(), "amount=10", fmt.Sprintf("id=%v", charge["id"]))
		if strings.Contains(line, "replayed=true") != replayed {
			t.Errorf("replayed is %v: %s", replayed, line)
		}
	}
	// Charges and reads are no acts, and an act that failed is none.
	before := strings.Count(s.log.String(), "operator act")
	s.charge("maya", `{"feature":"image_generation"}`)
	s.call("GET", "/v1/catalog", "").want(http.StatusOK)
	s.post("/v1/accounts/maya/grants", `{"amount":"7.5","kind":"promo"}`).want(http.StatusUnprocessableEntity)
	if after := strings.Count(s.log.String(), "operator act"); after != before {
		t.Errorf("%d acts too many", after-before)
	}
}

// Refusals that may be somebody trying are logged with where they came from, and never with what was tried.
func TestSecurityEventsAreLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	revoked, secret := s.newKey(apikey.Admin)
	if err := s.app.Keys.Revoke(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	s.log.secret("crk_no-such-key-at-all")
	s.log.secret("no-such-token")
	grant := `{"amount":"1","kind":"promo","reason":"r"}`
	for code, a := range map[string]answer{
		"invalid_api_key": s.send("GET", "/v1/catalog", "", "Authorization",
			"Bearer crk_no-such-key-at-all").want(http.StatusUnauthorized),
		"missing_api_key": s.send("GET", "/v1/catalog", "").want(http.StatusUnauthorized),
		"insufficient_scope": s.send("POST", "/v1/accounts/maya/grants", grant, "Authorization",
			"Bearer "+s.keys[apikey.Read]).want(http.StatusForbidden),
		"bad_signature": s.send("POST", "/webhooks/stripe", "{}", "Stripe-Signature",
			"t=1,v1=no-such-token").want(http.StatusBadRequest),
		"cross_origin":       v.do("POST", "/logout", "", "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden),
		"login_link_refused": s.send("GET", "/login/link/no-such-token", "").want(http.StatusForbidden),
	} {
		wantWords(t, a.logLine(s, "WARN"), `msg="request refused"`, "code="+code, "client=127.0.0.1", "route=")
	}
	wantWords(t, s.send("GET", "/v1/catalog", "", "Authorization",
		"Bearer "+secret).want(http.StatusUnauthorized).logLine(s, "WARN"), "key_prefix="+revoked.Prefix)
	// A session that has ended, and what is not there, are everyday life.
	for _, a := range []answer{s.send("GET", "/credits", ""), s.call("GET", "/v1/accounts/nobody",
		"").want(http.StatusNotFound)} {
		if id := a.header.Get("X-Request-Id"); regexp.MustCompile("level=WARN.*" + id).MatchString(s.log.String()) {
			t.Errorf("%s: a warning", a.to)
		}
	}
}

// Bulk requests that are shed say when to come again, and are a line a second in the log and not
// one for each charge.
func TestShedBulkRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "star")
	var out logBook
	limited, flush := logs.New(&out, logs.Options{Level: slog.LevelWarn})
	s.app.Log = limited
	s.rebuild()
	// The account is locked, so that what comes in waits until the queue is full.
	tx, err := s.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select from ledger_accounts for update"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	go func() {
		for t.Context().Err() == nil && !strings.Contains(out.String(), "code=busy") {
			time.Sleep(time.Millisecond)
		}
		_ = tx.Rollback(t.Context()) // the test's end rolls back, too
	}()
	charges := make([]string, 1000)
	answers := make([]answer, 12)
	together(len(answers), func(i int) {
		mine := make([]string, len(charges))
		for n := range charges {
			mine[n] = fmt.Sprintf(`{"account":"maya","idempotency_key":"k-%d-%d","feature":"social_comment_reply"}`,
				i, n)
		}
		answers[i] = s.call("POST", "/v1/charges", `{"charges":[`+strings.Join(mine, ",")+`]}`).want(http.StatusOK)
	})
	shed := 0
	for _, a := range answers {
		busy := strings.Count(string(a.body), `"status":503`)
		shed += busy
		if after := a.header.Get("Retry-After"); (busy > 0) != (after >= "1" && after <= "3") {
			t.Errorf("%d of the charges are shed, Retry-After is %q", busy, after)
		}
	}
	flush()
	took := time.Since(began)
	lines := strings.Count(out.String(), "\n")
	// At once, each second, and at the end; for each of what "busy" and "unavailable" say.
	if most := 2 * (int(took/time.Second) + 2); shed < 5_000 || lines == 0 || lines > most {
		t.Errorf("%d charges shed in %v, %d lines in the log: %.600s", shed, took, lines, out.String())
	}
	wantWords(t, out.String(), "repeated=", "code=busy")
}

// While the server drains it serves as before, but ends every connection, and /readyz sends proxies
// elsewhere.
func TestDraining(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	s.send("GET", "/readyz", "").want(http.StatusOK)
	s.app.Drain()
	a := s.send("GET", "/readyz", "").problem(http.StatusServiceUnavailable, "shutting_down", "")
	if after := a.header.Get("Retry-After"); after < "1" || after > "3" {
		t.Errorf("Retry-After is %q", after)
	}
	for path, status := range map[string]int{
		"/healthz":      http.StatusOK,
		"/login":        http.StatusOK,
		"/nothing-here": http.StatusNotFound,
		"/v1/catalog":   http.StatusUnauthorized,
	} {
		res, err := s.client.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != status || !res.Close {
			t.Errorf("%s: %d, and the connection ends: %v", path, res.StatusCode, res.Close)
		}
	}
	v.get("/credits").want(http.StatusOK)
	s.charge("maya", `{"feature":"image_generation"}`)
	if strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("draining is no error: %s", s.log.String())
	}
}

// What net/http says by itself, such as that there are no file descriptors left, is a warning, and
// one a second.
func TestTheServersOwnErrorsAreLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, flush := logs.New(&out, logs.Options{})
	server := handlers.NewServer(http.NotFoundHandler(), log)
	for wait := range 8 {
		server.ErrorLog.Printf("http: Accept error: accept tcp 127.0.0.1:1: accept4: too many open files; retrying in %dms", wait)
	}
	flush()
	if strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%s", out.String())
	}
	wantWords(t, out.String(), "level=WARN", "connections cannot be accepted", "too many open files", "repeated=7")
}
