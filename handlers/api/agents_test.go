package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/apikey"
)

func TestPutMakesAnAgentAndThenChangesIt(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	if n := len(s.Call("GET", handlerstest.MayasAgentsPath, "").Want(http.StatusOK).List("agents")); n != 0 {
		t.Errorf("%d agents before there is one", n)
	}
	a := s.Call(
		"PUT",
		handlerstest.MayasAgentsPath+"/replies",
		`{"name":"Maya's replies","feature":"social_comment_reply","monthly_budget":"50","reserve":"2.5"}`,
	).Want(http.StatusCreated)
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
	a.WantMembers(whole)
	if got := len(a.JSON()); got != len(whole) {
		t.Errorf("an agent has %d members, want %d: %s", got, len(whole), a.Body)
	}
	s.Call("PUT", handlerstest.MayasAgentsPath+"/replies", `{}`).Want(http.StatusOK).WantMembers(whole)
	s.Call("PUT", handlerstest.MayasAgentsPath+"/replies", `{"monthly_budget":null}`).
		Want(http.StatusOK).
		WantMembers(map[string]any{
			"monthly_budget": nil,
			"reserve":        "2.5",
			"name":           "Maya's replies",
		})
	s.Call("PUT", handlerstest.MayasAgentsPath+"/replies",
		`{"reserve":null,"name":""}`).Want(http.StatusOK).WantMembers(map[string]any{
		"reserve": "0",
		"name":    nil,
		"feature": "social_comment_reply",
	})
	s.Call("PUT", handlerstest.MayasAgentsPath+"/replies",
		`{"reserve":"0"}`).Want(http.StatusOK).WantMembers(map[string]any{"reserve": "0"})
	// An agent that has charged is already registered.
	s.Charge("maya", `{"feature":"auto_selling","amount":"3","agent":"seller"}`)
	s.Post("/v1/accounts/maya/holds", `{"feature":"auto_selling","amount":"4","agent":"seller"}`).
		Want(http.StatusCreated)
	s.Call("PUT", handlerstest.MayasAgentsPath+"/seller", `{"monthly_budget":"10"}`).
		Want(http.StatusOK).
		WantMembers(map[string]any{
			"feature":          "auto_selling",
			"name":             nil,
			"monthly_budget":   "10",
			"spent_this_month": "3",
			"held":             "4",
		})
	// A client that escapes every reserved character names the same agent.
	s.Call("PUT", handlerstest.MayasAgentsPath+"/a%3Ab", `{}`).
		Want(http.StatusCreated).
		WantMembers(map[string]any{"id": "a:b"})
	s.Call("PUT", handlerstest.MayasAgentsPath+"/a:b", `{}`).Want(http.StatusOK)
	if n := len(s.Call("GET", handlerstest.MayasAgentsPath, "").List("agents")); n != 3 {
		t.Errorf("%d agents, want 3", n)
	}
}

