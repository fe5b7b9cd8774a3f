package handlers_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// badge is the badge of a page or fragment.
func (a answer) badge() *html.Node {
	a.t.Helper()
	return a.only("badge")
}

// notice is the out-of-band part of a fragment: where the notice goes, or is taken away.
func (a answer) notice() *html.Node {
	a.t.Helper()
	found := all(a.page(), func(n *html.Node) bool { return attr(n, "id") == "notice" })
	if len(found) != 1 || attr(found[0], "hx-swap-oob") != "innerMorph" {
		a.t.Fatalf("%s: the fragment has no place for the notice: %.1000s", a.to, a.body)
	}
	return found[0]
}

func (a answer) wantNotice(level string) answer {
	a.t.Helper()
	got := ""
	if found := marked(a.notice(), "notice"); len(found) == 1 {
		got = attr(found[0], "data-level")
	}
	if got != level {
		a.t.Errorf("%s: the notice is %q, want %q", a.to, got, level)
	}
	return a
}

var pollTrigger = regexp.MustCompile(`^every [1-9][0-9]*ms, credits-changed from:body$`)

// poll asks what a badge asks.
func (v *visitor) poll(badge *html.Node) answer {
	v.s.t.Helper()
	path := attr(badge, "hx-get")
	if !strings.HasPrefix(path, "/credits/badge?v=") || !pollTrigger.MatchString(attr(badge, "hx-trigger")) ||
		attr(badge, "hx-swap") != "outerMorph" {
		v.s.t.Errorf("the badge asks %q on %q by %q", path, attr(badge, "hx-trigger"), attr(badge, "hx-swap"))
	}
	return v.get(path, "HX-Request", "true")
}

func TestTheBadgeIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	badge := v.get("/credits").want(http.StatusOK).badge()
	for range 2 {
		if a := v.poll(badge).want(http.StatusNoContent); len(a.body) > 0 {
			t.Errorf("204 with %q", a.body)
		}
	}
	old := attr(badge, "hx-get")
	s.charge("maya", `{"feature":"brand_deal_scan"}`)
	a := v.poll(badge).want(http.StatusOK).wantNotice("")
	badge = a.badge()
	if text(badge) != "199.9 tokens" || attr(badge, "aria-label") != "Balance: 199.9 tokens" ||
		attr(badge, "href") != "/credits" || attr(badge, "id") != "badge" {
		t.Errorf("the badge says %q, %q", text(badge), attr(badge, "aria-label"))
	}
	if attr(badge, "hx-get") == old {
		t.Error("the new badge has the old version")
	}
	if n := len(all(a.page(), func(n *html.Node) bool {
		return attr(n, "aria-live") != "" || attr(n, "role") == "status"
	})); n > 0 {
		t.Error("the badge announces every change")
	}
	v.poll(badge).want(http.StatusNoContent)
	// A version that never was, or none, gets the badge.
	for _, query := range []string{"", "?v=", "?v=x", "?v=%3Cscript%3E", "?v=" + strings.Repeat("0", 5000)} {
		a := v.get("/credits/badge"+query, "HX-Request", "true").want(http.StatusOK)
		if text(a.badge()) != "199.9 tokens" || strings.Contains(string(a.body), "<script") {
			t.Errorf("%q: %s", query, a.body)
		}
	}
}

// pause is how soon the badge asks again.
func (v *visitor) pause() time.Duration {
	v.s.t.Helper()
	trigger, _, _ := strings.Cut(attr(v.get("/credits/badge").badge(), "hx-trigger"), ",")
	d, err := time.ParseDuration(strings.TrimPrefix(trigger, "every "))
	if err != nil {
		v.s.t.Error(err)
	}
	return d
}

// The server sets the pace: quick while work runs, slower when it is quiet, slow when nothing has
// happened for long.
func TestTheBadgesPace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for _, step := range []struct{ after, around time.Duration }{
		{0, 3 * time.Second},
		{2 * time.Minute, 30 * time.Second},
		{30 * time.Minute, 2 * time.Minute},
		{24 * time.Hour, 2 * time.Minute},
	} {
		s.clock.Set(start.Add(step.after))
		seen := map[time.Duration]bool{}
		for range 10 {
			d := v.pause()
			if seen[d] = true; d < step.around*9/10 || d > step.around*11/10 {
				t.Errorf("%v after the last work it asks after %v", step.after, d)
			}
		}
		if len(seen) < 2 {
			t.Errorf("%v after the last work all tabs ask at once", step.after)
		}
	}
	s.charge("maya", `{"feature":"brand_deal_scan"}`)
	if d := v.pause(); d > 4*time.Second {
		t.Errorf("right after work it asks after %v", d)
	}
}

