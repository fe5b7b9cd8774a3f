package pages_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// The chart adds up usage per day of the billing zone, for the requested range. A refund reduces
// the day of its work.
func TestUsageOnTheCreditsPage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"star","billing_zone":"Pacific/Auckland"}`).Want(http.StatusCreated)
	v := s.SignIn("maya")
	if got := handlerstest.Text(v.Get("/credits").Element("usage-empty")); !strings.HasPrefix(got,
		"Nothing used yet") {
		t.Errorf("%q", got)
	}
	pdf := s.Charge("maya", `{"feature":"pdf_creation"}`)["id"].(string)
	s.Charge("maya", `{"feature":"social_comment_reply","quantity":20,"agent":"replies"}`)
	s.Clock.Advance(9 * time.Hour) // another day in UTC, the same in Auckland
	s.Charge("maya", `{"feature":"social_comment_reply","quantity":30,"agent":"replies"}`)
	s.Clock.Advance(24 * time.Hour)
	s.Post("/v1/accounts/maya/charges/"+pdf+"/refund", `{"reason":"r"}`).Want(http.StatusCreated)
	s.Charge("maya", `{"feature":"social_comment_reply","quantity":10,"agent":"night-watch"}`)

	for path, want := range map[string]string{
		"/credits":                 "Today 0.5 0.5 0|Mon 23 Nov 2.5 2.5 0|Sun 22 Nov 0 0 0",
		"/credits?days=7":          "Today 0.5 0.5 0|Mon 23 Nov 2.5 2.5 0|Sun 22 Nov 0 0 0",
		"/credits?days=7&by=agent": "Today 0.5 0 0.5 0|Mon 23 Nov 2.5 2.5 0 0|Sun 22 Nov 0 0 0 0",
		"/credits?days=90":         "18 to 24 Nov 3 3 0|11 to 17 Nov 0 0 0|4 to 10 Nov 0 0 0",
	} {
		a := v.Get(path).Want(http.StatusOK)
		if rows := a.UsageRows(); len(rows) < 7 || strings.Join(rows[:3], "|") != want {
			t.Errorf("%s: %q, want %q", path, rows[:min(len(rows), 3)], want)
		}
	}
	a := v.Get("/credits?by=agent&days=7")
	var names []string
	for _, line := range handlerstest.Marked(a.HTML(), "usage-series") {
		names = append(names, handlerstest.Text(line))
	}
	if got := strings.Join(names, "|"); got !=
		"Comment Replies (replies) 2.5|Comment Replies (night-watch) 0.5|You, without an agent 0" {
		t.Errorf("by agent: %q", got)
	}
}

// A feature or agent has the same colour in every range, whatever it and others used.
func TestASeriesKeepsItsColour(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "5000")
	v := s.SignIn("maya")
	features := []string{
		"image_generation", "photoshoot", "video_5s", "video_10s", "motion_reference_video", "lip_sync",
		"voice_dubbing", "pdf_creation", "social_comment_reply",
		"comment_to_dm", "brand_deal_scan",
	}
	known := map[string]map[string]string{"feature": {}, "agent": {}}
	for i := range 3 * len(features) {
		s.Charge("maya", fmt.Sprintf(`{"feature":%q,"agent":"agent-%d"}`, features[i*4%len(features)], i%3))
		if i%5 == 4 {
			s.Clock.Advance(4 * 24 * time.Hour)
		}
		for by, colours := range known {
			path := fmt.Sprintf("/credits?by=%s&days=%d", by, []int{7, 30, 90}[i%3])
			seen := map[string]string{}
			for name, colour := range v.Get(path).Want(http.StatusOK).SeriesColours() {
				if name == "Everything else" {
					continue
				}
				if other, twice := seen[colour]; twice {
					t.Errorf("%s: %q and %q have the colour %q", path, name, other, colour)
				}
				seen[colour] = name
				if before, ok := colours[name]; ok && before != colour {
					t.Errorf("%s: %q has the colour %q, and had %q", path, name, colour, before)
				}
				colours[name] = colour
			}
		}
	}
	if len(known["feature"]) < 9 || len(known["agent"]) != 4 { // three agents, and work without one
		t.Errorf("%d features and %d agents were seen", len(known["feature"]), len(known["agent"]))
	}
}

// A thousand agents are eight lines, and the page is no longer than with eight.
func TestAThousandAgentsAreEightLines(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "3000000")
	var charges []string
	for n := range 1000 {
		charges = append(
			charges,
			fmt.Sprintf(
				`{"account":"maya","idempotency_key":"k%d","feature":"lip_sync","quantity":%d,"agent":"agent-%04d"}`,
				n,
				n+1,
				n,
			),
		)
	}
	s.Call("POST", "/v1/charges", `{"charges":[`+strings.Join(charges, ",")+`]}`).Want(http.StatusOK)
	a := s.SignIn("maya").Get("/credits?by=agent&days=7").Want(http.StatusOK)
	lines := handlerstest.Marked(a.HTML(), "usage-series")
	if len(lines) != 8 || handlerstest.Text(lines[0]) != "Lip sync (agent-0999) 5,000" ||
		handlerstest.Text(lines[7]) != "Everything else 2,467,805" {
		t.Errorf(
			"%d lines, from %q to %q",
			len(lines),
			handlerstest.Text(lines[0]),
			handlerstest.Text(lines[len(lines)-1]),
		)
	}
	if len(a.Body) > 100_000 {
		t.Errorf("the page has %d bytes", len(a.Body))
	}
}

// The forecast names the pace it is based on. Without enough usage there is none.
func TestTheForecastOnTheCreditsPage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.Get("/credits").WantElement("forecast", false)
	for range 4 {
		s.Charge("maya", `{"feature":"auto_selling","amount":"20"}`)
		v.Get("/credits").Want(http.StatusOK)
		s.Clock.Advance(24 * time.Hour)
	}
	got := handlerstest.Text(v.Get("/credits").Element("forecast"))
	if want := "At the pace of the last 3 days (about 20 tokens a day) your tokens last until Wednesday; your plan resets on 22 December."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Post("/v1/accounts/maya/grants", `{"amount":"500","kind":"promo","reason":"a test","expires_at":"2026-12-01T14:02:00Z"}`).
		Want(http.StatusCreated)
	if got := handlerstest.Text(v.Get("/credits").Element("expiry")); !strings.HasPrefix(got, "About ") ||
		!strings.HasSuffix(got, " gift tokens will expire unused on Tuesday.") {
		t.Errorf("%q", got)
	}
	v.Get("/credits/buy").Want(http.StatusOK)
}

// The advice is shown beside the packs and on the Credits page.
func TestAdviceBesideThePacks(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for range 4 {
		s.Charge("maya", `{"feature":"auto_selling","amount":"40"}`)
		s.Clock.Advance(24 * time.Hour)
	}
	for _, path := range []string{"/credits/buy", "/credits"} {
		advice := handlerstest.Marked(v.Get(path).Want(http.StatusOK).HTML(), "advice")
		if len(advice) != 1 ||
			!strings.HasPrefix(handlerstest.Text(advice[0]), "If you buy, 1,000 tokens for $69.00 ") {
			t.Errorf("%s: %d pieces of advice", path, len(advice))
		}
	}
	s.Clock.Advance(25 * 24 * time.Hour) // a day before the reset
	got := handlerstest.Text(s.SignIn("maya").Get("/credits/buy").Want(http.StatusOK).Element("advice"))
	if !strings.HasPrefix(got, "Your 200 arrive tomorrow") {
		t.Errorf("%q", got)
	}
}

// The guide explains tokens with the creator's own numbers.
func TestTheGuide(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "42.5")
	a := s.SignIn("maya").Get("/credits/how-tokens-work").Want(http.StatusOK)
	var prices []string
	for _, row := range handlerstest.Marked(a.HTML(), "price-row") {
		var cells []string
		for _, cell := range handlerstest.Elements(row, handlerstest.IsCell) {
			cells = append(cells, handlerstest.Text(cell))
		}
		prices = append(prices, strings.TrimSpace(strings.Join(cells, " ")))
	}
	want := []string{
		"AI image 10 4", "AI photoshoot 10 4", "5-second video 30 1", "10-second video 50 7.5 short",
		"Motion-reference video 55 12.5 short", "Lip sync 5 8",
		"Voice dubbing 5 8", "PDF 75 32.5 short", "Comment Replies about 0.05 about 850",
		"Comment to DM about 0.05 about 850", "Brand Deal Scans about 0.1 about 425",
		"Auto Selling by activity",
	}
	if strings.Join(prices, "|") != strings.Join(want, "|") {
		t.Errorf("%q", prices)
	}
	said := handlerstest.Text(a.HTML())
	for _, part := range []string{"One ten-second video takes 50: with your 42.5 it won't run until you have 7.5 more", "Packs start at 100 tokens for $9.00 and never expire.", "Tue 22 Dec"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not said", part)
		}
	}
	for _, path := range []string{"/", "/credits", "/plans"} {
		if body := string(s.SignIn("maya").Get(path).Body); !strings.Contains(body,
			`href="/credits/how-tokens-work"`) {
			t.Errorf("%s does not lead there", path)
		}
	}
}

// A row, the chart and the filter show the agents' names.
func TestAgentsGoByTheirNames(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"star"}`).Want(http.StatusCreated)
	for _, agent := range []string{"replies-eu", "replies-us", "scout"} {
		feature := map[bool]string{true: "brand_deal_scan", false: "social_comment_reply"}[agent == "scout"]
		s.Charge("maya", `{"feature":"`+feature+`","quantity":20,"agent":"`+agent+`"}`)
	}
	s.Call("PUT", "/v1/accounts/maya/agents/replies-us", `{"name":"Night watch"}`).Want(http.StatusOK)
	v := s.SignIn("maya")
	for _, path := range []string{"/", "/credits", "/credits?by=agent", "/credits/history"} {
		page := handlerstest.Text(v.Get(path).Want(http.StatusOK).HTML())
		if !strings.Contains(page, "Night watch") || strings.Contains(page, "replies-") {
			t.Errorf("%s: %s", path, page)
		}
	}
	filtered := v.Get("/credits/history?agent=replies-us").Want(http.StatusOK).HTML()
	if rows := handlerstest.Marked(filtered, "history-row"); len(rows) != 1 ||
		!strings.Contains(handlerstest.Text(rows[0]), "20 replies, by Night watch") {
		t.Errorf("filtered by the agent: %d rows", len(rows))
	}
	s.Call("PUT", "/v1/accounts/maya/agents/replies-us", `{"name":"Comment Replies"}`).Want(http.StatusOK)
	if page := handlerstest.Text(v.Get("/credits/history").HTML()); !strings.Contains(page,
		"by Comment Replies (replies-eu)") || !strings.Contains(page, "by Comment Replies (replies-us)") {
		t.Errorf("two of one name cannot be told apart: %s", page)
	}
}
