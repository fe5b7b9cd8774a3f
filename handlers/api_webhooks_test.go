package handlers_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/relay"
)

const hooks = "/v1/webhook-endpoints"

// endpoint makes an endpoint and gives its address in the API and its secret.
func (s *site) endpoint(body string) (path, secret string) {
	s.t.Helper()
	a := s.post(hooks, body).want(http.StatusCreated)
	id, _ := a.at("id").(string)
	secret, _ = a.at("secret").(string)
	s.log.secret(secret)
	if !strings.HasPrefix(secret, "whsec_") || len(secret) < 40 {
		s.t.Errorf("%s: the secret is %q", a.to, secret)
	}
	return hooks + "/" + id, secret
}

// sendOut carries what happened to the endpoints.
func (s *site) sendOut() {
	s.t.Helper()
	if _, err := relay.New(s.app.Ledger, s.app.Webhooks.Take).Step(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	lanes, err := s.app.Webhooks.Due(s.t.Context(), 100)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, lane := range lanes {
		for more := true; more; {
			if more, err = s.app.Webhooks.Next(s.t.Context(), lane); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// listen is a subscriber on this machine. It answers with the statuses one after the other, and
// then always with 200.
func (s *site) listen(statuses ...int) (url string, bodies chan string) {
	bodies = make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.t.Error(err)
		}
		bodies <- string(body)
		if len(statuses) > 0 {
			w.WriteHeader(statuses[0])
			statuses = statuses[1:]
		}
	}))
	s.t.Cleanup(server.Close)
	return server.URL, bodies
}

func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if list := s.call("GET", hooks, "").want(http.StatusOK).list("webhook_endpoints"); len(list) != 0 {
		t.Errorf("%v", list)
	}
	const body = `{"url":"https://hooks.example.com/credits","events":["hold.expired","balance.low"]}`
	first := s.call("POST", hooks, body, "Idempotency-Key", "k").want(http.StatusCreated)
	s.log.secret(first.at("secret").(string))
	s.clock.Advance(time.Hour)
	again := s.call("POST", hooks, body, "Idempotency-Key", "k").want(http.StatusCreated)
	if string(first.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" ||
		first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("first\n%s then\n%s", first.body, again.body)
	}
	s.call("POST", hooks, `{"url":"https://hooks.example.com/other"}`, "Idempotency-Key",
		"k").problem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
	s.call("POST", hooks, body).problem(http.StatusBadRequest, "missing_idempotency_key", "")
	path := hooks + "/" + first.at("id").(string)
	one := s.call("GET", path, "").want(http.StatusOK).wantMembers(map[string]any{
		"url":              "https://hooks.example.com/credits",
		"created_at":       "2026-11-22T14:02:00Z",
		"disabled_at":      nil,
		"disabled_reason":  nil,
		"failing_since":    nil,
		"old_secret_until": nil,
		"secret":           nil,
	})
	if one.at("events", 0) != "balance.low" || one.at("events", 1) != "hold.expired" || one.at("events", 2) != nil {
		t.Errorf("%s", one.body)
	}
	rotated := s.call("POST", path+"/rotate", "", "Idempotency-Key", "r").want(http.StatusCreated)
	s.log.secret(rotated.at("secret").(string))
	if rotated.at("secret") == first.at("secret") || rotated.at("old_secret_until") != "2026-11-23T15:02:00Z" {
		t.Errorf("%s", rotated.body)
	}
	if again := s.call("POST", path+"/rotate", "{}", "Idempotency-Key",
		"r").want(http.StatusCreated); string(again.body) != string(rotated.body) {
		t.Errorf("%s", again.body)
	}
	s.call("POST", path+"/rotate", "{}").problem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.call("POST", path+"/enable", "").want(http.StatusOK).wantMembers(map[string]any{
		"disabled_at": nil,
		"secret":      nil,
	})
	all := s.call("GET", hooks, "").want(http.StatusOK)
	if list := all.list("webhook_endpoints"); len(list) != 1 || list[0]["secret"] != nil ||
		strings.Contains(string(all.body), "whsec_") {
		t.Errorf("%s", all.body)
	}
	if a := s.call("DELETE", path, "").want(http.StatusNoContent); len(a.body) > 0 {
		t.Errorf("%s", a.body)
	}
	s.call("DELETE", path, "").problem(http.StatusNotFound, "webhook_endpoint_not_found", "")
	s.call("GET", path, "").problem(http.StatusNotFound, "webhook_endpoint_not_found", "")
}

func TestWebhookEndpointsRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, _ := s.endpoint(`{"url":"https://hooks.example.com/"}`)
	before := s.contents()
	for body, field := range map[string]string{
		`{}`:                              "url",
		`{"url":""}`:                      "url",
		`{"url":"http://example.com/"}`:   "url",
		`{"url":"https://127.0.0.1/"}`:    "url",
		`{"url":"https://[::1]/"}`:        "url",
		`{"url":"https://localhost/"}`:    "url",
		`{"url":"https://10.0.0.1:8443"}`: "url",
		`{"url":"https://169.254.169.254/latest/meta-data"}`:          "url",
		`{"url":"https://a:b@example.com/"}`:                          "url",
		`{"url":"https://example.com/","events":[]}`:                  "events",
		`{"url":"https://example.com/","events":["balance"]}`:         "events[0]",
		`{"url":"https://example.com/","events":["balance.low",""]}`:  "events[1]",
		`{"url":"https://example.com/","events":["balance.low","*"]}`: "events[1]",
	} {
		s.post(hooks, body).problem(http.StatusUnprocessableEntity, "invalid_field", field)
	}
	for _, id := range []string{
		"x", uuid.NewString(), strings.ToUpper(path[len(hooks)+1:]), uuid.Nil.String(),
		"%7B" + path[len(hooks)+1:] + "%7D",
	} {
		for _, call := range []string{
			"GET ", "DELETE ", "POST /rotate", "POST /enable", "GET /deliveries",
			"POST /deliveries/evt_x/redeliver",
		} {
			method, rest, _ := strings.Cut(call, " ")
			s.call(method, hooks+"/"+id+rest, "", "Idempotency-Key", "n").problem(http.StatusNotFound,
				"webhook_endpoint_not_found", "")
		}
	}
	s.post(path+"/deliveries/evt_x/redeliver", "").problem(http.StatusNotFound, "delivery_not_found", "")
	s.call("GET", path+"/deliveries?limit=0", "").problem(http.StatusUnprocessableEntity, "invalid_field", "limit")
	s.call("GET", path+"/deliveries?cursor=x", "").problem(http.StatusBadRequest, "invalid_cursor", "cursor")
	s.unchanged(before)
}

func TestWebhookDeliveries(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, options{private: true})
	url, bodies := s.listen(http.StatusOK, http.StatusOK, http.StatusBadGateway)
	path, _ := s.endpoint(`{"url":"` + url + `","events":["grant.created"]}`)
	s.open("maya", "starter")
	s.grant("maya", "5")
	s.clock.Advance(time.Minute)
	s.sendOut()
	s.grant("maya", "6")
	s.sendOut()
	var last string
	for range 3 {
		last = <-bodies
	}
	if !strings.HasPrefix(last, `{"type":"grant.created","timestamp":"2026-11-22T14:03:00Z","data":{"account":"maya","amount":"6","kind":"promo",`) {
		t.Errorf("the body is %s", last)
	}
	page := s.call("GET", path+"/deliveries?limit=2", "").want(http.StatusOK)
	newest := page.list("deliveries")[0]
	id, _ := newest["id"].(string)
	if newest["state"] != "pending" || newest["type"] != "grant.created" || newest["account"] != "maya" ||
		newest["attempts"] != 1.0 || newest["last_status"] != 502.0 ||
		newest["last_error"] != "answered 502" || newest["next_attempt_at"] == nil ||
		newest["last_attempt_at"] != "2026-11-22T14:03:00Z" || !strings.HasPrefix(id, "evt_") {
		t.Errorf("%v", newest)
	}
	next, _ := page.at("next_cursor").(string)
	rest := s.call("GET", path+"/deliveries?limit=2&cursor="+next, "").want(http.StatusOK)
	if len(page.list("deliveries")) != 2 || len(rest.list("deliveries")) != 1 || rest.at("next_cursor") != nil ||
		rest.at("deliveries", 0, "state") != "delivered" ||
		rest.at("deliveries", 0, "last_error") != nil || rest.at("deliveries", 0, "next_attempt_at") != nil {
		t.Errorf("%s\n%s", page.body, rest.body)
	}
	if failing := s.call("GET", path, "").at("failing_since"); failing != "2026-11-22T14:03:00Z" {
		t.Errorf("failing since %v", failing)
	}
	again := s.call("POST", path+"/deliveries/"+id+"/redeliver", "", "Idempotency-Key",
		"again").want(http.StatusCreated)
	if again.at("state") != "pending" || again.at("id") != id {
		t.Errorf("%s", again.body)
	}
	if replay := s.call("POST", path+"/deliveries/"+id+"/redeliver", "", "Idempotency-Key",
		"again").want(http.StatusCreated); string(replay.body) != string(again.body) {
		t.Errorf("%s", replay.body)
	}
	s.call("POST", path+"/deliveries/"+id+"/redeliver", "").problem(http.StatusBadRequest,
		"missing_idempotency_key", "")
	s.sendOut()
	if got := s.call("GET", path+"/deliveries?limit=1", "").at("deliveries", 0, "state"); got != "delivered" {
		t.Errorf("after it was sent again it is %v", got)
	}
}

func TestADisabledWebhookEndpoint(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, options{private: true})
	url, _ := s.listen(http.StatusGone)
	path, _ := s.endpoint(`{"url":"` + url + `"}`)
	s.open("maya", "starter")
	s.sendOut()
	s.call("GET", path, "").wantMembers(map[string]any{
		"disabled_at":     "2026-11-22T14:02:00Z",
		"disabled_reason": "It answered 410 Gone.",
	})
	id, _ := s.call("GET", path+"/deliveries", "").at("deliveries", 0, "id").(string)
	s.post(path+"/deliveries/"+id+"/redeliver", "").problem(http.StatusConflict, "webhook_endpoint_disabled", "")
	s.call("POST", path+"/enable", "").want(http.StatusOK).wantMembers(map[string]any{
		"disabled_at":     nil,
		"disabled_reason": nil,
	})
	s.sendOut()
	if n := s.count("select count(*) from webhook_deliveries where state <> 'delivered'"); n != 0 {
		t.Errorf("%d wait", n)
	}
}
