package handlers_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// away is what the home page tells of the time since the last visit, nil for nothing.
func (v *visitor) away() []string {
	v.s.t.Helper()
	var lines []string
	for _, line := range marked(v.get("/").want(http.StatusOK).page(), "away-line") {
		lines = append(lines, text(line))
	}
	return lines
}

func (v *visitor) wantAway(want ...string) {
	v.s.t.Helper()
	if got := v.away(); !slices.Equal(got, want) {
		v.s.t.Errorf("while away: %q, want %q", got, want)
	}
}

// What happened since the last visit is told throughout the next one, and only what the books say.
func TestWhileYouWereAway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", "/v1/accounts/maya/agents/dms",
		`{"name":"DM Automation","feature":"comment_to_dm"}`).want(http.StatusCreated)
	s.call("PUT", "/v1/accounts/maya/agents/seller",
		`{"name":"Auto Selling","feature":"auto_selling"}`).want(http.StatusCreated)
	v := s.signIn("maya")
	v.wantAway() // a first visit
	s.charge("maya", `{"feature":"lip_sync"}`)
	s.clock.Advance(29 * time.Minute)
	v.wantAway() // the same visit
	s.charge("maya", `{"feature":"lip_sync"}`)
	s.clock.Advance(time.Hour)
	v.wantAway("5 tokens spent.")

	s.clock.Advance(time.Hour)
	refunded := s.charge("maya", `{"feature":"pdf_creation"}`)["id"].(string)
	s.post("/v1/accounts/maya/charges/"+refunded+"/refund", `{"reason":"r"}`).want(http.StatusCreated)
	s.charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"190"}`)
	s.post("/v1/accounts/maya/charges", `{"feature":"comment_to_dm","agent":"dms"}`).want(http.StatusPaymentRequired)
	s.clock.Advance(time.Minute)
	s.grant("maya", "12")
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"13"}`).want(http.StatusPaymentRequired)
	s.clock.Advance(time.Hour)
	want := []string{
		"190 tokens spent.", "12 tokens arrived from your plan and gifts.", "DM Automation stopped, and is back on.",
		"Auto Selling: paused since 16:32: out of tokens. 1 request wasn't handled. Add tokens and it restarts by itself, for new ones.",
	}
	got := v.away()
	if !slices.Equal(got, want) {
		t.Errorf("while away:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.clock.Advance(10 * time.Minute)
	v.wantAway(got...) // still the same visit

	// Another account in the same browser, and a cookie that says nonsense, know of no last visit.
	for _, visits := range []string{v.visits, "visits=x.y.z", "visits=" + strings.Repeat("9", 4000), "visits=..."} {
		other := s.signIn("maya")
		if visits == v.visits {
			s.open("eve", "starter")
			other = s.signIn("eve")
		}
		other.visits = visits
		other.wantAway()
	}
}