func TestPutAgentRefuses(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", handlerstest.MayasAgentsPath+"/replies", `{"monthly_budget":"50"}`).Want(http.StatusCreated)
	before := s.Contents()
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
		a := s.Call("PUT", handlerstest.MayasAgentsPath+"/replies", body)
		a.WantRefused(body)
		if a.At("field") != field {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	for _, id := range []string{
		"a%20b", "%3Cb%3E", "caf%C3%A9", "a%2Fb", "%2e%2e%2fx", "%25zz",
		strings.Repeat("x", 65),
	} {
		a := s.Call("PUT", handlerstest.MayasAgentsPath+"/"+id, `{}`)
		if a.Status < 400 || a.Status > 499 {
			t.Errorf("%s: %d", a.Request, a.Status)
		}
		s.Call("POST", handlerstest.MayasAgentsPath+"/"+id+"/pause", ``)
	}
	s.Call("PUT", handlerstest.MayasAgentsPath+"/a%20b", `{}`).
		WantProblem(http.StatusUnprocessableEntity, "invalid_field", "agent")
	s.Call("POST", handlerstest.MayasAgentsPath+"/a%20b/pause", ``).
		WantProblem(http.StatusNotFound, "agent_not_found", "")
	s.Call("POST", handlerstest.MayasAgentsPath+"/nobody/pause", ``).
		WantProblem(http.StatusNotFound, "agent_not_found", "")
	s.Call("POST", handlerstest.MayasAgentsPath+"/nobody/resume", `{}`).
		WantProblem(http.StatusNotFound, "agent_not_found", "")
	s.WantUnchanged(before)
}

// Pause and resume take no idempotency key: a repeated call changes nothing. A charge of a paused agent
// is refused with the reason.
func TestTheSwitch(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Charge("maya", `{"feature":"social_comment_reply","agent":"replies"}`)
	off := map[string]any{
		"id":               "replies",
		"state":            "paused_by_creator",
		"paused_since":     "2026-11-22T14:02:00Z",
		"turned_away":      0.0,
		"spent_this_month": "0.05",
	}
	first := s.Call("POST", handlerstest.MayasAgentsPath+"/replies/pause", ``).Want(http.StatusOK).WantMembers(off)
	s.Clock.Advance(time.Minute)
	again := s.Call("POST", handlerstest.MayasAgentsPath+"/replies/pause", `{}`).Want(http.StatusOK)
	if string(first.Body) != string(again.Body) {
		t.Errorf("twice is\n%s not\n%s", again.Body, first.Body)
	}
	entries := s.Count("select count(*) from entries")
	for _, path := range []string{"/v1/accounts/maya/charges", "/v1/accounts/maya/holds"} {
		s.Post(path, `{"feature":"social_comment_reply","agent":"replies"}`).WantProblem(http.StatusConflict,
			"agent_paused", "").
			WantMembers(map[string]any{"state": "paused_by_creator"})
	}
	results := s.Call(
		"POST",
		"/v1/charges",
		`{"charges":[{"account":"maya","idempotency_key":"b","feature":"social_comment_reply","agent":"replies"}]}`,
	).List("results")
	if handlerstest.At(results[0], "status") != 409.0 ||
		handlerstest.At(results[0], "error", "code") != "agent_paused" ||
		handlerstest.At(results[0], "error", "state") != "paused_by_creator" {
		t.Errorf("of many: %v", results[0])
	}
	s.WantAPIAgent("replies", map[string]any{"turned_away": 3.0})
	if n := s.Count("select count(*) from entries"); n != entries {
		t.Errorf("%d entries were written for an agent that is off", n-entries)
	}
	s.Call("POST", handlerstest.MayasAgentsPath+"/replies/resume", ``).Want(http.StatusOK).WantMembers(map[string]any{
		"state":        "on",
		"paused_since": nil,
		"turned_away":  0.0,
	})
	s.Call("POST", handlerstest.MayasAgentsPath+"/replies/resume", `{}`).
		Want(http.StatusOK).
		WantMembers(map[string]any{"state": "on"})
	s.Charge("maya", `{"feature":"social_comment_reply","agent":"replies"}`)
	s.Call("POST", handlerstest.MayasAgentsPath+"/replies/pause", `{"x":1}`).WantProblem(http.StatusUnprocessableEntity,
		"unknown_field", "x")
}

// A charge that cannot be afforded pauses its agent, which the answer, the balance and the badge
// show. A grant resumes it.
func TestAnAgentThatRunsOut(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "6")
	v := s.SignIn("maya")
	badge := v.Get("/credits").Badge()
	lacking := s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"7","agent":"seller"}`).WantProblem(http.StatusPaymentRequired,
		"insufficient_tokens", "")
	lacking.WantMembers(map[string]any{
		"agent":     "seller",
		"state":     "paused_out_of_tokens",
		"shortfall": "1",
		"detail":    "This needs 7 tokens and you have 6. It didn't run, and no tokens were used. The agent is paused until there are more.",
	})
	s.WantAPIAgent("seller", map[string]any{"state": "paused_out_of_tokens", "turned_away": 1.0})
	s.Post(
		"/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"1","agent":"seller"}`,
	).WantProblem(http.StatusConflict, "agent_paused", "").
		WantMembers(map[string]any{"state": "paused_out_of_tokens"})
	s.Post("/v1/accounts/maya/holds", `{"feature":"brand_deal_scan","quantity":100,"agent":"scout"}`).
		WantProblem(http.StatusPaymentRequired, "insufficient_tokens", "").
		WantMembers(map[string]any{"agent": "scout", "state": "paused_out_of_tokens"})
	own := s.Post("/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`).WantProblem(http.StatusPaymentRequired,
		"insufficient_tokens", "").JSON()
	if _, ok := own["state"]; ok || strings.Contains(own["detail"].(string), "agent") {
		t.Errorf("a tool of the creator's own is told of an agent: %v", own)
	}
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{
		"paused_agents": 2.0,
		"state":         "low",
		"threshold":     "40",
	})
	badge = v.Poll(badge).Want(http.StatusOK).Badge()
	if handlerstest.Text(badge) != "6 tokens · 2 paused" && handlerstest.Text(badge) != "6 tokens 2 paused" ||
		handlerstest.Attr(badge, "aria-label") != "Balance: 6 tokens, 2 paused" {
		t.Errorf("the badge says %q, %q", handlerstest.Text(badge), handlerstest.Attr(badge, "aria-label"))
	}
	// for smaller requests
	s.Call("POST", handlerstest.MayasAgentsPath+"/seller/resume", ``).
		Want(http.StatusOK).
		WantMembers(map[string]any{"state": "on"})
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"7","agent":"seller"}`).Want(http.StatusPaymentRequired)
	s.Grant("maya", "100")
	s.WantAPIAgent("seller", map[string]any{
		"state":        "on",
		"turned_away":  0.0,
		"paused_since": nil,
	})
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{"paused_agents": 0.0})
	if a := v.Poll(badge).Want(http.StatusOK); handlerstest.Text(a.Badge()) != "106 tokens" {
		t.Errorf("the badge says %q", handlerstest.Text(a.Badge()))
	}
}

func TestManyAtOnceNameThePause(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "6")
	list := s.Call("POST", "/v1/charges", `{"charges":[
		{"account":"maya","idempotency_key":"1","feature":"auto_selling","amount":"7","agent":"seller"},
		{"account":"maya","idempotency_key":"2","feature":"auto_selling","amount":"1","agent":"seller"},
		{"account":"maya","idempotency_key":"3","feature":"auto_selling","amount":"1","agent":"bad name"},
		{"account":"maya","idempotency_key":"4","feature":"lip_sync"}]}`).Want(http.StatusOK).List("results")
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
		if r["status"] != want.status || handlerstest.At(r, "error", "code") != want.code ||
			handlerstest.At(r, "error", "state") != want.state || handlerstest.At(r, "error", "field") != want.field {
			t.Errorf("%d: %v", i, r)
		}
	}
	if got := handlerstest.At(list[0], "error", "agent"); got != "seller" {
		t.Errorf("the agent is %v", got)
	}
}

func TestABudgetOverTheAPI(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", handlerstest.MayasAgentsPath+"/seller", `{"monthly_budget":"10"}`).Want(http.StatusCreated)
	s.Charge("maya", `{"feature":"auto_selling","amount":"8","agent":"seller"}`)
	over := s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"3","agent":"seller"}`).WantProblem(http.StatusConflict, "over_budget", "")
	over.WantMembers(map[string]any{"state": "paused_over_budget"})
	s.WantAPIAgent("seller", map[string]any{
		"state":            "paused_over_budget",
		"spent_this_month": "8",
		"turned_away":      1.0,
	})
	// for smaller requests
	s.Call("POST", handlerstest.MayasAgentsPath+"/seller/resume", ``).
		Want(http.StatusOK).
		WantMembers(map[string]any{"state": "on"})
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"3","agent":"seller"}`).Want(http.StatusConflict)
	// none that waits for tokens
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{"paused_agents": 0.0})
	s.Call("PUT", handlerstest.MayasAgentsPath+"/seller",
		`{"monthly_budget":null}`).Want(http.StatusOK).WantMembers(map[string]any{
		"state":          "on",
		"monthly_budget": nil,
	})
	s.Charge("maya", `{"feature":"auto_selling","amount":"3","agent":"seller"}`)
}

// No agent may spend the reserve for the creator's own tools. The creator sets the notice
// threshold.
func TestTheCreatorsOwnReserveAndThreshold(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	const maya = "/v1/accounts/maya"
	s.Call("PUT", maya, `{"plan":"starter","own_reserve":"150","low_threshold":"25"}`).Want(http.StatusCreated).
		WantMembers(map[string]any{
			"own_reserve": "150",
			"threshold":   "25",
			"state":       "ok",
		})
	s.Call("PUT", maya, `{"name":"Maya"}`).Want(http.StatusOK).WantMembers(map[string]any{
		"own_reserve": "150",
		"threshold":   "25",
	})
	s.Post(maya+"/charges", `{"feature":"auto_selling","amount":"51","agent":"seller"}`).
		WantProblem(http.StatusPaymentRequired, "insufficient_tokens", "").
		WantMembers(map[string]any{"spendable": "50", "required": "51"})
	s.Charge("maya", `{"feature":"auto_selling","amount":"170"}`)
	s.Call("GET", maya, "").WantMembers(map[string]any{
		"state":       "ok",
		"threshold":   "25",
		"own_reserve": "150",
	})
	s.Call("PUT", maya, `{"low_threshold":null,"own_reserve":null}`).Want(http.StatusOK).WantMembers(map[string]any{
		"own_reserve": "0",
		"threshold":   "40",
		"state":       "low",
	})
	s.Call("PUT", maya, `{"low_threshold":"0","own_reserve":"0"}`).Want(http.StatusOK).WantMembers(map[string]any{
		"own_reserve": "0",
		"threshold":   "0",
		"state":       "ok",
	})
	s.Charge("maya", `{"feature":"auto_selling","amount":"5","agent":"scout"}`)
	before := s.Contents()
	for body, field := range map[string]string{
		`{"own_reserve":"-1"}`:                  "own_reserve",
		`{"plan":"pro","low_threshold":"-0.5"}`: "low_threshold",
	} {
		s.Call("PUT", maya, body).WantProblem(http.StatusUnprocessableEntity, "invalid_field", field)
	}
	s.WantUnchanged(before)
	s.Call("PUT", handlerstest.MayasAgentsPath+"/seller", `{"reserve":"1"}`).Want(http.StatusOK)
	s.Call("PUT", maya, `{"own_reserve":"100000000000"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"own_reserve")
	s.Call("GET", maya, "").WantMembers(map[string]any{"own_reserve": "0"})
}

