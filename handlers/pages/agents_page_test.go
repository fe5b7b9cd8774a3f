package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
)

// An agent as its creator sees it: active, out of tokens, active again; its spending and its
// results.
func TestAnAgentsLifeOnItsPage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "50")
	s.Call("PUT", "/v1/accounts/maya", `{"time_zone":"Europe/Berlin"}`).Want(http.StatusOK)
	s.Call("PUT", "/v1/accounts/maya/agents/replies",
		`{"name":"Comment Replies","feature":"social_comment_reply"}`).Want(http.StatusCreated)
	v := s.SignIn("maya")
	v.Get("/agents").
		Want(http.StatusOK).
		WantAgentText("replies", "agent-month", "This month (November)Nothing spent yet.")

	s.Charge("maya", `{"feature":"social_comment_reply","agent":"replies","quantity":240}`)
	s.Post("/v1/accounts/maya/results",
		`{"agent":"replies","kind":"sale","count":9,"money":"214","currency":"USD"}`).Want(http.StatusCreated)
	page := v.Get("/agents").Want(http.StatusOK)
	page.WantAgentText("replies", "agent-month",
		"This month (November)12 tokens became 240 replies became 9 sales, $214.00")
	page.WantAgentText("replies", "agent-state", "On")

	s.Clock.Advance(time.Hour)
	for range 3 { // the first attempt pauses it, the others are rejected
		s.Post("/v1/accounts/maya/charges", `{"feature":"social_comment_reply","agent":"replies","quantity":2000}`)
	}
	s.Clock.Advance(26 * time.Hour)
	page = v.Get("/agents").Want(http.StatusOK)
	page.WantAgentText(
		"replies",
		"agent-sentence",
		"Paused since yesterday, 16:02: it asked for more tokens at once than you had. 3 requests weren't handled. Turn on and it goes on, for new ones.",
	)
	if got := handlerstest.Text(page.Badge()); got != "38 tokens · 1 paused" {
		t.Errorf("the badge says %q", got)
	}
	if got := handlerstest.Attr(page.Badge(), "data-back"); !strings.Contains(got,
		`"Comment Replies":"Comment Replies is back on, for new comments.`) {
		t.Errorf("what to announce is %s", got)
	}
	v.Get("/").Want(http.StatusOK)
	s.Grant("maya", "100")
	page = v.Get("/agents").Want(http.StatusOK)
	page.WantAgentText("replies", "agent-state", "On")
	if got := handlerstest.Attr(page.Badge(), "data-paused"); got != "0" {
		t.Errorf("%s agents wait", got)
	}
}

func TestTurningAgentsOffAndOn(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("eve", "starter")
	s.Charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)
	v := s.SignIn("maya")
	turn := func(v *handlerstest.Browser, on string) handlerstest.Response {
		return v.Submit("/agents/switch", url.Values{"agent": {"dms"}, "on": {on}})
	}
	for range 2 { // the second press has no effect
		a := turn(v, "0").Want(http.StatusSeeOther)
		if to := a.Header.Get("Location"); !strings.HasPrefix(to, "/agents#agent-") {
			t.Errorf("leads to %q", to)
		}
	}
	page := v.Get("/agents")
	page.WantAgentText("dms", "agent-sentence", "Paused by you. Stays off until you turn it on.")
	s.Post("/v1/accounts/maya/charges", `{"feature":"comment_to_dm","agent":"dms"}`).Want(http.StatusConflict)
	v.Get("/agents").WantAgentText("dms", "agent-sentence",
		"Paused by you. Stays off until you turn it on. 1 request wasn't handled.")
	turn(s.SignIn("eve"), "1").Want(http.StatusNotFound)
	v.Get("/agents").WantAgentText("dms", "agent-state", "Paused by you")
	turn(v, "1").Want(http.StatusSeeOther)
	v.Get("/agents").WantAgentText("dms", "agent-state", "On")
	v.Submit("/agents/switch", url.Values{"agent": {""}, "on": {"0"}}).Want(http.StatusNotFound)
}

