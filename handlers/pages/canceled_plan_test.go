package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// With a cancelled plan the remaining tokens may be spent, none are added, and pages say so.
func TestACanceledPlanOnPages(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("PUT", "/v1/accounts/maya", `{"plan_status":"canceled"}`).Want(http.StatusOK).
		WantMembers(map[string]any{
			"plan_status":   "canceled",
			"next_reset_at": nil,
			"closed_at":     nil,
		})
	s.Call("PUT", "/v1/accounts/maya", `{"plan_status":"cancelled"}`).WantProblem(http.StatusUnprocessableEntity,
		"invalid_field", "plan_status")
	v := s.SignIn("maya")
	page := v.Get("/credits").Want(http.StatusOK).WantElement("buy-more-credits", true)
	want := "Your Starter plan was cancelled. No new tokens come each month. " +
		"You can spend the 200 tokens that are left until they expire."
	if got := handlerstest.Text(page.Element("standing")); got != want {
		t.Errorf("it says %q", got)
	}
	s.Charge("maya", `{"feature":"image_generation"}`)
	s.Clock.Advance(31 * 24 * time.Hour)
	s.WantSpendable("maya", "0")
	got := handlerstest.Text(s.SignIn("maya").Get("/plans").Want(http.StatusOK).Element("plan-mine"))
	if !strings.HasSuffix(got, "Your plan was cancelled, so no more plan tokens arrive.") {
		t.Errorf("the plans say %q", got)
	}
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter","plan_status":"active"}`).Want(http.StatusOK)
	s.WantSpendable("maya", "200")
	s.SignIn("maya").Get("/credits").Want(http.StatusOK).WantElement("standing", false)
}
