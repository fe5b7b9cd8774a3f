package pages_test

import (
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// Paused agents come first, then the largest spenders, then by name with 2 before 10. A page has at
// most fifty.
func TestTheListOfAgents(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.ManyAgents("maya", 120)
	s.SpendAs("maya", "bot-100", 9)
	s.SpendAs("maya", "bot-7", 1)
	s.SpendAs("maya", "bot-30", 3)
	s.SpendAs("maya", "bot-55", 12)
	v := s.SignIn("maya")
	page := v.Get("/agents")
	got := page.Agents()
	if len(got) != 50 || !slices.Equal(got[:7],
		[]string{"bot-30", "bot-7", "bot-55", "bot-100", "bot-1", "bot-2", "bot-3"}) || got[12] != "bot-10" {
		t.Errorf("%d agents: %q", len(got), got)
	}
	for id, want := range map[string]string{
		"agents-count": "120 agents, 2 stopped",
		"agents-range": "1 to 50 of 120",
	} {
		if got := handlerstest.Text(page.Element(id)); got != want {
			t.Errorf("%s is %q, want %q", id, got, want)
		}
	}
	page.WantElement("agents-previous", false)
	seen := map[string]bool{}
	for _, id := range got {
		seen[id] = true
	}
	for next := handlerstest.Attr(page.Element("agents-next"), "href"); next != ""; {
		page = v.Get(next)
		for _, id := range page.Agents() {
			if seen[id] {
				t.Errorf("%s is on two pages", id)
			}
			seen[id] = true
		}
		next = ""
		if links := handlerstest.Marked(page.HTML(), "agents-next"); len(links) == 1 {
			next = handlerstest.Attr(links[0], "href")
		}
	}
	if len(seen) != 120 {
		t.Errorf("the pages show %d agents", len(seen))
	}
	if got := handlerstest.Text(page.Element("agents-range")); got != "101 to 120 of 120" {
		t.Errorf("the last page shows %q", got)
	}
	for _, odd := range []string{"0", "-1", "4", "99999999999999999999", "x"} {
		if n := len(v.Get("/agents?page=" + odd).Agents()); n != 50 && n != 20 {
			t.Errorf("page %s has %d agents", odd, n)
		}
	}
}

// The search finds agents by name, by work and by id. A form returns to the search.
func TestSearchingAgents(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.ManyAgents("maya", 120)
	v := s.SignIn("maya")
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
		page := v.Get("/agents?q=" + url.QueryEscape(search)).Want(http.StatusOK)
		if n := len(page.Agents()); n != min(want, 50) {
			t.Errorf("%q finds %d agents", search, n)
		}
		if want == 0 {
			page.WantElement("empty-state", true)
		}
	}
	page := v.Get("/agents?q=Agent+11")
	if got := handlerstest.Text(page.Element("agents-count")); got != "11 of 120 agents" {
		t.Errorf("it says %q", got)
	}
	if title := handlerstest.Text(handlerstest.FirstTag(page, "title")); !strings.HasPrefix(
		title,
		"Agents: Agent 11 ·",
	) {
		t.Errorf("the title is %q", title)
	}
	to := v.Submit("/agents/switch", url.Values{
		"agent": {"bot-111"},
		"on":    {"0"},
		"q":     {"Agent 11"},
	}).Want(http.StatusSeeOther).Header.Get("Location")
	if back := v.Get(strings.Split(to, "#")[0]); !slices.Contains(back.Agents(), "bot-111") ||
		len(back.Agents()) != 11 {
		t.Errorf("the form leads to %s", to)
	}
	// A resumed agent moves to another page of the list. The form leads there.
	to = v.Submit("/agents/switch", url.Values{
		"agent": {"bot-111"},
		"on":    {"1"},
		"q":     {""},
	}).Want(http.StatusSeeOther).Header.Get("Location")
	if back := v.Get(strings.Split(to, "#")[0]); !slices.Contains(back.Agents(), "bot-111") {
		t.Errorf("the form leads to %s", to)
	}
	wrong := v.Submit("/agents/limits", url.Values{
		"agent":   {"bot-115"},
		"budget":  {"x"},
		"reserve": {""},
		"q":       {""},
	}).Want(http.StatusUnprocessableEntity)
	if len(handlerstest.Marked(wrong.Agent("bot-115"), "field-problem")) != 1 {
		t.Error("the problem does not stand at its agent")
	}
}

// With a thousand agents a page, the badge and the home page stay small, and the allocations of a
// request are bounded. Not parallel, since it measures the allocations of the process.
func TestAThousandAgents(t *testing.T) {
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.ManyAgents("maya", 1000)
	v := s.SignIn("maya")
	for path, most := range map[string]int{
		"/agents":            256 << 10,
		"/agents?page=20":    256 << 10,
		"/":                  64 << 10,
		"/credits/badge?v=x": 8 << 10,
	} {
		if n := len(v.Get(path).Want(http.StatusOK).Body); n > most {
			t.Errorf("%s has %d bytes, at most %d are wanted", path, n, most)
		}
	}
	const requests, most = 20, 8 << 20 // measured: 4.8 MB, 6.5 MB with the race detector
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		v.Get("/agents").Want(http.StatusOK)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / requests; each > most {
		t.Errorf("a request allocates %d bytes, at most %d are wanted", each, most)
	} else {
		t.Logf("a request allocates %d bytes", each)
	}
	// All of them are out of tokens: the badge counts them and names a few.
	if _, err := s.DB.Pool.Exec(t.Context(),
		`update agents set state = 2, paused_since = now() where agent <> ''`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DB.Pool.Exec(t.Context(), `update ledger_accounts set paused_agents = 1000`); err != nil {
		t.Fatal(err)
	}
	for path, most := range map[string]int{
		"/agents":            256 << 10,
		"/":                  64 << 10,
		"/credits/badge?v=x": 16 << 10,
	} {
		if n := len(v.Get(path).Want(http.StatusOK).Body); n > most {
			t.Errorf("all stopped: %s has %d bytes, at most %d are wanted", path, n, most)
		}
	}
	if got := handlerstest.Text(v.Get("/agents").Badge()); !strings.Contains(got, "1000 paused") &&
		!strings.Contains(got, "1,000 paused") {
		t.Errorf("the badge says %q", got)
	}
}