// Agents belong to one account: the same id in another account is another agent.
func TestOtherCreatorsAgents(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "starter")
	s.Charge("maya", `{"feature":"social_comment_reply","agent":"replies"}`)
	s.Call("POST", "/v1/accounts/noor/agents/replies/pause", ``).WantProblem(http.StatusNotFound, "agent_not_found", "")
	s.Call("PUT", "/v1/accounts/noor/agents/replies", `{"reserve":"9"}`).Want(http.StatusCreated)
	s.Call("POST", "/v1/accounts/noor/agents/replies/pause", ``).Want(http.StatusOK)
	s.WantAPIAgent("replies", map[string]any{"state": "on", "reserve": "0"})
	noor := s.SignIn("noor")
	if list := noor.Get("/v1/accounts/me/agents").Want(http.StatusOK).List("agents"); len(list) != 1 ||
		list[0]["reserve"] != "9" {
		t.Errorf("noor sees %v", list)
	}
	before := s.Contents()
	noor.Do("POST", "/v1/accounts/me/agents/replies/resume", ``, "Sec-Fetch-Site",
		"same-origin").WantProblem(http.StatusUnauthorized, "missing_api_key", "")
	for _, scope := range []apikey.Scope{apikey.Read} {
		key := []string{"Authorization", "Bearer " + s.Keys[scope]}
		s.Send("PUT", handlerstest.MayasAgentsPath+"/replies", `{"reserve":"1"}`, key...).
			WantProblem(http.StatusForbidden,
				"insufficient_scope", "")
		s.Send("POST", handlerstest.MayasAgentsPath+"/replies/pause", ``, key...).WantProblem(http.StatusForbidden,
			"insufficient_scope", "")
	}
	s.WantUnchanged(before)
}
