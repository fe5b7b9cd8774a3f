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
	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/testkit"
)

func wantWords(t *testing.T, line string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(line, word) {
			t.Errorf("no %q in %s", word, line)
		}
	}
}

// The audit log has the actor, the action, the account and the amount. It has no name, e-mail
// address or reason.
func TestOperatorActsAreLogged(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Log.AddSecret("maya@shop.example")
	s.Log.AddSecret("Maya's Secret Studio")
	s.Log.AddSecret("because of the secret incident")
	const reason = `"reason":"because of the secret incident"`
	a := s.Call("PUT", "/v1/accounts/maya",
		`{"plan":"starter","name":"Maya's Secret Studio","email":"maya@shop.example"}`).Want(http.StatusCreated)
	line := a.LogLine(s, "INFO")
	wantWords(t, line, `msg="operator act"`, `act="PUT /v1/accounts/:account"`, "plan=starter", "key=")
	id, err := s.App.Directory.Find(t.Context(), "maya")
	if err != nil {
		t.Fatal(err)
	}
	wantWords(t, line, "account="+id.String())
	for _, c := range []struct{ path, body, act string }{
		{"/v1/accounts/maya/grants", `{"amount":"7.5","kind":"promo",` + reason + `}`, "amount=7.5"},
		{"/v1/accounts/maya/login-links", `{}`, "login-links"},
		{"/v1/webhook-endpoints", `{"url":"https://example.com/hook","events":["balance.low"]}`, "webhook-endpoints"},
	} {
		wantWords(t, s.Post(c.path, c.body).Want(http.StatusCreated).LogLine(s, "INFO"), `msg="operator act"`, c.act)
	}
	charge := s.Charge("maya", `{"feature":"image_generation"}`)
	path := fmt.Sprintf("/v1/accounts/maya/charges/%v/refund", charge["id"])
	key := uuid.NewString()
	for _, replayed := range []bool{false, true} {
		line := s.Call("POST", path, "{"+reason+"}", "Idempotency-Key", key).Want(http.StatusCreated).LogLine(s,
			"INFO")
		wantWords(t, line, `/refund"`, "account="+id.String(), "amount=10", fmt.Sprintf("id=%v", charge["id"]))
		if strings.Contains(line, "replayed=true") != replayed {
			t.Errorf("replayed is %v: %s", replayed, line)
		}
	}
	// Charges, reads and failed actions are not audited.
	before := strings.Count(s.Log.String(), "operator act")
	s.Charge("maya", `{"feature":"image_generation"}`)
	s.Call("GET", "/v1/catalog", "").Want(http.StatusOK)
	s.Post("/v1/accounts/maya/grants", `{"amount":"7.5","kind":"promo"}`).Want(http.StatusUnprocessableEntity)
	if after := strings.Count(s.Log.String(), "operator act"); after != before {
		t.Errorf("%d acts too many", after-before)
	}
}

// Refusals that may be attacks are logged with the client's address and without the credential.
func TestSecurityEventsAreLogged(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	revoked, secret := s.NewKey(apikey.Admin)
	if err := s.App.Keys.Revoke(t.Context(), revoked.ID); err != nil {
		t.Fatal(err)
	}
	s.Log.AddSecret("crk_no-such-key-at-all")
	s.Log.AddSecret("no-such-token")
	grant := `{"amount":"1","kind":"promo","reason":"r"}`
	for code, a := range map[string]handlerstest.Response{
		"invalid_api_key": s.Send("GET", "/v1/catalog", "", "Authorization",
			"Bearer crk_no-such-key-at-all").Want(http.StatusUnauthorized),
		"missing_api_key": s.Send("GET", "/v1/catalog", "").Want(http.StatusUnauthorized),
		"insufficient_scope": s.Send("POST", "/v1/accounts/maya/grants", grant, "Authorization",
			"Bearer "+s.Keys[apikey.Read]).Want(http.StatusForbidden),
		"bad_signature": s.Send("POST", "/webhooks/stripe", "{}", "Stripe-Signature",
			"t=1,v1=no-such-token").Want(http.StatusBadRequest),
		"cross_origin":       v.Do("POST", "/logout", "", "Sec-Fetch-Site", "cross-site").Want(http.StatusForbidden),
		"login_link_refused": s.Send("GET", "/login/link/no-such-token", "").Want(http.StatusForbidden),
	} {
		wantWords(t, a.LogLine(s, "WARN"), `msg="request refused"`, "code="+code, "client=127.0.0.1", "route=")
	}
	wantWords(t, s.Send("GET", "/v1/catalog", "", "Authorization",
		"Bearer "+secret).Want(http.StatusUnauthorized).LogLine(s, "WARN"), "key_prefix="+revoked.Prefix)
	// An expired session and an unknown account are not security events.
	for _, a := range []handlerstest.Response{s.Send("GET", "/credits", ""), s.Call("GET", "/v1/accounts/nobody",
		"").Want(http.StatusNotFound)} {
		if id := a.Header.Get("X-Request-Id"); regexp.MustCompile("level=WARN.*" + id).MatchString(s.Log.String()) {
			t.Errorf("%s: a warning", a.Request)
		}
	}
}

