package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// An agent that its budget has stopped is told of on the badge, on the home page, on its card and
// by the API, with the one thing that ends that.
func TestAnAgentOverItsBudgetIsToldEverywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", mayasAgents+"/seller", `{"feature":"auto_selling","monthly_budget":"5"}`).want(http.StatusCreated)
	s.charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"5"}`)
	for range 5 {
		s.post("/v1/accounts/maya/charges",
			`{"feature":"auto_selling","agent":"seller","amount":"1"}`).problem(http.StatusConflict, "over_budget",
			"").
			wantMembers(map[string]any{"state": "paused_over_budget", "cure": "raise_budget"})
	}
	s.wantAPIAgent("seller", map[string]any{
		"state":       "paused_over_budget",
		"reason":      "budget",
		"cure":        "raise_budget",
		"turned_away": 5.0,
	})
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{
		"paused_agents":      0.0,
		"over_budget_agents": 1.0,
		"state":              "ok",
	})
	v := s.signIn("maya")
	home := v.get("/").want(http.StatusOK)
	if got := text(home.badge()); got != "195 tokens · 1 paused" {
		t.Errorf("the badge says %q", got)
	}
	if got := text(home.only("next-step")); !strings.Contains(got,
		"Auto Selling is paused: its 5-token budget for this month is used") {
		t.Errorf("the home page says %q", got)
	}
	v.get("/agents").wantSaid("seller", "agent-cure", "Raise the budget")
}

// A reserve larger than what there is: saving it warns, and the agents that it stops are told so,
// with no way to packs.
func TestAReserveThatStopsTheAgents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"1"}`)
	v := s.signIn("maya")
	v.submit("/agents/limits", url.Values{"agent": {""}, "reserve": {"500"}}).want(http.StatusSeeOther)
	page := v.get("/agents?saved=1").want(http.StatusOK)
	if got := text(page.only("reserve-warning")); !strings.HasPrefix(got,
		"You keep 500 for your own tools and have 199 tokens") {
		t.Errorf("saving warns %q", got)
	}
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"1"}`).problem(http.StatusPaymentRequired,
		"insufficient_tokens", "").
		wantMembers(map[string]any{
			"spendable": "0",
			"required":  "1",
			"shortfall": "302",
			"held":      "0",
			"reserved":  "199",
			"cure":      "lower_reserve",
			"state":     "paused_out_of_tokens",
			"buy_url":   s.url + "/credits/buy?need=302&next=%2Fagents",
		})
	s.wantAPIAgent("seller", map[string]any{"reason": "reserve", "cure": "lower_reserve"})
	page = v.get("/agents")
	page.wantSaid("seller", "agent-state", "Held back by a reserve")
	page.wantSaid("seller", "agent-cure", "Lower the reserve")
	if got := text(v.get("/").only("next-step")); !strings.Contains(got,
		"the tokens left are kept for your own tools") {
		t.Errorf("the home page says %q", got)
	}
	v.submit("/agents/limits", url.Values{"agent": {""}, "reserve": {"100"}}).want(http.StatusSeeOther)
	page = v.get("/agents")
	page.wantSaid("seller", "agent-state", "On")
	page.has("reserve-warning", false)
}

// A plain refusal: the agent stays on. What is refused says what is set aside.
func TestARefusalNeedNotPauseTheAgent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	for _, path := range []string{"/v1/accounts/maya/charges", "/v1/accounts/maya/holds"} {
		s.post(path, `{"feature":"auto_selling","amount":"5000","agent":"seller","pause_agent":false}`).problem(http.StatusPaymentRequired, "insufficient_tokens", "").
			wantMembers(map[string]any{
				"state":     "on",
				"spendable": "200",
				"shortfall": "4800",
				"detail":    "This needs 5000 tokens and you have 200. It didn't run, and no tokens were used.",
			})
	}
	s.wantAPIAgent("seller", map[string]any{
		"state":       "on",
		"reason":      nil,
		"cure":        nil,
		"turned_away": 0.0,
	})
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"5000","agent":"seller","pause_agent":true}`).want(http.StatusPaymentRequired)
	s.wantAPIAgent("seller", map[string]any{
		"state":       "paused_out_of_tokens",
		"reason":      "size",
		"cure":        "turn_on",
		"turned_away": 1.0,
	})
	s.call("POST", mayasAgents+"/seller/resume", ``).want(http.StatusOK).wantMembers(map[string]any{"state": "on"})
	s.post("/v1/accounts/maya/holds", `{"feature":"auto_selling","amount":"180"}`).want(http.StatusCreated)
	s.post("/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`).problem(http.StatusPaymentRequired,
		"insufficient_tokens", "").
		wantMembers(map[string]any{
			"spendable": "20",
			"held":      "180",
			"reserved":  "0",
			"shortfall": "55",
			"detail":    "This needs 75 tokens and you have 20 to spend: 180 are held by jobs under way. It didn't run, and no tokens were used.",
		})
}

// Agents are called as accounts are: not "me".
func TestNoAgentIsCalledMe(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	for _, name := range []string{"me", ".", ".."} {
		body := `{"feature":"social_comment_reply","agent":"` + name + `"}`
		s.post("/v1/accounts/maya/charges", body).problem(http.StatusUnprocessableEntity, "invalid_field", "agent")
		s.post("/v1/accounts/maya/holds", body).problem(http.StatusUnprocessableEntity, "invalid_field", "agent")
	}
	s.call("PUT", mayasAgents+"/me", `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "agent")
	s.call("POST", mayasAgents+"/me/pause", ``).problem(http.StatusNotFound, "agent_not_found", "")
}

// At an empty balance agents that can go on with what is left do not wait.
func TestAnEmptyBalanceTellsWhoWaits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "3")
	v := s.signIn("maya")
	says := func(want string) {
		t.Helper()
		if got := text(v.get("/credits").only("notice")); !strings.Contains(got, want) {
			t.Errorf("the notice says %q, want %q", got, want)
		}
	}
	says("AI tools are waiting for more tokens.")
	for _, agent := range []string{"a", "b", "c"} {
		s.charge("maya", `{"feature":"social_comment_reply","agent":"`+agent+`"}`)
	}
	says("AI tools are waiting for more tokens. Agents go on with what is left.")
	s.post("/v1/accounts/maya/charges",
		`{"feature":"brand_deal_scan","quantity":30,"agent":"d"}`).want(http.StatusPaymentRequired)
	says("AI tools and 1 of 4 agents are waiting for more tokens. The others go on with what is left.")
	s.charge("maya", `{"feature":"auto_selling","amount":"2.85"}`)
	says("AI tools and agents are waiting for more tokens.")
}
