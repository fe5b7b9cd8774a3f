package pages_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// During a visit the home page lists what happened since the previous visit, from ledger entries
// alone.
func TestWhileYouWereAway(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", "/v1/accounts/maya/agents/dms",
		`{"name":"DM Automation","feature":"comment_to_dm"}`).Want(http.StatusCreated)
	s.Call("PUT", "/v1/accounts/maya/agents/seller",
		`{"name":"Auto Selling","feature":"auto_selling"}`).Want(http.StatusCreated)
	v := s.SignIn("maya")
	v.WantRecapTexts() // a first visit
	s.Charge("maya", `{"feature":"lip_sync"}`)
	s.Clock.Advance(29 * time.Minute)
	v.WantRecapTexts() // the same visit
	s.Charge("maya", `{"feature":"lip_sync"}`)
	s.Clock.Advance(time.Hour)
	v.WantRecapTexts("5 tokens spent.")

	s.Clock.Advance(time.Hour)
	refunded := s.Charge("maya", `{"feature":"pdf_creation"}`)["id"].(string)
	s.Post("/v1/accounts/maya/charges/"+refunded+"/refund", `{"reason":"r"}`).Want(http.StatusCreated)
	s.Charge("maya", `{"feature":"auto_selling","agent":"seller","amount":"190"}`)
	s.Post("/v1/accounts/maya/charges", `{"feature":"comment_to_dm","agent":"dms"}`).Want(http.StatusPaymentRequired)
	s.Clock.Advance(time.Minute)
	s.Grant("maya", "12")
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","agent":"seller","amount":"13"}`).Want(http.StatusPaymentRequired)
	s.Clock.Advance(time.Hour)
	want := []string{
		"190 tokens spent.", "12 tokens arrived from your plan and gifts.", "DM Automation stopped, and is back on.",
		"Auto Selling: paused since 16:32: out of tokens. 1 request wasn't handled. Add tokens and it restarts by itself, for new ones.",
	}
	got := v.RecapTexts()
	if !slices.Equal(got, want) {
		t.Errorf("while away:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	s.Clock.Advance(10 * time.Minute)
	v.WantRecapTexts(got...) // still the same visit

	// Another account in the same browser, and an invalid cookie, have no previous visit.
	for _, visits := range []string{
		v.VisitsCookie, "visits=x.y.z", "visits=" + strings.Repeat("9", 4000),
		"visits=...",
	} {
		other := s.SignIn("maya")
		if visits == v.VisitsCookie {
			s.Open("eve", "starter")
			other = s.SignIn("eve")
		}
		other.VisitsCookie = visits
		other.WantRecapTexts()
	}
}
