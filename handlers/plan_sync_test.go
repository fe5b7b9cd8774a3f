package handlers_test

import (
	"net/http"
	"testing"
)

// A plan that is not changed changes nothing: a host that sends its profiles again keeps a
// downgrade that waits (M17).
func TestAProfileSyncKeepsAWaitingDowngrade(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "star")
	put := func(body string) answer { return s.call("PUT", "/v1/accounts/maya", body) }
	put(`{"plan":"starter"}`).want(http.StatusOK).wantMembers(map[string]any{"plan": "star", "next_plan": "starter"})
	before := s.contents()
	for _, body := range []string{
		`{"plan":"star"}`, `{"plan":"star","plan_status":"active"}`, `{"plan":"starter"}`,
		`{"plan_status":"active"}`, `{}`,
		`{"plan":"star","billing_zone":"UTC","billing_anchor":"2026-11-22T14:02:00Z"}`,
	} {
		put(body).want(http.StatusOK).wantMembers(map[string]any{
			"plan":        "star",
			"next_plan":   "starter",
			"plan_status": "active",
		})
	}
	s.unchanged(before)
	put(`{"plan":"star","name":"Maya"}`).want(http.StatusOK).wantMembers(map[string]any{
		"name":      "Maya",
		"next_plan": "starter",
	})
	s.unchanged(before, "accounts")
	// Another plan is a change, and to stay is said in so many words.
	put(`{"plan":"pro"}`).want(http.StatusOK).wantMembers(map[string]any{"plan": "star", "next_plan": "pro"})
	put(`{"next_plan":"pro"}`).problem(http.StatusUnprocessableEntity, "invalid_field", "next_plan")
	put(`{"next_plan":null}`).want(http.StatusOK).wantMembers(map[string]any{"plan": "star", "next_plan": nil})
	put(`{"plan":"pro","next_plan":null}`).problem(http.StatusUnprocessableEntity, "invalid_field", "next_plan")
	put(`{"plan":"star","next_plan":null}`).want(http.StatusOK).wantMembers(map[string]any{
		"plan":      "star",
		"next_plan": nil,
	})
}
