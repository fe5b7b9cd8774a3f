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

// The badge links to what it names: paused agents, or tokens. An empty balance still shows the
// number of paused agents.
func TestTheBadgeLeadsToWhatItSays(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "50")
	v := s.SignIn("maya")
	want := func(says, leads string) {
		t.Helper()
		badge := v.Get("/plans").Want(http.StatusOK).Badge()
		if got := handlerstest.Text(badge); got != says || handlerstest.Attr(badge, "href") != leads {
			t.Errorf(
				"the badge says %q and leads to %s, want %q and %s",
				got,
				handlerstest.Attr(badge, "href"),
				says,
				leads,
			)
		}
	}
	want("50 tokens", "/credits")
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"60"}`).Want(http.StatusPaymentRequired)
	want("50 tokens · 1 paused", "/agents")
	s.Charge("maya", `{"feature":"lip_sync","quantity":10}`)
	want("0 tokens · Empty, 1 paused", "/credits")
}

// Of two buttons that lead to the packs one is primary.
func TestOneLoudButtonOnCredits(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	if got := v.Get("/credits").PrimaryButtons(); len(got) != 1 || got[0] != "+ Buy More Credits" {
		t.Errorf("loud are %q", got)
	}
	s.Charge("maya", `{"feature":"auto_selling","amount":"182"}`)
	if got := v.Get("/credits").PrimaryButtons(); len(got) != 1 || got[0] != "+ Get More Credits" {
		t.Errorf("while low, loud are %q", got)
	}
}

// An old purchase shows its date, not the current balance.
func TestAnOldPurchaseSaysNothingOfNow(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	path, _ := v.BuyPack("pack_100")
	said := func() string { return handlerstest.Text(v.Get(path).Want(http.StatusOK).Element("purchase-text")) }
	if got := said(); got != "You now have 300." {
		t.Errorf("just paid, it says %q", got)
	}
	s.Clock.Advance(time.Hour + time.Second)
	if got := said(); got != "Bought today." {
		t.Errorf("later, it says %q", got)
	}
	s.Clock.Advance(48 * time.Hour)
	v = s.SignIn("maya")
	if got := said(); got != "Bought on Sunday." {
		t.Errorf("days later, it says %q", got)
	}
}

// A tool needs a text.
func TestAnEmptyPromptDoesNotRun(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	before := s.Contents()
	for _, nothing := range []string{"", "  \t "} {
		a := v.Submit("/tools", url.Values{
			"tool": {"lip_sync"},
			"text": {nothing},
			"key":  {"k"},
		}).Want(http.StatusUnprocessableEntity).WantElement("job", false)
		if got := handlerstest.Text(a.Element("field-problem")); got != "Type what it should be about." {
			t.Errorf("it says %q", got)
		}
	}
	s.WantUnchanged(before, "sessions")
	v.Submit("/tools", url.Values{
		"tool": {"lip_sync"},
		"text": {"a song"},
		"key":  {"k"},
	}).Want(http.StatusSeeOther)
	// The form keeps its text and options on the way to the packs and back.
	page := v.Get("/tools?tool=lip_sync&text=a+song&fail=1")
	if forms := handlerstest.Elements(page.Element("chosen"), func(n *html.Node) bool {
		return handlerstest.Attr(n, "data-draft") == "maya:lip_sync"
	}); len(forms) != 1 {
		t.Error("the script does not know whose draft it is")
	}
	ticked := handlerstest.Elements(page.Element("chosen"), func(n *html.Node) bool {
		return handlerstest.Attr(n, "name") == "fail" && hasAttr(n, "checked")
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

// The tokens of an upgrade are not shown as monthly tokens.
func TestAnUpgradeInTheHistory(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Clock.Advance(72 * time.Hour)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"pro"}`).Want(http.StatusOK)
	v := s.SignIn("maya")
	rows := handlerstest.Marked(v.Get("/credits/history").Want(http.StatusOK).HTML(), "history-row")
	if len(rows) != 2 || !strings.Contains(handlerstest.Text(rows[0]),
		"Pro plan tokens more tokens this month, with your new plan") ||
		!strings.Contains(handlerstest.Text(rows[1]), "Starter plan tokens your monthly tokens arrived") {
		t.Fatalf("the history says %q, %q", handlerstest.Text(rows[0]), handlerstest.Text(rows[1]))
	}
	s.Clock.Advance(30 * 24 * time.Hour)
	v = s.SignIn("maya")
	rows = handlerstest.Marked(v.Get("/credits/history").Want(http.StatusOK).HTML(), "history-row")
	if !strings.Contains(handlerstest.Text(rows[0]), "Pro plan tokens your monthly tokens arrived") {
		t.Errorf("the next month says %q", handlerstest.Text(rows[0]))
	}
}

// Unsubscribing can be undone on the same page, and repeated.
func TestUnsubscribingCanBeUndone(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	path := s.UnsubscribePath("maya")
	v := &handlerstest.Browser{Site: s}
	for range 2 {
		v.Submit(path, nil).Want(http.StatusOK).WantElement("resubscribe", true)
		if n := s.Count(unsubscribed); n != 1 {
			t.Errorf("%d unsubscribed", n)
		}
		for range 2 {
			v.Submit(path+"/undo", nil).
				Want(http.StatusOK).
				WantElement("resubscribed", true).
				WantElement("unsubscribed", false)
			if n := s.Count(unsubscribed); n != 0 {
				t.Errorf("%d unsubscribed after the undo", n)
			}
		}
		v.Get(path).Want(http.StatusOK).WantElement("unsubscribe-confirm", true)
		v.Get(path+"/undo").Want(http.StatusOK).WantElement("unsubscribe-confirm", true)
	}
	before := s.Contents()
	v.Submit("/unsubscribe/x/undo", nil).Want(http.StatusNotFound)
	s.WantUnchanged(before)
}

// A GET of a form's address, such as reloading a rejected form, redirects to the page that has the
// form.
func TestTheAddressOfAForm(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	path, _ := v.BuyPack("pack_100")
	checkout := v.Order("pack_100")
	v.Submit("/settings/auto-top-up", url.Values{
		"threshold": {"x"},
		"pack":      {""},
		"times":     {""},
		"limit":     {""},
	}).Want(http.StatusUnprocessableEntity)
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
		before := s.Contents()
		v.Get(from).WantRedirect(to)
		v.Get(to).Want(http.StatusOK)
		s.WantUnchanged(before, "sessions", "purchases")
	}
}

// Pages with different contents have different titles.
func TestEachPageHasItsTitle(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.ManyAgents("maya", 60)
	v := s.SignIn("maya")
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
		title := v.Get(path).Title()
		if other, twice := seen[title]; twice {
			t.Errorf("%s and %s are both called %q", other, path, title)
		}
		seen[title] = path
	}
	title := v.Get("/credits/history?tab=usage&feature=pdf_creation&from=2026-11-01&to=2026-11-20").Title()
	if !strings.HasPrefix(title, "Usage: PDF, from 2026-11-01, to 2026-11-20 · ") {
		t.Errorf("a filtered page is called %q", title)
	}
}
