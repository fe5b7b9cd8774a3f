package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// agent is the card of an agent on the Agents page.
func (a answer) agent(id string) *html.Node {
	a.t.Helper()
	for _, card := range marked(a.page(), "agent") {
		if attr(card, "data-agent") == id {
			return card
		}
	}
	a.t.Fatalf("%s: no agent %s: %.2000s", a.to, id, a.body)
	return nil
}

// said is what stands in a part of an agent's card, empty where there is no such part.
func (a answer) said(agent, part string) string {
	a.t.Helper()
	if found := marked(a.agent(agent), part); len(found) == 1 {
		return text(found[0])
	}
	return ""
}

// wantSaid checks a sentence on an agent's card.
func (a answer) wantSaid(agent, part, want string) {
	a.t.Helper()
	if got := a.said(agent, part); got != want {
		a.t.Errorf("%s: %s of %s is %q, want %q", a.to, part, agent, got, want)
	}
}

// The whole life of an agent as its creator sees it: at work, out of tokens, back on; what it
// spent, and what that brought in.
func TestAnAgentsLifeOnItsPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "50")
	s.call("PUT", "/v1/accounts/maya", `{"time_zone":"Europe/Berlin"}`).want(http.StatusOK)
	s.call("PUT", "/v1/accounts/maya/agents/replies",
		`{"name":"Comment Replies","feature":"social_comment_reply"}`).want(http.StatusCreated)
	v := s.signIn("maya")
	v.get("/agents").want(http.StatusOK).wantSaid("replies", "agent-month", "This month (November)Nothing spent yet.")

	s.charge("maya", `{"feature":"social_comment_reply","agent":"replies","quantity":240}`)
	s.post("/v1/accounts/maya/results",
		`{"agent":"replies","kind":"sale","count":9,"money":"214","currency":"USD"}`).want(http.StatusCreated)
	page := v.get("/agents").want(http.StatusOK)
	page.wantSaid("replies", "agent-month",
		"This month (November)12 tokens became 240 replies became 9 sales, $214.00")
	page.wantSaid("replies", "agent-state", "On")

	s.clock.Advance(time.Hour)
	for range 3 { // the first attempt makes it pause, the others are turned away
		s.post("/v1/accounts/maya/charges", `{"feature":"social_comment_reply","agent":"replies","quantity":2000}`)
	}
	s.clock.Advance(26 * time.Hour)
	page = v.get("/agents").want(http.StatusOK)
	page.wantSaid("replies", "agent-sentence",
		"Paused since yesterday, 16:02: it asked for more tokens at once than you had. 3 requests weren't handled. Turn on and it goes on, for new ones.")
	if got := text(page.badge()); got != "38 tokens · 1 paused" {
		t.Errorf("the badge says %q", got)
	}
	if got := attr(page.badge(), "data-back"); !strings.Contains(got,
		`"Comment Replies":"Comment Replies is back on, for new comments.`) {
		t.Errorf("what to announce is %s", got)
	}
	v.get("/").want(http.StatusOK)
	s.grant("maya", "100")
	page = v.get("/agents").want(http.StatusOK)
	page.wantSaid("replies", "agent-state", "On")
	if got := attr(page.badge(), "data-paused"); got != "0" {
		t.Errorf("%s agents wait", got)
	}
}

func TestTurningAgentsOffAndOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("eve", "starter")
	s.charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)
	v := s.signIn("maya")
	turn := func(v *visitor, on string) answer {
		return v.submit("/agents/switch", url.Values{"agent": {"dms"}, "on": {on}})
	}
	for range 2 { // pressed twice is pressed once
		a := turn(v, "0").want(http.StatusSeeOther)
		if to := a.header.Get("Location"); !strings.HasPrefix(to, "/agents#agent-") {
			t.Errorf("leads to %q", to)
		}
	}
	page := v.get("/agents")
	page.wantSaid("dms", "agent-sentence", "Paused by you. Stays off until you turn it on.")
	s.post("/v1/accounts/maya/charges", `{"feature":"comment_to_dm","agent":"dms"}`).want(http.StatusConflict)
	v.get("/agents").wantSaid("dms", "agent-sentence",
		"Paused by you. Stays off until you turn it on. 1 request wasn't handled.")
	turn(s.signIn("eve"), "1").want(http.StatusNotFound)
	v.get("/agents").wantSaid("dms", "agent-state", "Paused by you")
	turn(v, "1").want(http.StatusSeeOther)
	v.get("/agents").wantSaid("dms", "agent-state", "On")
	v.submit("/agents/switch", url.Values{"agent": {""}, "on": {"0"}}).want(http.StatusNotFound)
}

