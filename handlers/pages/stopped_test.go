package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// An agent over its budget is shown on the badge, the home page, its card and in the API, with the
// way to resume it.
func TestAnAgentOverItsBudgetIsToldEverywhere(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", handlerstest.MayasAgentsPath+"/seller", `{"feature":"auto_selling","monthly_budget":"5"}`).
		Want(http.StatusCreated)
	s.Charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"5"}`)
	for range 5 {
		s.Post("/v1/accounts/maya/charges",
			`{"feature":"auto_selling","agent":"seller","amount":"1"}`).WantProblem(http.StatusConflict, "over_budget",
			"").
			WantMembers(map[string]any{"state": "paused_over_budget", "cure": "raise_budget"})
	}
	s.WantAPIAgent("seller", map[string]any{
		"state":       "paused_over_budget",
		"reason":      "budget",
		"cure":        "raise_budget",
		"turned_away": 5.0,
	})
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{
		"paused_agents":      0.0,
		"over_budget_agents": 1.0,
		"state":              "ok",
	})
	v := s.SignIn("maya")
	home := v.Get("/").Want(http.StatusOK)
	if got := handlerstest.Text(home.Badge()); got != "195 tokens · 1 paused" {
		t.Errorf("the badge says %q", got)
	}
	if got := handlerstest.Text(home.Element("next-step")); !strings.Contains(got,
		"Auto Selling is paused: its 5-token budget for this month is used") {
		t.Errorf("the home page says %q", got)
	}
	v.Get("/agents").WantAgentText("seller", "agent-cure", "Raise the budget")
}

// A reserve above the balance: saving it warns, and the agents that it pauses show the reason
// without a link to the packs.
func TestAReserveThatStopsTheAgents(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"1"}`)
	v := s.SignIn("maya")
	v.Submit("/agents/limits", url.Values{"agent": {""}, "reserve": {"500"}}).Want(http.StatusSeeOther)
	page := v.Get("/agents?saved=1").Want(http.StatusOK)
	if got := handlerstest.Text(page.Element("reserve-warning")); !strings.HasPrefix(got,
		"You keep 500 for your own tools and have 199 tokens") {
		t.Errorf("saving warns %q", got)
	}
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"1"}`).WantProblem(http.StatusPaymentRequired,
		"insufficient_tokens", "").
		WantMembers(map[string]any{
			"spendable": "0",
			"required":  "1",
			"shortfall": "302",
			"held":      "0",
			"reserved":  "199",
			"cure":      "lower_reserve",
			"state":     "paused_out_of_tokens",
			"buy_url":   s.URL + "/credits/buy?need=302&next=%2Fagents",
		})
	s.WantAPIAgent("seller", map[string]any{"reason": "reserve", "cure": "lower_reserve"})
	page = v.Get("/agents")
	page.WantAgentText("seller", "agent-state", "Held back by a reserve")
	page.WantAgentText("seller", "agent-cure", "Lower the reserve")
	if got := handlerstest.Text(v.Get("/").Element("next-step")); !strings.Contains(got,
		"the tokens left are kept for your own tools") {
		t.Errorf("the home page says %q", got)
	}
	v.Submit("/agents/limits", url.Values{"agent": {""}, "reserve": {"100"}}).Want(http.StatusSeeOther)
	page = v.Get("/agents")
	page.WantAgentText("seller", "agent-state", "On")
	page.WantElement("reserve-warning", false)
}

// A refusal that does not pause: the agent stays on. The answer says how much is reserved.
func TestARefusalNeedNotPauseTheAgent(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	for _, path := range []string{"/v1/accounts/maya/charges", "/v1/accounts/maya/holds"} {
		s.Post(path, `{"feature":"auto_selling","amount":"5000","agent":"seller","pause_agent":false}`).
			WantProblem(http.StatusPaymentRequired, "insufficient_tokens", "").
			WantMembers(map[string]any{
				"state":     "on",
				"spendable": "200",
				"shortfall": "4800",
				"detail":    "This needs 5000 tokens and you have 200. It didn't run, and no tokens were used.",
			})
	}
	s.WantAPIAgent("seller", map[string]any{
		"state":       "on",
		"reason":      nil,
		"cure":        nil,
		"turned_away": 0.0,
	})
	s.Post(
		"/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"5000","agent":"seller","pause_agent":true}`,
	).Want(http.StatusPaymentRequired)
	s.WantAPIAgent("seller", map[string]any{
		"state":       "paused_out_of_tokens",
		"reason":      "size",
		"cure":        "turn_on",
		"turned_away": 1.0,
	})
	s.Call("POST", handlerstest.MayasAgentsPath+"/seller/resume", ``).
		Want(http.StatusOK).
		WantMembers(map[string]any{"state": "on"})
	s.Post("/v1/accounts/maya/holds", `{"feature":"auto_selling","amount":"180"}`).Want(http.StatusCreated)
	s.Post("/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`).WantProblem(http.StatusPaymentRequired,
		"insufficient_tokens", "").
		WantMembers(map[string]any{
			"spendable": "20",
			"held":      "180",
			"reserved":  "0",
			"shortfall": "55",
			"detail":    "This needs 75 tokens and you have 20 to spend: 180 are held by jobs under way. It didn't run, and no tokens were used.",
		})
}

// Agent ids follow the rules of account ids: "me" is refused.
func TestNoAgentIsCalledMe(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	for _, name := range []string{"me", ".", ".."} {
		body := `{"feature":"social_comment_reply","agent":"` + name + `"}`
		s.Post("/v1/accounts/maya/charges", body).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "agent")
		s.Post("/v1/accounts/maya/holds", body).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "agent")
	}
	s.Call("PUT", handlerstest.MayasAgentsPath+"/me", `{}`).
		WantProblem(http.StatusUnprocessableEntity, "invalid_field", "agent")
	s.Call("POST", handlerstest.MayasAgentsPath+"/me/pause", ``).WantProblem(http.StatusNotFound, "agent_not_found", "")
}

// At an empty balance, agents that can still work with the rest are not shown as waiting.
func TestAnEmptyBalanceTellsWhoWaits(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "3")
	v := s.SignIn("maya")
	says := func(want string) {
		t.Helper()
		if got := handlerstest.Text(v.Get("/credits").Element("notice")); !strings.Contains(got, want) {
			t.Errorf("the notice says %q, want %q", got, want)
		}
	}
	says("AI tools are waiting for more tokens.")
	for _, agent := range []string{"a", "b", "c"} {
		s.Charge("maya", `{"feature":"social_comment_reply","agent":"`+agent+`"}`)
	}
	says("AI tools are waiting for more tokens. Agents go on with what is left.")
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"brand_deal_scan","quantity":30,"agent":"d"}`).Want(http.StatusPaymentRequired)
	says("AI tools and 1 of 4 agents are waiting for more tokens. The others go on with what is left.")
	s.Charge("maya", `{"feature":"auto_selling","amount":"2.85"}`)
	says("AI tools and agents are waiting for more tokens.")
}
