package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// title is what the browser's tab says.
func (a answer) title() string {
	a.t.Helper()
	return text(head(a.want(http.StatusOK), "title"))
}

// The badge leads to what it says: stopped agents, or tokens. Empty does not hide how many agents
// are stopped.
func TestTheBadgeLeadsToWhatItSays(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "50")
	v := s.signIn("maya")
	want := func(says, leads string) {
		t.Helper()
		badge := v.get("/plans").want(http.StatusOK).badge()
		if got := text(badge); got != says || attr(badge, "href") != leads {
			t.Errorf("the badge says %q and leads to %s, want %q and %s", got, attr(badge, "href"), says, leads)
		}
	}
	want("50 tokens", "/credits")
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"60"}`).want(http.StatusPaymentRequired)
	want("50 tokens · 1 paused", "/agents")
	s.charge("maya", `{"feature":"lip_sync","quantity":10}`)
	want("0 tokens · Empty, 1 paused", "/credits")
}

// accents counts the loud buttons that a page shows.
func (a answer) accents() (labels []string) {
	a.t.Helper()
	for _, n := range all(a.page(), func(n *html.Node) bool { return n.Data == "a" || n.Data == "button" }) {
		if strings.Contains(" "+attr(n, "class")+" ", " bg-accent ") {
			labels = append(labels, text(n))
		}
	}
	return labels
}

// Of two buttons that lead to the packs one is loud.
func TestOneLoudButtonOnCredits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	if got := v.get("/credits").accents(); len(got) != 1 || got[0] != "+ Buy More Credits" {
		t.Errorf("loud are %q", got)
	}
	s.charge("maya", `{"feature":"auto_selling","amount":"182"}`)
	if got := v.get("/credits").accents(); len(got) != 1 || got[0] != "+ Get More Credits" {
		t.Errorf("while low, loud are %q", got)
	}
}

// An old purchase says when it was, not what the balance is now.
func TestAnOldPurchaseSaysNothingOfNow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	path, _ := v.bought("pack_100")
	said := func() string { return text(v.get(path).want(http.StatusOK).only("purchase-text")) }
	if got := said(); got != "You now have 300." {
		t.Errorf("just paid, it says %q", got)
	}
	s.clock.Advance(time.Hour + time.Second)
	if got := said(); got != "Bought today." {
		t.Errorf("later, it says %q", got)
	}
	s.clock.Advance(48 * time.Hour)
	v = s.signIn("maya")
	if got := said(); got != "Bought on Sunday." {
		t.Errorf("days later, it says %q", got)
	}
}

// A tool does not run without being told what for.
func TestAnEmptyPromptDoesNotRun(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	before := s.contents()
	for _, nothing := range []string{"", "  \t "} {
		a := v.submit("/tools", url.Values{
			"tool": {"lip_sync"},
			"text": {nothing},
			"key":  {"k"},
		}).want(http.StatusUnprocessableEntity).has("job", false)
		if got := text(a.only("field-problem")); got != "Type what it should be about." {
			t.Errorf("it says %q", got)
		}
	}
	s.unchanged(before, "sessions")
	v.submit("/tools", url.Values{
		"tool": {"lip_sync"},
		"text": {"a song"},
		"key":  {"k"},
	}).want(http.StatusSeeOther)
	// The way to the packs and back keeps what was typed and ticked.
	page := v.get("/tools?tool=lip_sync&text=a+song&fail=1")
	if forms := all(page.only("chosen"), func(n *html.Node) bool {
		return attr(n, "data-draft") == "maya:lip_sync"
	}); len(forms) != 1 {
		t.Error("the script does not know whose draft it is")
	}
	ticked := all(page.only("chosen"), func(n *html.Node) bool {
		return attr(n, "name") == "fail" && hasAttr(n, "checked")
	})
	if len(ticked) != 1 {
		t.Error("what was ticked is lost")
	}
}

func hasAttr(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// The tokens of an upgrade are no monthly tokens.
func TestAnUpgradeInTheHistory(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.clock.Advance(72 * time.Hour)
	s.call("PUT", "/v1/accounts/maya", `{"plan":"pro"}`).want(http.StatusOK)
	v := s.signIn("maya")
	rows := marked(v.get("/credits/history").want(http.StatusOK).page(), "history-row")
	if len(rows) != 2 || !strings.Contains(text(rows[0]),
		"Pro plan tokens more tokens this month, with your new plan") ||
		!strings.Contains(text(rows[1]), "Starter plan tokens your monthly tokens arrived") {
		t.Fatalf("the history says %q, %q", text(rows[0]), text(rows[1]))
	}
	s.clock.Advance(30 * 24 * time.Hour)
	v = s.signIn("maya")
	rows = marked(v.get("/credits/history").want(http.StatusOK).page(), "history-row")
	if !strings.Contains(text(rows[0]), "Pro plan tokens your monthly tokens arrived") {
		t.Errorf("the next month says %q", text(rows[0]))
	}
}

// Unsubscribing can be undone on the same page, and done again.
func TestUnsubscribingCanBeUndone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := s.unsubscribePath("maya")
	v := &visitor{s: s}
	for range 2 {
		v.submit(path, nil).want(http.StatusOK).has("resubscribe", true)
		if n := s.count(unsubscribed); n != 1 {
			t.Errorf("%d unsubscribed", n)
		}
		for range 2 {
			v.submit(path+"/undo", nil).want(http.StatusOK).has("resubscribed", true).has("unsubscribed", false)
			if n := s.count(unsubscribed); n != 0 {
				t.Errorf("%d unsubscribed after the undo", n)
			}
		}
		v.get(path).want(http.StatusOK).has("unsubscribe-confirm", true)
		v.get(path+"/undo").want(http.StatusOK).has("unsubscribe-confirm", true)
	}
	before := s.contents()
	v.submit("/unsubscribe/x/undo", nil).want(http.StatusNotFound)
	s.unchanged(before)
}

// Opening the address of a form, as after reloading the answer to a rejected one, leads to the page
// that has the form.
func TestTheAddressOfAForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	path, _ := v.bought("pack_100")
	checkout := v.order("pack_100")
	v.submit("/settings/auto-top-up", url.Values{
		"threshold": {"x"},
		"pack":      {""},
		"times":     {""},
		"limit":     {""},
	}).want(http.StatusUnprocessableEntity)
	for from, to := range map[string]string{
		"/settings/auto-top-up":     "/settings",
		"/settings/auto-top-up/off": "/settings",
		"/settings/card/forget":     "/settings",
		"/agents/limits":            "/agents",
		"/agents/switch":            "/agents",
		path + "/return":            path,
		path + "/cancel":            path,
		"/credits/notice/dismiss":   "/credits",
		checkout + "/pay":           checkout,
		checkout + "/decline":       checkout,
		checkout + "/cancel":        checkout,
	} {
		before := s.contents()
		v.get(from).leads(to)
		v.get(to).want(http.StatusOK)
		s.unchanged(before, "sessions", "purchases")
	}
}

// Pages that show different things have different titles in the browser's tabs and history.
func TestEachPageHasItsTitle(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.manyAgents("maya", 60)
	v := s.signIn("maya")
	seen := map[string]string{}
	for _, path := range []string{
		"/credits", "/credits?by=agent", "/credits?days=90", "/credits/history", "/credits/history?tab=usage",
		"/credits/history?tab=purchases",
		"/credits/history?kind=charge", "/credits/history?feature=pdf_creation", "/credits/history?agent=bot-7",
		"/credits/history?from=2026-11-01",
		"/credits/history?to=2026-11-01",
		"/credits/history?tab=usage&feature=pdf_creation&from=2026-11-01&to=2026-11-20", "/tools",
		"/tools?tool=lip_sync",
		"/tools?tool=pdf_creation", "/agents", "/agents?q=Agent", "/agents?page=2", "/agents?q=Agent&page=2",
	} {
		title := v.get(path).title()
		if other, twice := seen[title]; twice {
			t.Errorf("%s and %s are both called %q", other, path, title)
		}
		seen[title] = path
	}
	title := v.get("/credits/history?tab=usage&feature=pdf_creation&from=2026-11-01&to=2026-11-20").title()
	if !strings.HasPrefix(title, "Usage: PDF, from 2026-11-01, to 2026-11-20 · ") {
		t.Errorf("a filtered page is called %q", title)
	}
}
