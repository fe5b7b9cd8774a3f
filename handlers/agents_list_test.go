package handlers_test

import (
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// manyAgents gives an account agents from behind: "Agent 1" spent most. Agents 7 and 30 are paused
// by the creator.
func (s *site) manyAgents(account string, n int) {
	s.t.Helper()
	_, err := s.db.Pool.Exec(s.t.Context(), `insert into agents (account, agent, name, feature, state, paused_since)
		select a.id, 'bot-' || i, 'Agent ' || i, 'comment_to_dm', case when i in (7, 30) then 1 else 0 end, case when i in (7, 30) then timestamptz '2026-11-20 10:00Z' end
		from accounts a, generate_series(1, $2) i where a.external_id = $1`, account, n)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.db.Pool.Exec(s.t.Context(),
		`update ledger_accounts set agents = $2 where account = (select id from accounts where external_id = $1)`,
		account, n); err != nil {
		s.t.Fatal(err)
	}
}

// spent notes what an agent spent this month, from behind.
func (s *site) spent(account, agent string, tokens int64) {
	s.t.Helper()
	_, err := s.db.Pool.Exec(s.t.Context(),
		`insert into usage_days (account, day, feature, agent, amount, quantity, count)
		select id, date '2026-11-21', 'comment_to_dm', $2, $3, 1, 1 from accounts where external_id = $1`, account,
		agent, tokens*1_000_000)
	if err != nil {
		s.t.Fatal(err)
	}
}

// agents are the ids of the agents on a page, in their order.
func (a answer) agents() []string {
	a.t.Helper()
	var ids []string
	for _, card := range marked(a.want(http.StatusOK).page(), "agent") {
		ids = append(ids, attr(card, "data-agent"))
	}
	return ids
}

// Stopped agents come first, then those that spent most, then by name with 2 before 10; pages have
// at most fifty.
func TestTheListOfAgents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.manyAgents("maya", 120)
	s.spent("maya", "bot-100", 9)
	s.spent("maya", "bot-7", 1)
	s.spent("maya", "bot-30", 3)
	s.spent("maya", "bot-55", 12)
	v := s.signIn("maya")
	page := v.get("/agents")
	got := page.agents()
	if len(got) != 50 || !slices.Equal(got[:7],
		[]string{"bot-30", "bot-7", "bot-55", "bot-100", "bot-1", "bot-2", "bot-3"}) || got[12] != "bot-10" {
		t.Errorf("%d agents: %q", len(got), got)
	}
	for id, want := range map[string]string{
		"agents-count": "120 agents, 2 stopped",
		"agents-range": "1 to 50 of 120",
	} {
		if got := text(page.only(id)); got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
	page.has("agents-previous", false)
	seen := map[string]bool{}
	for _, id := range got {
		seen[id] = true
	}
	for next := attr(page.only("agents-next"), "href"); next != ""; {
		page = v.get(next)
		for _, id := range page.agents() {
			if seen[id] {
				t.Errorf("%s is on two pages", id)
			}
			seen[id] = true
		}
		next = ""
		if links := marked(page.page(), "agents-next"); len(links) == 1 {
			next = attr(links[0], "href")
		}
	}
	if len(seen) != 120 {
		t.Errorf("the pages show %d agents", len(seen))
	}
	if got := text(page.only("agents-range")); got != "101 to 120 of 120" {
		t.Errorf("the last page shows %q", got)
	}
	for _, odd := range []string{"0", "-1", "4", "99999999999999999999", "x"} {
		if n := len(v.get("/agents?page=" + odd).agents()); n != 50 && n != 20 {
			t.Errorf("page %s has %d agents", odd, n)
		}
	}
}

// The search finds agents by name, by what they do and by id. A form leads back to what was searched for.
func TestSearchingAgents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.manyAgents("maya", 120)
	v := s.signIn("maya")
	for search, want := range map[string]int{
		"agent 1":                32,
		"AGENT 12":               2,
		"bot-77":                 1,
		"to dm":                  120,
		" ":                      120,
		"nobody":                 0,
		"%":                      0,
		strings.Repeat("ä", 150): 0,
	} {
		page := v.get("/agents?q=" + url.QueryEscape(search)).want(http.StatusOK)
		if n := len(page.agents()); n != min(want, 50) {
			t.Errorf("%q finds %d agents", search, n)
		}
		if want == 0 {
			page.has("empty-state", true)
		}
	}
	page := v.get("/agents?q=Agent+11")
	if got := text(page.only("agents-count")); got != "11 of 120 agents" {
		t.Errorf("it says %q", got)
	}
	if title := text(head(page, "title")); !strings.HasPrefix(title, "Agents: Agent 11 ·") {
		t.Errorf("the title is %q", title)
	}
	to := v.submit("/agents/switch", url.Values{
		"agent": {"bot-111"},
		"on":    {"0"},
		"q":     {"Agent 11"},
	}).want(http.StatusSeeOther).header.Get("Location")
	if back := v.get(strings.Split(to, "#")[0]); !slices.Contains(back.agents(), "bot-111") ||
		len(back.agents()) != 11 {
		t.Errorf("the form leads to %s", to)
	}
	// Turned on again, an agent moves to another page of the list: the form leads there.
	to = v.submit("/agents/switch", url.Values{
		"agent": {"bot-111"},
		"on":    {"1"},
		"q":     {""},
	}).want(http.StatusSeeOther).header.Get("Location")
	if back := v.get(strings.Split(to, "#")[0]); !slices.Contains(back.agents(), "bot-111") {
		t.Errorf("the form leads to %s", to)
	}
	wrong := v.submit("/agents/limits", url.Values{
		"agent":   {"bot-115"},
		"budget":  {"x"},
		"reserve": {""},
		"q":       {""},
	}).want(http.StatusUnprocessableEntity)
	if len(marked(wrong.agent("bot-115"), "field-problem")) != 1 {
		t.Error("the problem does not stand at its agent")
	}
}

