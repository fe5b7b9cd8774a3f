package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/handlers/handlerstest"
)

func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	if list := s.Call("GET", handlerstest.EndpointsPath, "").Want(http.StatusOK).List("webhook_endpoints"); len(
		list,
	) != 0 {
		t.Errorf("%v", list)
	}
	const body = `{"url":"https://hooks.example.com/credits","events":["hold.expired","balance.low"]}`
	first := s.Call("POST", handlerstest.EndpointsPath, body, "Idempotency-Key", "k").Want(http.StatusCreated)
	s.Log.AddSecret(first.At("secret").(string))
	s.Clock.Advance(time.Hour)
	again := s.Call("POST", handlerstest.EndpointsPath, body, "Idempotency-Key", "k").Want(http.StatusCreated)
	if string(first.Body) != string(again.Body) || again.Header.Get("Idempotent-Replayed") != "true" ||
		first.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("first\n%s then\n%s", first.Body, again.Body)
	}
	s.Call("POST", handlerstest.EndpointsPath, `{"url":"https://hooks.example.com/other"}`, "Idempotency-Key",
		"k").WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
	s.Call("POST", handlerstest.EndpointsPath, body).WantProblem(http.StatusBadRequest, "missing_idempotency_key", "")
	path := handlerstest.EndpointsPath + "/" + first.At("id").(string)
	one := s.Call("GET", path, "").Want(http.StatusOK).WantMembers(map[string]any{
		"url":              "https://hooks.example.com/credits",
		"created_at":       "2026-11-22T14:02:00Z",
		"disabled_at":      nil,
		"disabled_reason":  nil,
		"failing_since":    nil,
		"old_secret_until": nil,
		"secret":           nil,
	})
	if one.At("events", 0) != "balance.low" || one.At("events", 1) != "hold.expired" || one.At("events", 2) != nil {
		t.Errorf("%s", one.Body)
	}
	rotated := s.Call("POST", path+"/rotate", "", "Idempotency-Key", "r").Want(http.StatusCreated)
	s.Log.AddSecret(rotated.At("secret").(string))
	if rotated.At("secret") == first.At("secret") || rotated.At("old_secret_until") != "2026-11-23T15:02:00Z" {
		t.Errorf("%s", rotated.Body)
	}
	if again := s.Call("POST", path+"/rotate", "{}", "Idempotency-Key",
		"r").Want(http.StatusCreated); string(again.Body) != string(rotated.Body) {
		t.Errorf("%s", again.Body)
	}
	s.Call("POST", path+"/rotate", "{}").WantProblem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.Call("POST", path+"/enable", "").Want(http.StatusOK).WantMembers(map[string]any{
		"disabled_at": nil,
		"secret":      nil,
	})
	all := s.Call("GET", handlerstest.EndpointsPath, "").Want(http.StatusOK)
	if list := all.List("webhook_endpoints"); len(list) != 1 || list[0]["secret"] != nil ||
		strings.Contains(string(all.Body), "whsec_") {
		t.Errorf("%s", all.Body)
	}
	if a := s.Call("DELETE", path, "").Want(http.StatusNoContent); len(a.Body) > 0 {
		t.Errorf("%s", a.Body)
	}
	s.Call("DELETE", path, "").WantProblem(http.StatusNotFound, "webhook_endpoint_not_found", "")
	s.Call("GET", path, "").WantProblem(http.StatusNotFound, "webhook_endpoint_not_found", "")
}

func TestWebhookEndpointsRefuse(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	path, _ := s.Endpoint(`{"url":"https://hooks.example.com/"}`)
	before := s.Contents()
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
		s.Post(handlerstest.EndpointsPath, body).WantProblem(http.StatusUnprocessableEntity, "invalid_field", field)
	}
	for _, id := range []string{
		"x", uuid.NewString(), strings.ToUpper(path[len(handlerstest.EndpointsPath)+1:]), uuid.Nil.String(),
		"%7B" + path[len(handlerstest.EndpointsPath)+1:] + "%7D",
	} {
		for _, call := range []string{
			"GET ", "DELETE ", "POST /rotate", "POST /enable", "GET /deliveries",
			"POST /deliveries/evt_x/redeliver",
		} {
			method, rest, _ := strings.Cut(call, " ")
			s.Call(method, handlerstest.EndpointsPath+"/"+id+rest, "", "Idempotency-Key", "n").
				WantProblem(http.StatusNotFound,
					"webhook_endpoint_not_found", "")
		}
	}
	s.Post(path+"/deliveries/evt_x/redeliver", "").WantProblem(http.StatusNotFound, "delivery_not_found", "")
	s.Call("GET", path+"/deliveries?limit=0", "").WantProblem(http.StatusUnprocessableEntity, "invalid_field", "limit")
	s.Call("GET", path+"/deliveries?cursor=x", "").WantProblem(http.StatusBadRequest, "invalid_cursor", "cursor")
	s.WantUnchanged(before)
}

