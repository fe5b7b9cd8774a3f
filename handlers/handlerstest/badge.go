package handlerstest

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"
)

// Badge is the badge of a page or fragment.
func (a Response) Badge() *html.Node {
	a.T.Helper()
	return a.Element("badge")
}

// notice is the out-of-band part of a fragment that replaces or removes the notice.
func (a Response) notice() *html.Node {
	a.T.Helper()
	found := Elements(a.HTML(), func(n *html.Node) bool { return Attr(n, "id") == "notice" })
	if len(found) != 1 || Attr(found[0], "hx-swap-oob") != "innerMorph" {
		a.T.Fatalf("%s: the fragment has no place for the notice: %.1000s", a.Request, a.Body)
	}
	return found[0]
}

func (a Response) WantNotice(level string) Response {
	a.T.Helper()
	got := ""
	if found := Marked(a.notice(), "notice"); len(found) == 1 {
		got = Attr(found[0], "data-level")
	}
	if got != level {
		a.T.Errorf("%s: the notice is %q, want %q", a.Request, got, level)
	}
	return a
}

var pollTrigger = regexp.MustCompile(`^every [1-9][0-9]*ms, credits-changed from:body$`)

// Poll sends the poll of a badge.
func (v *Browser) Poll(badge *html.Node) Response {
	v.Site.T.Helper()
	path := Attr(badge, "hx-get")
	if !strings.HasPrefix(path, "/credits/badge?v=") || !pollTrigger.MatchString(Attr(badge, "hx-trigger")) ||
		Attr(badge, "hx-swap") != "outerMorph" {
		v.Site.T.Errorf("the badge asks %q on %q by %q", path, Attr(badge, "hx-trigger"), Attr(badge, "hx-swap"))
	}
	return v.Get(path, "HX-Request", "true")
}

// PollInterval is the badge's time to the next poll.
func (v *Browser) PollInterval() time.Duration {
	v.Site.T.Helper()
	trigger, _, _ := strings.Cut(Attr(v.Get("/credits/badge").Badge(), "hx-trigger"), ",")
	d, err := time.ParseDuration(strings.TrimPrefix(trigger, "every "))
	if err != nil {
		v.Site.T.Error(err)
	}
	return d
}

// OpenAnchored opens a Starter account whose next 200 tokens arrive on Thursday 3 December, 9 am.
func (s *Site) OpenAnchored(account string) {
	s.T.Helper()
	s.Call("PUT", "/v1/accounts/"+account,
		`{"plan":"starter","billing_anchor":"2026-11-03T09:00:00Z"}`).Want(http.StatusCreated)
}

// ChargeDaily charges comment replies on each of the next days, at 14:02.
func (s *Site) ChargeDaily(account, amount string, days int) {
	s.T.Helper()
	for range days {
		s.Clock.Advance(24 * time.Hour)
		s.Charge(account, `{"feature":"social_comment_reply","amount":"`+amount+`"}`)
	}
}

// NoticeTexts is the text of the notice on a page; empty if there is none.
func (v *Browser) NoticeTexts() string {
	v.Site.T.Helper()
	found := Marked(v.Get("/").Want(http.StatusOK).HTML(), "notice")
	if len(found) == 0 {
		return ""
	}
	paragraphs := Elements(found[0], func(n *html.Node) bool { return n.Data == "p" })
	if len(paragraphs) != 1 {
		v.Site.T.Fatalf("the notice has %d paragraphs", len(paragraphs))
	}
	return Text(paragraphs[0])
}

func (v *Browser) WantNoticeText(want string) {
	v.Site.T.Helper()
	if got := v.NoticeTexts(); got != want {
		v.Site.T.Errorf("the notice says\n %q, want\n %q", got, want)
	}
}

// RecapTexts are the lines about the time since the last visit, nil for none.
func (v *Browser) RecapTexts() []string {
	v.Site.T.Helper()
	var lines []string
	for _, line := range Marked(v.Get("/").Want(http.StatusOK).HTML(), "away-line") {
		lines = append(lines, Text(line))
	}
	return lines
}

func (v *Browser) WantRecapTexts(want ...string) {
	v.Site.T.Helper()
	if got := v.RecapTexts(); !slices.Equal(got, want) {
		v.Site.T.Errorf("while away: %q, want %q", got, want)
	}
}
