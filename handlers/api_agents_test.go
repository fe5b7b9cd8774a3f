package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/apikey"
)

const mayasAgents = "/v1/accounts/maya/agents"

// agent finds an agent of maya's in the list.
func (s *site) apiAgent(id string) map[string]any {
	s.t.Helper()
	for _, a := range s.call("GET", mayasAgents, "").want(http.StatusOK).list("agents") {
		if a["id"] == id {
			return a
		}
	}
	s.t.Errorf("there is no agent %q", id)
	return nil
}

func (s *site) wantAPIAgent(id string, want map[string]any) {
	s.t.Helper()
	got := s.apiAgent(id)
	for name, value := range want {
		if got[name] != value {
			s.t.Errorf("agent %s: %s is %#v, want %#v", id, name, got[name], value)
		}
	}
}

func TestPutMakesAnAgentAndThenChangesIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	if n := len(s.call("GET", mayasAgents, "").want(http.StatusOK).list("agents")); n != 0 {
		t.Errorf("%d agents before there is one", n)
	}
	a := s.call("PUT", mayasAgents+"/replies",
		`{"name":"Maya's replies","feature":"social_comment_reply","monthly_budget":"50","reserve":"2.5"}`).want(http.StatusCreated)
	whole := map[string]any{
		"id":               "replies",
		"name":             "Maya's replies",
		"feature":          "social_comment_reply",
		"state":            "on",
		"reason":           nil,
		"cure":             nil,
		"paused_since":     nil,
		"turned_away":      0.0,
		"monthly_budget":   "50",
		"reserve":          "2.5",
		"spent_this_month": "0",
		"held":             "0",
	}
	a.wantMembers(whole)
	if got := len(a.json()); got != len(whole) {
		t.Errorf("an agent has %d members, want %d: %s", got, len(whole), a.body)
	}
	s.call("PUT", mayasAgents+"/replies", `{}`).want(http.StatusOK).wantMembers(whole)
	s.call("PUT", mayasAgents+"/replies", `{"monthly_budget":null}`).want(http.StatusOK).wantMembers(map[string]any{
		"monthly_budget": nil,
		"reserve":        "2.5",
		"name":           "Maya's replies",
	})
	s.call("PUT", mayasAgents+"/replies",
		`{"reserve":null,"name":""}`).want(http.StatusOK).wantMembers(map[string]any{
		"reserve": "0",
		"name":    nil,
		"feature": "social_comment_reply",
	})
	s.call("PUT", mayasAgents+"/replies",
		`{"reserve":"0"}`).want(http.StatusOK).wantMembers(map[string]any{"reserve": "0"})
	// One that has worked is there already.
	s.charge("maya", `{"feature":"auto_selling","amount":"3","agent":"seller"}`)
	s.post("/v1/accounts/maya/holds", `{"feature":"auto_selling","amount":"4","agent":"seller"}`).want(http.StatusCreated)
	s.call("PUT", mayasAgents+"/seller", `{"monthly_budget":"10"}`).want(http.StatusOK).wantMembers(map[string]any{
		"feature":          "auto_selling",
		"name":             nil,
		"monthly_budget":   "10",
		"spent_this_month": "3",
		"held":             "4",
	})
	// A program that escapes whatever may be escaped means the same agent.
	s.call("PUT", mayasAgents+"/a%3Ab", `{}`).want(http.StatusCreated).wantMembers(map[string]any{"id": "a:b"})
	s.call("PUT", mayasAgents+"/a:b", `{}`).want(http.StatusOK)
	if n := len(s.call("GET", mayasAgents, "").list("agents")); n != 3 {
		t.Errorf("%d agents, want 3", n)
	}
}

func TestPutAgentRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", mayasAgents+"/replies", `{"monthly_budget":"50"}`).want(http.StatusCreated)
	before := s.contents()
	for body, field := range map[string]string{
		`{"name":"a\u202eb"}`:                            "name",
		`{"name":"a\nb"}`:                                "name",
		`{"name":"` + strings.Repeat("é", 201) + `"}`:    "name",
		`{"name":null}`:                                  "name",
		`{"feature":"nothing"}`:                          "feature",
		`{"feature":""}`:                                 "feature",
		`{"feature":null}`:                               "feature",
		`{"monthly_budget":"0"}`:                         "monthly_budget",
		`{"monthly_budget":"-1"}`:                        "monthly_budget",
		`{"monthly_budget":50}`:                          "monthly_budget",
		`{"reserve":"-0.000001"}`:                        "reserve",
		`{"reserve":"5","monthly_budget":"-1"}`:          "monthly_budget",
		`{"state":"on"}`:                                 "state",
		`{"id":"other"}`:                                 "id",
		`{"reserve":"100000000000.000001"}`:              "reserve",
		`{"monthly_budget":null,"monthly_budget":"100"}`: "monthly_budget",
	} {
		a := s.call("PUT", mayasAgents+"/replies", body)
		a.refused(body)
		if a.at("field") != field {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	for _, id := range []string{
		"a%20b", "%3Cb%3E", "caf%C3%A9", "a%2Fb", "%2e%2e%2fx", "%25zz",
		strings.Repeat("x", 65),
	} {
		a := s.call("PUT", mayasAgents+"/"+id, `{}`)
		if a.status < 400 || a.status > 499 {
			t.Errorf("%s: %d", a.to, a.status)
		}
		s.call("POST", mayasAgents+"/"+id+"/pause", ``)
	}
	s.call("PUT", mayasAgents+"/a%20b", `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "agent")
	s.call("POST", mayasAgents+"/a%20b/pause", ``).problem(http.StatusNotFound, "agent_not_found", "")
	s.call("POST", mayasAgents+"/nobody/pause", ``).problem(http.StatusNotFound, "agent_not_found", "")
	s.call("POST", mayasAgents+"/nobody/resume", `{}`).problem(http.StatusNotFound, "agent_not_found", "")
	s.unchanged(before)
}

// The creator's switch takes no key: twice is once, and who is off is told so.
func TestTheSwitch(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.charge("maya", `{"feature":"social_comment_reply","agent":"replies"}`)
	off := map[string]any{
		"id":               "replies",
		"state":            "paused_by_creator",
		"paused_since":     "2026-11-22T14:02:00Z",
		"turned_away":      0.0,
		"spent_this_month": "0.05",
	}
	first := s.call("POST", mayasAgents+"/replies/pause", ``).want(http.StatusOK).wantMembers(off)
	s.clock.Advance(time.Minute)
	again := s.call("POST", mayasAgents+"/replies/pause", `{}`).want(http.StatusOK)
	if string(first.body) != string(again.body) {
		t.Errorf("twice is\n%s not\n%s", again.body, first.body)
	}
	entries := s.count("select count(*) from entries")
	for _, path := range []string{"/v1/accounts/maya/charges", "/v1/accounts/maya/holds"} {
		s.post(path, `{"feature":"social_comment_reply","agent":"replies"}`).problem(http.StatusConflict,
			"agent_paused", "").
			wantMembers(map[string]any{"state": "paused_by_creator"})
	}
	results := s.call("POST", "/v1/charges",
		`{"charges":[{"account":"maya","idempotency_key":"b","feature":"social_comment_reply","agent":"replies"}]}`).list("results")
	if at(results[0], "status") != 409.0 || at(results[0], "error", "code") != "agent_paused" ||
		at(results[0], "error", "state") != "paused_by_creator" {
		t.Errorf("of many: %v", results[0])
	}
	s.wantAPIAgent("replies", map[string]any{"turned_away": 3.0})
	if n := s.count("select count(*) from entries"); n != entries {
		t.Errorf("%d entries were written for an agent that is off", n-entries)
	}
	s.call("POST", mayasAgents+"/replies/resume", ``).want(http.StatusOK).wantMembers(map[string]any{
		"state":        "on",
		"paused_since": nil,
		"turned_away":  0.0,
	})
	s.call("POST", mayasAgents+"/replies/resume", `{}`).want(http.StatusOK).wantMembers(map[string]any{"state": "on"})
	s.charge("maya", `{"feature":"social_comment_reply","agent":"replies"}`)
	s.call("POST", mayasAgents+"/replies/pause", `{"x":1}`).problem(http.StatusUnprocessableEntity,
		"unknown_field", "x")
}

// What cannot be afforded pauses its agent, in words, in the balance and in the badge; what is
// granted lets it go on.
func TestAnAgentThatRunsOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "6")
	v := s.signIn("maya")
	badge := v.get("/credits").badge()
	lacking := s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"7","agent":"seller"}`).problem(http.StatusPaymentRequired,
		"insufficient_tokens", "")
	lacking.wantMembers(map[string]any{
		"agent":     "seller",
		"state":     "paused_out_of_tokens",
		"shortfall": "1",
		"detail":    "This needs 7 tokens and you have 6. It didn't run, and no tokens were used. The agent is paused until there are more.",
	})
	s.wantAPIAgent("seller", map[string]any{"state": "paused_out_of_tokens", "turned_away": 1.0})
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"1","agent":"seller"}`).problem(http.StatusConflict, "agent_paused", "").
		wantMembers(map[string]any{"state": "paused_out_of_tokens"})
	s.post("/v1/accounts/maya/holds", `{"feature":"brand_deal_scan","quantity":100,"agent":"scout"}`).problem(http.StatusPaymentRequired, "insufficient_tokens", "").
		wantMembers(map[string]any{"agent": "scout", "state": "paused_out_of_tokens"})
	own := s.post("/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`).problem(http.StatusPaymentRequired,
		"insufficient_tokens", "").json()
	if _, ok := own["state"]; ok || strings.Contains(own["detail"].(string), "agent") {
		t.Errorf("a tool of the creator's own is told of an agent: %v", own)
	}
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{
		"paused_agents": 2.0,
		"state":         "low",
		"threshold":     "40",
	})
	badge = v.poll(badge).want(http.StatusOK).badge()
	if text(badge) != "6 tokens · 2 paused" && text(badge) != "6 tokens 2 paused" ||
		attr(badge, "aria-label") != "Balance: 6 tokens, 2 paused" {
		t.Errorf("the badge says %q, %q", text(badge), attr(badge, "aria-label"))
	}
	// for smaller requests
	s.call("POST", mayasAgents+"/seller/resume", ``).want(http.StatusOK).wantMembers(map[string]any{"state": "on"})
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"7","agent":"seller"}`).want(http.StatusPaymentRequired)
	s.grant("maya", "100")
	s.wantAPIAgent("seller", map[string]any{
		"state":        "on",
		"turned_away":  0.0,
		"paused_since": nil,
	})
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{"paused_agents": 0.0})
	if a := v.poll(badge).want(http.StatusOK); text(a.badge()) != "106 tokens" {
		t.Errorf("the badge says %q", text(a.badge()))
	}
}

func TestManyAtOnceNameThePause(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "6")
	list := s.call("POST", "/v1/charges", `{"charges":[
		{"account":"maya","idempotency_key":"1","feature":"auto_selling","amount":"7","agent":"seller"},
		{"account":"maya","idempotency_key":"2","feature":"auto_selling","amount":"1","agent":"seller"},
		{"account":"maya","idempotency_key":"3","feature":"auto_selling","amount":"1","agent":"bad name"},
		{"account":"maya","idempotency_key":"4","feature":"lip_sync"}]}`).want(http.StatusOK).list("results")
	for i, want := range []struct {
		status             float64
		code, state, field any
	}{
		{402, "insufficient_tokens", "paused_out_of_tokens", nil},
		{409, "agent_paused", "paused_out_of_tokens", nil},
		{422, "invalid_field", nil, "agent"},
		{201, nil, nil, nil},
	} {
		r := list[i]
		if r["status"] != want.status || at(r, "error", "code") != want.code ||
			at(r, "error", "state") != want.state || at(r, "error", "field") != want.field {
			t.Errorf("%d: %v", i, r)
		}
	}
	if got := at(list[0], "error", "agent"); got != "seller" {
		t.Errorf("the agent is %v", got)
	}
}

func TestABudgetOverTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", mayasAgents+"/seller", `{"monthly_budget":"10"}`).want(http.StatusCreated)
	s.charge("maya", `{"feature":"auto_selling","amount":"8","agent":"seller"}`)
	over := s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"3","agent":"seller"}`).problem(http.StatusConflict, "over_budget", "")
	over.wantMembers(map[string]any{"state": "paused_over_budget"})
	s.wantAPIAgent("seller", map[string]any{
		"state":            "paused_over_budget",
		"spent_this_month": "8",
		"turned_away":      1.0,
	})
	// for smaller requests
	s.call("POST", mayasAgents+"/seller/resume", ``).want(http.StatusOK).wantMembers(map[string]any{"state": "on"})
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"3","agent":"seller"}`).want(http.StatusConflict)
	// none that waits for tokens
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{"paused_agents": 0.0})
	s.call("PUT", mayasAgents+"/seller",
		`{"monthly_budget":null}`).want(http.StatusOK).wantMembers(map[string]any{
		"state":          "on",
		"monthly_budget": nil,
	})
	s.charge("maya", `{"feature":"auto_selling","amount":"3","agent":"seller"}`)
}

// What is kept for the creator's own tools no agent may spend, and the threshold is theirs to set.
func TestTheCreatorsOwnReserveAndThreshold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const maya = "/v1/accounts/maya"
	s.call("PUT", maya, `{"plan":"starter","own_reserve":"150","low_threshold":"25"}`).want(http.StatusCreated).
		wantMembers(map[string]any{
			"own_reserve": "150",
			"threshold":   "25",
			"state":       "ok",
		})
	s.call("PUT", maya, `{"name":"Maya"}`).want(http.StatusOK).wantMembers(map[string]any{
		"own_reserve": "150",
		"threshold":   "25",
	})
	s.post(maya+"/charges", `{"feature":"auto_selling","amount":"51","agent":"seller"}`).problem(http.StatusPaymentRequired, "insufficient_tokens", "").
		wantMembers(map[string]any{"spendable": "50", "required": "51"})
	s.charge("maya", `{"feature":"auto_selling","amount":"170"}`)
	s.call("GET", maya, "").wantMembers(map[string]any{
		"state":       "ok",
		"threshold":   "25",
		"own_reserve": "150",
	})
	s.call("PUT", maya, `{"low_threshold":null,"own_reserve":null}`).want(http.StatusOK).wantMembers(map[string]any{
		"own_reserve": "0",
		"threshold":   "40",
		"state":       "low",
	})
	s.call("PUT", maya, `{"low_threshold":"0","own_reserve":"0"}`).want(http.StatusOK).wantMembers(map[string]any{
		"own_reserve": "0",
		"threshold":   "0",
		"state":       "ok",
	})
	s.charge("maya", `{"feature":"auto_selling","amount":"5","agent":"scout"}`)
	before := s.contents()
	for body, field := range map[string]string{
		`{"own_reserve":"-1"}`:                  "own_reserve",
		`{"plan":"pro","low_threshold":"-0.5"}`: "low_threshold",
	} {
		s.call("PUT", maya, body).problem(http.StatusUnprocessableEntity, "invalid_field", field)
	}
	s.unchanged(before)
	s.call("PUT", mayasAgents+"/seller", `{"reserve":"1"}`).want(http.StatusOK)
	s.call("PUT", maya, `{"own_reserve":"100000000000"}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"own_reserve")
	s.call("GET", maya, "").wantMembers(map[string]any{"own_reserve": "0"})
}

