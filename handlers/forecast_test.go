package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// openAnchored opens a Starter account whose next 200 tokens come on Thursday 3 December, 9 am.
func (s *site) openAnchored(account string) {
	s.t.Helper()
	s.call("PUT", "/v1/accounts/"+account,
		`{"plan":"starter","billing_anchor":"2026-11-03T09:00:00Z"}`).want(http.StatusCreated)
}

// daily spends an amount on comment replies on each of the coming days, at two minutes past two.
func (s *site) daily(account, amount string, days int) {
	s.t.Helper()
	for range days {
		s.clock.Advance(24 * time.Hour)
		s.charge(account, `{"feature":"social_comment_reply","amount":"`+amount+`"}`)
	}
}

// notices is the text of the notice on a page; empty when there is none.
func (v *visitor) notices() string {
	v.s.t.Helper()
	found := marked(v.get("/").want(http.StatusOK).page(), "notice")
	if len(found) == 0 {
		return ""
	}
	paragraphs := all(found[0], func(n *html.Node) bool { return n.Data == "p" })
	if len(paragraphs) != 1 {
		v.s.t.Fatalf("the notice has %d paragraphs", len(paragraphs))
	}
	return text(paragraphs[0])
}

func (v *visitor) wantNoticeText(want string) {
	v.s.t.Helper()
	if got := v.notices(); got != want {
		v.s.t.Errorf("the notice says\n %q, want\n %q", got, want)
	}
}

func TestTheLowNoticeSaysWhatStopsFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openAnchored("maya")
	s.charge("maya", `{"feature":"auto_selling","amount":"119.175"}`) // on the opening day, which counts for nothing
	s.daily("maya", "8.975", 7)
	s.clock.Advance(24 * time.Hour)
	// Monday, with 18 left: at 8.975 a day the last 0.05 are reached after (18 - 0.05) / 8.975 = 2 days.
	v := s.signIn("maya")
	v.wantNoticeText("18 tokens left. At this week's pace, Comment Replies stops around Wednesday, 14:00. Your next 200 arrive Thursday.")
	badge := v.poll(v.get("/credits").badge()).want(http.StatusOK).badge() // which sets the pace of a quiet shop
	v.poll(badge).want(http.StatusNoContent)
	// It goes on saying so while the time comes nearer, and at the new pace once today is worse
	// than the days before.
	s.charge("maya", `{"feature":"social_comment_reply","amount":"9.1375"}`)
	v.poll(badge).want(http.StatusOK).wantNotice("low")
	// 8.8625 left, 71.9625 in eight days are 8.9953125 a day: 8.8125 of them are 23 hours and a half.
	v.wantNoticeText("8.8625 tokens left. At this week's pace, Comment Replies stops around tomorrow, 14:00. Your next 200 arrive Thursday.")
	// Nothing is known of a shop that spent on its opening day alone: then what is left is good for
	// something.
	s.openAnchored("sam")
	s.charge("sam", `{"feature":"auto_selling","amount":"182"}`)
	s.clock.Set(start.AddDate(0, 0, 8))
	s.signIn("sam").wantNoticeText("18 tokens left: 1 image or about 360 replies. Your next 200 arrive Thursday.")
}

func TestAYoungAccountsNoticeSaysOnWhatItRests(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openAnchored("maya")
	s.daily("maya", "60", 3)
	v := s.signIn("maya")
	// Two complete days at 60, and 60 today: 20 are eight hours, less the last reply.
	v.wantNoticeText("20 tokens left. At the pace of the last 2 days, Comment Replies stops around today, 22:00. Your next 200 arrive on 3 December.")
}

func TestAWarningThreeDaysAhead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openAnchored("maya")
	s.daily("maya", "35", 2)
	s.clock.Advance(24 * time.Hour)
	v := s.signIn("maya")
	if got := v.notices(); got != "" {
		t.Errorf("130 tokens at 35 a day are more than three days: %q", got)
	}
	badge := v.get("/credits").badge()
	s.charge("maya", `{"feature":"social_comment_reply","amount":"30"}`)
	a := v.poll(badge).want(http.StatusOK).wantNotice("low").has("notice-dismiss", true).has("get-more-credits", true)
	if badge = a.badge(); attr(badge, "data-level") != "ok" {
		t.Errorf("the badge of 100 tokens is %q", attr(badge, "data-level"))
	}
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{"state": "ok"})
	// Wednesday: 100 at 35 a day are 2.857 days.
	v.wantNoticeText("100 tokens left. At the pace of the last 2 days, Comment Replies stops around Saturday, 11:00. Your next 200 arrive on 3 December.")
	// A hold takes nothing from it: the job may give its tokens back.
	s.post("/v1/accounts/maya/holds", `{"feature":"image_generation"}`).want(http.StatusCreated)
	v.wantNoticeText("100 tokens left, 10 of them in use. At the pace of the last 2 days, Comment Replies stops around Saturday, 11:00. Your next 200 arrive on 3 December.")
	v.submit("/credits/notice/dismiss", map[string][]string{"level": {"low"}}, "HX-Request",
		"true").want(http.StatusOK).wantNotice("")
	if got := v.notices(); got != "" {
		t.Errorf("it was put away: %q", got)
	}
	s.charge("maya", `{"feature":"social_comment_reply","amount":"61"}`) // 39 are left with those that are held
	if got := v.notices(); got == "" {
		t.Error("low is another level, and was not put away")
	}
}

func TestNoWarningWhenTheResetComesFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openAnchored("maya")
	s.charge("maya", `{"feature":"auto_selling","amount":"10"}`)
	s.daily("maya", "14", 9) // to Tuesday 1 December, two past two
	v := s.signIn("maya")
	// 64 left: 4.57 days at 14 a day. With 24 more spent today it is (98 + 38) / 8 = 17 a day: 40
	// are 2.35 days, and the allowance comes in 1.8.
	if s.charge("maya", `{"feature":"social_comment_reply","amount":"24"}`); v.notices() != "" {
		t.Errorf("the reset comes first: %q", v.notices())
	}
}
