package pages_test

import (
	"net/http"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

func TestTheLowNoticeSaysWhatStopsFirst(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenAnchored("maya")
	s.Charge("maya", `{"feature":"auto_selling","amount":"119.175"}`) // on the opening day, which is ignored
	s.ChargeDaily("maya", "8.975", 7)
	s.Clock.Advance(24 * time.Hour)
	// Monday, with 18 left: at 8.975 a day the last 0.05 are reached after (18 - 0.05) / 8.975 = 2 days.
	v := s.SignIn("maya")
	v.WantNoticeText(
		"18 tokens left. At this week's pace, Comment Replies stops around Wednesday, 14:00. Your next 200 arrive Thursday.",
	)
	badge := v.Poll(v.Get("/credits").Badge()).Want(http.StatusOK).Badge() // which sets the interval of an idle account
	v.Poll(badge).Want(http.StatusNoContent)
	// The estimate stays as its time approaches, and changes once today's usage exceeds that of the
	// days before.
	s.Charge("maya", `{"feature":"social_comment_reply","amount":"9.1375"}`)
	v.Poll(badge).Want(http.StatusOK).WantNotice("low")
	// 8.8625 left, 71.9625 in eight days are 8.9953125 a day: 8.8125 of them are 23 hours and a half.
	v.WantNoticeText(
		"8.8625 tokens left. At this week's pace, Comment Replies stops around tomorrow, 14:00. Your next 200 arrive Thursday.",
	)
	// Usage on the opening day alone allows no estimate: the notice then shows equivalents.
	s.OpenAnchored("sam")
	s.Charge("sam", `{"feature":"auto_selling","amount":"182"}`)
	s.Clock.Set(handlerstest.Start.AddDate(0, 0, 8))
	s.SignIn("sam").WantNoticeText("18 tokens left: 1 image or about 360 replies. Your next 200 arrive Thursday.")
}

func TestAYoungAccountsNoticeSaysOnWhatItRests(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenAnchored("maya")
	s.ChargeDaily("maya", "60", 3)
	v := s.SignIn("maya")
	// Two complete days at 60, and 60 today: 20 are eight hours, less the last reply.
	v.WantNoticeText(
		"20 tokens left. At the pace of the last 2 days, Comment Replies stops around today, 22:00. Your next 200 arrive on 3 December.",
	)
}

func TestAWarningThreeDaysAhead(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenAnchored("maya")
	s.ChargeDaily("maya", "35", 2)
	s.Clock.Advance(24 * time.Hour)
	v := s.SignIn("maya")
	if got := v.NoticeTexts(); got != "" {
		t.Errorf("130 tokens at 35 a day are more than three days: %q", got)
	}
	badge := v.Get("/credits").Badge()
	s.Charge("maya", `{"feature":"social_comment_reply","amount":"30"}`)
	a := v.Poll(badge).
		Want(http.StatusOK).
		WantNotice("low").
		WantElement("notice-dismiss", true).
		WantElement("get-more-credits", true)
	if badge = a.Badge(); handlerstest.Attr(badge, "data-level") != "ok" {
		t.Errorf("the badge of 100 tokens is %q", handlerstest.Attr(badge, "data-level"))
	}
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{"state": "ok"})
	// Wednesday: 100 at 35 a day are 2.857 days.
	v.WantNoticeText(
		"100 tokens left. At the pace of the last 2 days, Comment Replies stops around Saturday, 11:00. Your next 200 arrive on 3 December.",
	)
	// A hold does not reduce it: the job may release its tokens.
	s.Post("/v1/accounts/maya/holds", `{"feature":"image_generation"}`).Want(http.StatusCreated)
	v.WantNoticeText(
		"100 tokens left, 10 of them in use. At the pace of the last 2 days, Comment Replies stops around Saturday, 11:00. Your next 200 arrive on 3 December.",
	)
	v.Submit("/credits/notice/dismiss", map[string][]string{"level": {"low"}}, "HX-Request",
		"true").Want(http.StatusOK).WantNotice("")
	if got := v.NoticeTexts(); got != "" {
		t.Errorf("it was put away: %q", got)
	}
	s.Charge("maya", `{"feature":"social_comment_reply","amount":"61"}`) // 39 are left with those that are held
	if got := v.NoticeTexts(); got == "" {
		t.Error("low is another level, and was not put away")
	}
}

func TestNoWarningWhenTheResetComesFirst(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenAnchored("maya")
	s.Charge("maya", `{"feature":"auto_selling","amount":"10"}`)
	s.ChargeDaily("maya", "14", 9) // to Tuesday 1 December, two past two
	v := s.SignIn("maya")
	// 64 left: 4.57 days at 14 a day. With 24 more spent today it is (98 + 38) / 8 = 17 a day: 40
	// are 2.35 days, and the allowance comes in 1.8.
	if s.Charge("maya", `{"feature":"social_comment_reply","amount":"24"}`); v.NoticeTexts() != "" {
		t.Errorf("the reset comes first: %q", v.NoticeTexts())
	}
}