// Rejected bulk requests have a Retry-After, and the log has one line a second, not one for each
// charge.
func TestShedBulkRequests(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "star")
	var out testkit.Log
	limited, flush := logs.New(&out, logs.Options{Level: slog.LevelWarn})
	s.App.Log = limited
	s.Rebuild()
	// The account's row is locked, so that requests wait until the queue is full.
	tx, err := s.DB.Pool.Begin(t.Context())
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
		_ = tx.Rollback(t.Context()) // the end of the test rolls back, too
	}()
	charges := make([]string, 1000)
	answers := make([]handlerstest.Response, 12)
	testkit.Concurrently(len(answers), func(i int) {
		mine := make([]string, len(charges))
		for n := range charges {
			mine[n] = fmt.Sprintf(`{"account":"maya","idempotency_key":"k-%d-%d","feature":"social_comment_reply"}`,
				i, n)
		}
		answers[i] = s.Call("POST", "/v1/charges", `{"charges":[`+strings.Join(mine, ",")+`]}`).Want(http.StatusOK)
	})
	shed := 0
	for _, a := range answers {
		busy := strings.Count(string(a.Body), `"status":503`)
		shed += busy
		if after := a.Header.Get("Retry-After"); (busy > 0) != (after >= "1" && after <= "3") {
			t.Errorf("%d of the charges are shed, Retry-After is %q", busy, after)
		}
	}
	flush()
	took := time.Since(began)
	lines := strings.Count(out.String(), "\n")
	// One line at once, then one each second, and one at the end, for each of "busy" and
	// "unavailable".
	if most := 2 * (int(took/time.Second) + 2); shed < 5_000 || lines == 0 || lines > most {
		t.Errorf("%d charges shed in %v, %d lines in the log: %.600s", shed, took, lines, out.String())
	}
	wantWords(t, out.String(), "repeated=", "code=busy")
}

// A draining server still serves, but closes every connection, and /readyz answers 503 to proxies.
func TestDraining(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	s.Send("GET", "/readyz", "").Want(http.StatusOK)
	s.App.Drain()
	a := s.Send("GET", "/readyz", "").WantProblem(http.StatusServiceUnavailable, "shutting_down", "")
	if after := a.Header.Get("Retry-After"); after < "1" || after > "3" {
		t.Errorf("Retry-After is %q", after)
	}
	for path, status := range map[string]int{
		"/healthz":      http.StatusOK,
		"/login":        http.StatusOK,
		"/nothing-here": http.StatusNotFound,
		"/v1/catalog":   http.StatusUnauthorized,
	} {
		res, err := s.Client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != status || !res.Close {
			t.Errorf("%s: %d, and the connection ends: %v", path, res.StatusCode, res.Close)
		}
	}
	v.Get("/credits").Want(http.StatusOK)
	s.Charge("maya", `{"feature":"image_generation"}`)
	if strings.Contains(s.Log.String(), "level=ERROR") {
		t.Errorf("draining is no error: %s", s.Log.String())
	}
}

// What net/http reports itself, such as too few file descriptors, is a warning, and one line a
// second.
func TestTheServersOwnErrorsAreLogged(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, flush := logs.New(&out, logs.Options{})
	server := handlers.NewServer(http.NotFoundHandler(), log)
	for wait := range 8 {
		server.ErrorLog.Printf(
			"http: Accept error: accept tcp 127.0.0.1:1: accept4: too many open files; retrying in %dms",
			wait,
		)
	}
	flush()
	if strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%s", out.String())
	}
	wantWords(t, out.String(), "level=WARN", "connections cannot be accepted", "too many open files", "repeated=7")
}
