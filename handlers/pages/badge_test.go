package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
)

func TestTheBadgeIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	badge := v.Get("/credits").Want(http.StatusOK).Badge()
	for range 2 {
		if a := v.Poll(badge).Want(http.StatusNoContent); len(a.Body) > 0 {
			t.Errorf("204 with %q", a.Body)
		}
	}
	old := handlerstest.Attr(badge, "hx-get")
	s.Charge("maya", `{"feature":"brand_deal_scan"}`)
	a := v.Poll(badge).Want(http.StatusOK).WantNotice("")
	badge = a.Badge()
	if handlerstest.Text(badge) != "199.9 tokens" ||
		handlerstest.Attr(badge, "aria-label") != "Balance: 199.9 tokens" ||
		handlerstest.Attr(badge, "href") != "/credits" ||
		handlerstest.Attr(badge, "id") != "badge" {
		t.Errorf("the badge says %q, %q", handlerstest.Text(badge), handlerstest.Attr(badge, "aria-label"))
	}
	if handlerstest.Attr(badge, "hx-get") == old {
		t.Error("the new badge has the old version")
	}
	if n := len(handlerstest.Elements(a.HTML(), func(n *html.Node) bool {
		return handlerstest.Attr(n, "aria-live") != "" || handlerstest.Attr(n, "role") == "status"
	})); n > 0 {
		t.Error("the badge announces every change")
	}
	v.Poll(badge).Want(http.StatusNoContent)
	// An unknown version, or none, gets the badge.
	for _, query := range []string{"", "?v=", "?v=x", "?v=%3Cscript%3E", "?v=" + strings.Repeat("0", 5000)} {
		a := v.Get("/credits/badge"+query, "HX-Request", "true").Want(http.StatusOK)
		if handlerstest.Text(a.Badge()) != "199.9 tokens" || strings.Contains(string(a.Body), "<script") {
			t.Errorf("%q: %s", query, a.Body)
		}
	}
}

// The server sets the poll interval: short while jobs run, longer afterwards, longest for an idle
// account.
func TestTheBadgesPace(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for _, step := range []struct{ after, around time.Duration }{
		{0, 3 * time.Second},
		{2 * time.Minute, 30 * time.Second},
		{30 * time.Minute, 2 * time.Minute},
		{24 * time.Hour, 2 * time.Minute},
	} {
		s.Clock.Set(handlerstest.Start.Add(step.after))
		seen := map[time.Duration]bool{}
		for range 10 {
			d := v.PollInterval()
			if seen[d] = true; d < step.around*9/10 || d > step.around*11/10 {
				t.Errorf("%v after the last work it asks after %v", step.after, d)
			}
		}
		if len(seen) < 2 {
			t.Errorf("%v after the last work all tabs ask at once", step.after)
		}
	}
	s.Charge("maya", `{"feature":"brand_deal_scan"}`)
	if d := v.PollInterval(); d > 4*time.Second {
		t.Errorf("right after work it asks after %v", d)
	}
}

// An expiry changes no row, but polls see it.
func TestTheBadgeSeesAnExpiry(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Post("/v1/accounts/maya/grants", `{"amount":"5","kind":"promo","reason":"r","expires_at":"2026-11-22T14:03:00Z"}`).
		Want(http.StatusCreated)
	v := s.SignIn("maya")
	badge := v.Get("/").Badge()
	if handlerstest.Text(badge) != "205 tokens" {
		t.Errorf("the badge says %q", handlerstest.Text(badge))
	}
	before := s.Contents()
	s.Clock.Advance(time.Minute - time.Microsecond)
	v.Poll(badge).Want(http.StatusNoContent)
	s.Clock.Advance(time.Microsecond)
	if a := v.Poll(badge).Want(http.StatusOK); handlerstest.Text(a.Badge()) != "200 tokens" {
		t.Errorf("after the expiry it says %q", handlerstest.Text(a.Badge()))
	}
	s.WantUnchanged(before)
}

