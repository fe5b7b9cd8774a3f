package api_test

import (
	"net/http"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// A PUT with the present plan changes nothing: a host that sends its profiles again keeps a pending
// downgrade (M17).
func TestAProfileSyncKeepsAWaitingDowngrade(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "star")
	put := func(body string) handlerstest.Response { return s.Call("PUT", "/v1/accounts/maya", body) }
	put(`{"plan":"starter"}`).Want(http.StatusOK).WantMembers(map[string]any{"plan": "star", "next_plan": "starter"})
	before := s.Contents()
	for _, body := range []string{
		`{"plan":"star"}`, `{"plan":"star","plan_status":"active"}`, `{"plan":"starter"}`,
		`{"plan_status":"active"}`, `{}`,
		`{"plan":"star","billing_zone":"UTC","billing_anchor":"2026-11-22T14:02:00Z"}`,
	} {
		put(body).Want(http.StatusOK).WantMembers(map[string]any{
			"plan":        "star",
			"next_plan":   "starter",
			"plan_status": "active",
		})
	}
	s.WantUnchanged(before)
	put(`{"plan":"star","name":"Maya"}`).Want(http.StatusOK).WantMembers(map[string]any{
		"name":      "Maya",
		"next_plan": "starter",
	})
	s.WantUnchanged(before, "accounts")
	// Another plan is a change. Staying on a plan needs an explicit field.
	put(`{"plan":"pro"}`).Want(http.StatusOK).WantMembers(map[string]any{"plan": "star", "next_plan": "pro"})
	put(`{"next_plan":"pro"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "next_plan")
	put(`{"next_plan":null}`).Want(http.StatusOK).WantMembers(map[string]any{"plan": "star", "next_plan": nil})
	put(`{"plan":"pro","next_plan":null}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "next_plan")
	put(`{"plan":"star","next_plan":null}`).Want(http.StatusOK).WantMembers(map[string]any{
		"plan":      "star",
		"next_plan": nil,
	})
}