// head is the one element of a page's head with a tag.
func head(a answer, tag string) *html.Node {
	a.t.Helper()
	found := all(a.page(), func(n *html.Node) bool { return n.Data == tag && n.Parent.Data == "head" })
	if len(found) != 1 {
		a.t.Fatalf("%s: %d times <%s>", a.to, len(found), tag)
	}
	return found[0]
}

// With a thousand agents a page, the badge and the home page stay small, and what a request
// allocates is bounded. Not parallel: it counts what the process allocates.
func TestAThousandAgents(t *testing.T) {
	s := newSite(t)
	s.open("maya", "starter")
	s.manyAgents("maya", 1000)
	v := s.signIn("maya")
	for path, most := range map[string]int{
		"/agents":            256 << 10,
		"/agents?page=20":    256 << 10,
		"/":                  64 << 10,
		"/credits/badge?v=x": 8 << 10,
	} {
		if n := len(v.get(path).want(http.StatusOK).body); n > most {
			t.Errorf("%s has %d bytes, at most %d are wanted", path, n, most)
		}
	}
	const requests, most = 20, 8 << 20 // 4.8 MB were seen, 6.5 with the race detector
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		v.get("/agents").want(http.StatusOK)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / requests; each > most {
		t.Errorf("a request allocates %d bytes, at most %d are wanted", each, most)
	} else {
		t.Logf("a request allocates %d bytes", each)
	}
	// All of them wait for tokens: the badge counts them and names a few.
	if _, err := s.db.Pool.Exec(t.Context(),
		`update agents set state = 2, paused_since = now() where agent <> ''`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Pool.Exec(t.Context(), `update ledger_accounts set paused_agents = 1000`); err != nil {
		t.Fatal(err)
	}
	for path, most := range map[string]int{
		"/agents":            256 << 10,
		"/":                  64 << 10,
		"/credits/badge?v=x": 16 << 10,
	} {
		if n := len(v.get(path).want(http.StatusOK).body); n > most {
			t.Errorf("all stopped: %s has %d bytes, at most %d are wanted", path, n, most)
		}
	}
	if got := text(v.get("/agents").badge()); !strings.Contains(got, "1000 paused") &&
		!strings.Contains(got, "1,000 paused") {
		t.Errorf("the badge says %q", got)
	}
}