func TestTheNoticeComesAndGoes(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "50") // after it was empty, the low level lasts until a quarter above the threshold
	v := s.SignIn("maya")
	badge := v.Get("/credits").WantElement("notice", false).Badge()
	s.Charge("maya", `{"feature":"auto_selling","amount":"10"}`) // 40: exactly the threshold
	badge = v.Poll(badge).Want(http.StatusOK).WantNotice("").Badge()
	s.Charge("maya", `{"feature":"social_comment_reply"}`)
	a := v.Poll(badge).
		Want(http.StatusOK).
		WantNotice("low").
		WantElement("get-more-credits", true).
		WantElement("notice-dismiss", true)
	if badge = a.Badge(); handlerstest.Attr(badge, "data-level") != "low" ||
		handlerstest.Attr(badge, "aria-label") != "Balance: 39.95 tokens, low" {
		t.Errorf("the badge is %q, %q", handlerstest.Attr(badge, "data-level"), handlerstest.Attr(badge, "aria-label"))
	}
	for _, page := range []string{"/", "/credits", "/credits/history", "/plans", "/nothing-here"} {
		v.Get(page).WantElement("notice", true)
	}
	s.Charge("maya", `{"feature":"auto_selling","amount":"34.95"}`) // 5: enough for the cheapest tool
	badge = v.Poll(badge).Want(http.StatusOK).WantNotice("low").Badge()
	s.Charge("maya", `{"feature":"social_comment_reply"}`)
	badge = v.Poll(badge).Want(http.StatusOK).WantNotice("empty").WantElement("notice-dismiss", false).Badge()
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{"state": "empty"})
	s.Grant("maya", "100")
	badge = v.Poll(badge).Want(http.StatusOK).WantNotice("").Badge()
	v.Poll(badge).Want(http.StatusNoContent)
	v.Get("/credits").WantElement("notice", false)
}

func TestPuttingTheNoticeAway(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "30")
	v := s.SignIn("maya")
	badge := v.Get("/credits").WantElement("notice", true).Badge()
	a := v.Submit("/credits/notice/dismiss", map[string][]string{"level": {"low"}}, "HX-Request",
		"true").Want(http.StatusOK).WantNotice("")
	if next := a.Badge(); handlerstest.Attr(next, "data-level") != "low" ||
		handlerstest.Attr(next, "hx-get") == handlerstest.Attr(badge, "hx-get") {
		t.Errorf(
			"the badge after it is %q with %q",
			handlerstest.Attr(next, "data-level"),
			handlerstest.Attr(next, "hx-get"),
		)
	}
	// It stays dismissed, in other tabs too, until tokens have arrived and run low again.
	v.Poll(badge).Want(http.StatusOK).WantNotice("")
	v.Get("/").WantElement("notice", false)
	s.Charge("maya", `{"feature":"lip_sync"}`)
	v.Get("/").WantElement("notice", false)
	s.Grant("maya", "1")
	v.Get("/").WantElement("notice", true)
	// Without a script it is a form.
	v.Submit("/credits/notice/dismiss", nil).WantRedirect("/credits")
	v.Get("/credits").WantElement("notice", false)
	// The empty notice cannot be dismissed.
	s.Charge("maya", `{"feature":"auto_selling","amount":"26"}`)
	v.Get("/").WantElement("notice", true)
	before := s.Contents()
	v.Submit("/credits/notice/dismiss", nil, "HX-Request", "true").Want(http.StatusConflict)
	v.Submit("/credits/notice/dismiss", nil).Want(http.StatusConflict).WantElement("notice", true)
	s.WantUnchanged(before)
}

// "Not now" from a tab that is older than the last grant dismisses nothing: the next low notice is
// shown.
func TestALateNotNow(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "30")
	v := s.SignIn("maya")
	v.Get("/credits").WantElement("notice", true)
	s.Grant("maya", "100")
	before := s.Contents()
	v.Submit("/credits/notice/dismiss", nil, "HX-Request", "true").Want(http.StatusOK).WantNotice("")
	v.Submit("/credits/notice/dismiss", nil).WantRedirect("/credits")
	s.WantUnchanged(before)
	s.Charge("maya", `{"feature":"auto_selling","amount":"100"}`)
	v.Get("/credits").WantElement("notice", true)
}

func TestTheBadgeOfASessionThatEnded(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	badge := v.Get("/credits").Badge()
	s.Clock.Advance(15 * 24 * time.Hour)
	a := v.Poll(badge).Want(http.StatusUnauthorized)
	if a.Header.Get("HX-Redirect") != "" || len(a.Body) > 0 {
		t.Errorf("HX-Redirect is %q, body %q", a.Header.Get("HX-Redirect"), a.Body)
	}
}