// An agent whose budget is used stays paused when it is turned on: the page says why, and what ends that.
func TestWhatCannotWorkYet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", "/v1/accounts/maya/agents/seller",
		`{"feature":"auto_selling","monthly_budget":"5"}`).want(http.StatusCreated)
	s.charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"5"}`)
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"6"}`).want(http.StatusConflict)
	v := s.signIn("maya")
	v.submit("/agents/switch", url.Values{"agent": {"seller"}, "on": {"1"}}).want(http.StatusSeeOther)
	page := v.get("/agents")
	page.wantSaid("seller", "agent-sentence",
		"Paused: its 5-token budget for this month is used. 1 request wasn't handled. "+
			"Raise the budget and it restarts by itself, for new ones.")
	page.wantSaid("seller", "agent-cure", "Raise the budget")
	v.submit("/agents/limits", url.Values{
		"agent":   {"seller"},
		"budget":  {"20"},
		"reserve": {""},
	}).want(http.StatusSeeOther)
	v.get("/agents").wantSaid("seller", "agent-state", "On")
}

// Limits are saved as typed; what cannot be saved comes back with its message, and nothing is.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)
	v := s.signIn("maya")
	set := func(agent, budget, reserve string) answer {
		return v.submit("/agents/limits", url.Values{
			"agent":   {agent},
			"budget":  {budget},
			"reserve": {reserve},
		})
	}
	before := s.contents()
	for _, c := range []struct{ budget, reserve, want string }{
		{"ten", "", "Type a number of tokens, such as 20 or 42.5."},
		{"1,5", "", "Type a number of tokens, such as 20 or 42.5."},
		{"", "-1", "Must not be below zero."},
		{"0", "", "Must be above zero. Leave it empty for no limit."},
		{"", "1.0000001", "Use at most 6 decimals."},
		{"", "100000000001", "That is more than a wallet can hold."},
		{"-3", "", "Must not be below zero."},
	} {
		a := set("dms", c.budget, c.reserve).want(http.StatusUnprocessableEntity)
		if got := text(a.only("field-problem")); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.budget, c.reserve, got, c.want)
		}
		for name, typed := range map[string]string{"budget": c.budget, "reserve": c.reserve} {
			fields := all(a.agent("dms"), func(n *html.Node) bool {
				return n.Data == "input" && attr(n, "name") == name
			})
			if len(fields) != 1 || attr(fields[0], "value") != typed {
				t.Errorf("%q, %q: %s does not show what was typed", c.budget, c.reserve, name)
			}
		}
	}
	a := set("", "", "x").want(http.StatusUnprocessableEntity)
	if len(marked(a.only("own-tools"), "field-problem")) != 1 {
		t.Error("the problem stands elsewhere")
	}
	set("nobody", "5", "").want(http.StatusNotFound)
	s.unchanged(before, "sessions")

	set("dms", " 50 ", "20.5").leads("/agents?saved=1#" + attr(v.get("/agents").agent("dms"), "id"))
	set("", "", "30").leads("/agents?saved=1")
	page := v.get("/agents?saved=1").want(http.StatusOK).has("done", true)
	page.wantSaid("dms", "agent-limits",
		"Spends at most 50 tokens a month, 49.95 are left. 20.5 tokens of your balance are kept for it alone.")
	own := all(page.only("own-tools"), func(n *html.Node) bool { return attr(n, "name") == "reserve" })
	if len(own) != 1 || attr(own[0], "value") != "30" {
		t.Error("what is kept for own tools is not shown")
	}
	set("dms", "", "").want(http.StatusSeeOther)
	v.get("/agents").wantSaid("dms", "agent-limits", "")
}

// A field that is missing does not pass for one that was left empty: junk neither pauses an agent
// nor takes what is kept away.
func TestAFormOfTheAgentsThatIsNotWhole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)
	v := s.signIn("maya")
	v.submit("/agents/limits", url.Values{"agent": {""}, "reserve": {"30"}}).want(http.StatusSeeOther)
	v.submit("/agents/limits", url.Values{
		"agent":   {"dms"},
		"reserve": {"2"},
		"budget":  {"50"},
	}).want(http.StatusSeeOther)
	before := s.contents()
	for path, forms := range map[string][]url.Values{
		"/agents/limits": {
			{},
			{"x": {""}},
			{"agent": {""}},
			{"reserve": {""}},
			{"agent": {"dms"}, "reserve": {"1"}},
			{"agent": {"dms"}, "budget": {"1"}},
		},
		"/agents/switch": {{}, {"agent": {"dms"}}, {"on": {"0"}}},
	} {
		for _, form := range forms {
			v.submit(path, form).want(http.StatusBadRequest)
		}
	}
	for _, on := range []string{"", "2", "off", "true"} {
		v.submit("/agents/switch", url.Values{"agent": {"dms"}, "on": {on}}).want(http.StatusUnprocessableEntity)
	}
	s.unchanged(before, "sessions")
}