func TestWebhookDeliveries(t *testing.T) {
	t.Parallel()
	s := handlerstest.NewWith(t, handlerstest.Options{AllowPrivate: true})
	url, bodies := s.ListenForWebhooks(http.StatusOK, http.StatusOK, http.StatusBadGateway)
	path, _ := s.Endpoint(`{"url":"` + url + `","events":["grant.created"]}`)
	s.Open("maya", "starter")
	s.Grant("maya", "5")
	s.Clock.Advance(time.Minute)
	s.SendWebhooks()
	s.Grant("maya", "6")
	s.SendWebhooks()
	var last string
	for range 3 {
		last = <-bodies
	}
	if !strings.HasPrefix(
		last,
		`{"type":"grant.created","timestamp":"2026-11-22T14:03:00Z","data":{"account":"maya","amount":"6","kind":"promo",`,
	) {
		t.Errorf("the body is %s", last)
	}
	page := s.Call("GET", path+"/deliveries?limit=2", "").Want(http.StatusOK)
	newest := page.List("deliveries")[0]
	id, _ := newest["id"].(string)
	if newest["state"] != "pending" || newest["type"] != "grant.created" || newest["account"] != "maya" ||
		newest["attempts"] != 1.0 || newest["last_status"] != 502.0 ||
		newest["last_error"] != "answered 502" || newest["next_attempt_at"] == nil ||
		newest["last_attempt_at"] != "2026-11-22T14:03:00Z" || !strings.HasPrefix(id, "evt_") {
		t.Errorf("%v", newest)
	}
	next, _ := page.At("next_cursor").(string)
	rest := s.Call("GET", path+"/deliveries?limit=2&cursor="+next, "").Want(http.StatusOK)
	if len(page.List("deliveries")) != 2 || len(rest.List("deliveries")) != 1 || rest.At("next_cursor") != nil ||
		rest.At("deliveries", 0, "state") != "delivered" ||
		rest.At("deliveries", 0, "last_error") != nil || rest.At("deliveries", 0, "next_attempt_at") != nil {
		t.Errorf("%s\n%s", page.Body, rest.Body)
	}
	if failing := s.Call("GET", path, "").At("failing_since"); failing != "2026-11-22T14:03:00Z" {
		t.Errorf("failing since %v", failing)
	}
	again := s.Call("POST", path+"/deliveries/"+id+"/redeliver", "", "Idempotency-Key",
		"again").Want(http.StatusCreated)
	if again.At("state") != "pending" || again.At("id") != id {
		t.Errorf("%s", again.Body)
	}
	if replay := s.Call("POST", path+"/deliveries/"+id+"/redeliver", "", "Idempotency-Key",
		"again").Want(http.StatusCreated); string(replay.Body) != string(again.Body) {
		t.Errorf("%s", replay.Body)
	}
	s.Call("POST", path+"/deliveries/"+id+"/redeliver", "").WantProblem(http.StatusBadRequest,
		"missing_idempotency_key", "")
	s.SendWebhooks()
	if got := s.Call("GET", path+"/deliveries?limit=1", "").At("deliveries", 0, "state"); got != "delivered" {
		t.Errorf("after it was sent again it is %v", got)
	}
}

func TestADisabledWebhookEndpoint(t *testing.T) {
	t.Parallel()
	s := handlerstest.NewWith(t, handlerstest.Options{AllowPrivate: true})
	url, _ := s.ListenForWebhooks(http.StatusGone)
	path, _ := s.Endpoint(`{"url":"` + url + `"}`)
	s.Open("maya", "starter")
	s.SendWebhooks()
	s.Call("GET", path, "").WantMembers(map[string]any{
		"disabled_at":     "2026-11-22T14:02:00Z",
		"disabled_reason": "It answered 410 Gone.",
	})
	id, _ := s.Call("GET", path+"/deliveries", "").At("deliveries", 0, "id").(string)
	s.Post(path+"/deliveries/"+id+"/redeliver", "").WantProblem(http.StatusConflict, "webhook_endpoint_disabled", "")
	s.Call("POST", path+"/enable", "").Want(http.StatusOK).WantMembers(map[string]any{
		"disabled_at":     nil,
		"disabled_reason": nil,
	})
	s.SendWebhooks()
	if n := s.Count("select count(*) from webhook_deliveries where state <> 'delivered'"); n != 0 {
		t.Errorf("%d wait", n)
	}
}