// An agent is its account's: the same id elsewhere is another one.
func TestOtherCreatorsAgents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "starter")
	s.charge("maya", `{"feature":"social_comment_reply","agent":"replies"}`)
	s.call("POST", "/v1/accounts/noor/agents/replies/pause", ``).problem(http.StatusNotFound, "agent_not_found", "")
	s.call("PUT", "/v1/accounts/noor/agents/replies", `{"reserve":"9"}`).want(http.StatusCreated)
	s.call("POST", "/v1/accounts/noor/agents/replies/pause", ``).want(http.StatusOK)
	s.wantAPIAgent("replies", map[string]any{"state": "on", "reserve": "0"})
	noor := s.signIn("noor")
	if list := noor.get("/v1/accounts/me/agents").want(http.StatusOK).list("agents"); len(list) != 1 ||
		list[0]["reserve"] != "9" {
		t.Errorf("noor sees %v", list)
	}
	before := s.contents()
	noor.do("POST", "/v1/accounts/me/agents/replies/resume", ``, "Sec-Fetch-Site",
		"same-origin").problem(http.StatusUnauthorized, "missing_api_key", "")
	for _, scope := range []apikey.Scope{apikey.Read} {
		key := []string{"Authorization", "Bearer " + s.keys[scope]}
		s.send("PUT", mayasAgents+"/replies", `{"reserve":"1"}`, key...).problem(http.StatusForbidden,
			"insufficient_scope", "")
		s.send("POST", mayasAgents+"/replies/pause", ``, key...).problem(http.StatusForbidden,
			"insufficient_scope", "")
	}
	s.unchanged(before)
}