// An expiry changes no row, and is seen all the same.
func TestTheBadgeSeesAnExpiry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.post("/v1/accounts/maya/grants", `{"amount":"5","kind":"promo","reason":"r","expires_at":"2026-11-22T14:03:00Z"}`).want(http.StatusCreated)
	v := s.signIn("maya")
	badge := v.get("/").badge()
	if text(badge) != "205 tokens" {
		t.Errorf("the badge says %q", text(badge))
	}
	before := s.contents()
	s.clock.Advance(time.Minute - time.Microsecond)
	v.poll(badge).want(http.StatusNoContent)
	s.clock.Advance(time.Microsecond)
	if a := v.poll(badge).want(http.StatusOK); text(a.badge()) != "200 tokens" {
		t.Errorf("after the expiry it says %q", text(a.badge()))
	}
	s.unchanged(before)
}

func TestTheNoticeComesAndGoes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "50") // after it was empty: low is up to a quarter above the threshold
	v := s.signIn("maya")
	badge := v.get("/credits").has("notice", false).badge()
	s.charge("maya", `{"feature":"auto_selling","amount":"10"}`) // 40: just the threshold
	badge = v.poll(badge).want(http.StatusOK).wantNotice("").badge()
	s.charge("maya", `{"feature":"social_comment_reply"}`)
	a := v.poll(badge).want(http.StatusOK).wantNotice("low").has("get-more-credits", true).has("notice-dismiss", true)
	if badge = a.badge(); attr(badge, "data-level") != "low" ||
		attr(badge, "aria-label") != "Balance: 39.95 tokens, low" {
		t.Errorf("the badge is %q, %q", attr(badge, "data-level"), attr(badge, "aria-label"))
	}
	for _, page := range []string{"/", "/credits", "/credits/history", "/plans", "/nothing-here"} {
		v.get(page).has("notice", true)
	}
	s.charge("maya", `{"feature":"auto_selling","amount":"34.95"}`) // 5: still enough for the cheapest tool
	badge = v.poll(badge).want(http.StatusOK).wantNotice("low").badge()
	s.charge("maya", `{"feature":"social_comment_reply"}`)
	badge = v.poll(badge).want(http.StatusOK).wantNotice("empty").has("notice-dismiss", false).badge()
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{"state": "empty"})
	s.grant("maya", "100")
	badge = v.poll(badge).want(http.StatusOK).wantNotice("").badge()
	v.poll(badge).want(http.StatusNoContent)
	v.get("/credits").has("notice", false)
}

func TestPuttingTheNoticeAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "30")
	v := s.signIn("maya")
	badge := v.get("/credits").has("notice", true).badge()
	a := v.submit("/credits/notice/dismiss", map[string][]string{"level": {"low"}}, "HX-Request",
		"true").want(http.StatusOK).wantNotice("")
	if next := a.badge(); attr(next, "data-level") != "low" || attr(next, "hx-get") == attr(badge, "hx-get") {
		t.Errorf("the badge after it is %q with %q", attr(next, "data-level"), attr(next, "hx-get"))
	}
	// It stays away, in other tabs too, until tokens have come and run low again.
	v.poll(badge).want(http.StatusOK).wantNotice("")
	v.get("/").has("notice", false)
	s.charge("maya", `{"feature":"lip_sync"}`)
	v.get("/").has("notice", false)
	s.grant("maya", "1")
	v.get("/").has("notice", true)
	// Without a script it is a form.
	v.submit("/credits/notice/dismiss", nil).leads("/credits")
	v.get("/credits").has("notice", false)
	// Empty is another matter, and stays.
	s.charge("maya", `{"feature":"auto_selling","amount":"26"}`)
	v.get("/").has("notice", true)
	before := s.contents()
	v.submit("/credits/notice/dismiss", nil, "HX-Request", "true").want(http.StatusConflict)
	v.submit("/credits/notice/dismiss", nil).want(http.StatusConflict).has("notice", true)
	s.unchanged(before)
}

// "Not now" from a tab that shows what was true before tokens came puts nothing away: the next low
// notice comes.
func TestALateNotNow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "30")
	v := s.signIn("maya")
	v.get("/credits").has("notice", true)
	s.grant("maya", "100")
	before := s.contents()
	v.submit("/credits/notice/dismiss", nil, "HX-Request", "true").want(http.StatusOK).wantNotice("")
	v.submit("/credits/notice/dismiss", nil).leads("/credits")
	s.unchanged(before)
	s.charge("maya", `{"feature":"auto_selling","amount":"100"}`)
	v.get("/credits").has("notice", true)
}

func TestTheBadgeOfASessionThatEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	badge := v.get("/credits").badge()
	s.clock.Advance(15 * 24 * time.Hour)
	a := v.poll(badge).want(http.StatusUnauthorized)
	if a.header.Get("HX-Redirect") != "" || len(a.body) > 0 {
		t.Errorf("HX-Redirect is %q, body %q", a.header.Get("HX-Redirect"), a.body)
	}
}