// An agent over its budget stays paused when it is turned on. The page says why and what to do.
func TestWhatCannotWorkYet(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", "/v1/accounts/maya/agents/seller",
		`{"feature":"auto_selling","monthly_budget":"5"}`).Want(http.StatusCreated)
	s.Charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"5"}`)
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"6"}`).Want(http.StatusConflict)
	v := s.SignIn("maya")
	v.Submit("/agents/switch", url.Values{"agent": {"seller"}, "on": {"1"}}).Want(http.StatusSeeOther)
	page := v.Get("/agents")
	page.WantAgentText("seller", "agent-sentence",
		"Paused: its 5-token budget for this month is used. 1 request wasn't handled. "+
			"Raise the budget and it restarts by itself, for new ones.")
	page.WantAgentText("seller", "agent-cure", "Raise the budget")
	v.Submit("/agents/limits", url.Values{
		"agent":   {"seller"},
		"budget":  {"20"},
		"reserve": {""},
	}).Want(http.StatusSeeOther)
	v.Get("/agents").WantAgentText("seller", "agent-state", "On")
}

// Limits are saved as typed. An invalid form comes back with its messages and saves nothing.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)
	v := s.SignIn("maya")
	set := func(agent, budget, reserve string) handlerstest.Response {
		return v.Submit("/agents/limits", url.Values{
			"agent":   {agent},
			"budget":  {budget},
			"reserve": {reserve},
		})
	}
	before := s.Contents()
	for _, c := range []struct{ budget, reserve, want string }{
		{"ten", "", "Type a number of tokens, such as 20 or 42.5."},
		{"1,5", "", "Type a number of tokens, such as 20 or 42.5."},
		{"", "-1", "Must not be below zero."},
		{"0", "", "Must be above zero. Leave it empty for no limit."},
		{"", "1.0000001", "Use at most 6 decimals."},
		{"", "100000000001", "That is more than a wallet can hold."},
		{"-3", "", "Must not be below zero."},
	} {
		a := set("dms", c.budget, c.reserve).Want(http.StatusUnprocessableEntity)
		if got := handlerstest.Text(a.Element("field-problem")); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.budget, c.reserve, got, c.want)
		}
		for name, typed := range map[string]string{"budget": c.budget, "reserve": c.reserve} {
			fields := handlerstest.Elements(a.Agent("dms"), func(n *html.Node) bool {
				return n.Data == "input" && handlerstest.Attr(n, "name") == name
			})
			if len(fields) != 1 || handlerstest.Attr(fields[0], "value") != typed {
				t.Errorf("%q, %q: %s does not show what was typed", c.budget, c.reserve, name)
			}
		}
	}
	a := set("", "", "x").Want(http.StatusUnprocessableEntity)
	if len(handlerstest.Marked(a.Element("own-tools"), "field-problem")) != 1 {
		t.Error("the problem stands elsewhere")
	}
	set("unknown", "5", "").Want(http.StatusNotFound)
	set("unknown", "ten", "").Want(http.StatusNotFound)
	s.WantUnchanged(before, "sessions")

	set("dms", " 50 ", "20.5").WantRedirect("/agents?saved=1#" + handlerstest.Attr(v.Get("/agents").Agent("dms"), "id"))
	set("", "", "30").WantRedirect("/agents?saved=1")
	page := v.Get("/agents?saved=1").Want(http.StatusOK).WantElement("done", true)
	page.WantAgentText("dms", "agent-limits",
		"Spends at most 50 tokens a month, 49.95 are left. 20.5 tokens of your balance are kept for it alone.")
	own := handlerstest.Elements(
		page.Element("own-tools"),
		func(n *html.Node) bool { return handlerstest.Attr(n, "name") == "reserve" },
	)
	if len(own) != 1 || handlerstest.Attr(own[0], "value") != "30" {
		t.Error("what is kept for own tools is not shown")
	}
	set("dms", "", "").Want(http.StatusSeeOther)
	v.Get("/agents").WantAgentText("dms", "agent-limits", "")
}

// A missing field is not an empty one: an invalid form neither pauses an agent nor removes a
// reserve.
func TestAFormOfTheAgentsThatIsNotWhole(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Charge("maya", `{"feature":"comment_to_dm","agent":"dms"}`)
	v := s.SignIn("maya")
	v.Submit("/agents/limits", url.Values{"agent": {""}, "reserve": {"30"}}).Want(http.StatusSeeOther)
	v.Submit("/agents/limits", url.Values{
		"agent":   {"dms"},
		"reserve": {"2"},
		"budget":  {"50"},
	}).Want(http.StatusSeeOther)
	before := s.Contents()
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
			v.Submit(path, form).Want(http.StatusBadRequest)
		}
	}
	for _, on := range []string{"", "2", "off", "true"} {
		v.Submit("/agents/switch", url.Values{"agent": {"dms"}, "on": {on}}).Want(http.StatusUnprocessableEntity)
	}
	s.WantUnchanged(before, "sessions")
}
