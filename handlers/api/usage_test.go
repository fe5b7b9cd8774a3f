package api_test

import (
	"net/http"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	// 14:02 UTC is 3:02 of the next day in Auckland.
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter","billing_zone":"Pacific/Auckland"}`).Want(http.StatusCreated)
	s.Charge("maya", `{"feature":"lip_sync","agent":"studio"}`)
	s.Charge("maya", `{"feature":"social_comment_reply","quantity":20,"agent":"replies"}`)
	s.Clock.Advance(24 * time.Hour)
	s.Charge("maya", `{"feature":"lip_sync","quantity":2}`)
	pdf := s.Charge("maya", `{"feature":"pdf_creation","agent":"studio"}`)["id"].(string)
	s.Post("/v1/accounts/maya/charges/"+pdf+"/refund", `{"amount":"70","reason":"r"}`).Want(http.StatusCreated)
	hold, _ := s.Hold("maya", `{"feature":"auto_selling","amount":"9"}`)
	s.Post(hold+"/capture", `{"amount":"2.5"}`).Want(http.StatusCreated)
	before := s.Contents()
	for query, want := range map[string]string{
		"":                               "lip_sync 15 3 2 0, pdf_creation 75 1 1 70, auto_selling 2.5 1 1 0, social_comment_reply 1 20 1 0 = 93.5 25 5 70",
		"group_by=feature":               "lip_sync 15 3 2 0, pdf_creation 75 1 1 70, auto_selling 2.5 1 1 0, social_comment_reply 1 20 1 0 = 93.5 25 5 70",
		"group_by=agent":                 "<nil> 12.5 3 2 0, studio 80 2 2 70, replies 1 20 1 0 = 93.5 25 5 70",
		"group_by=day":                   "2026-11-23 6 21 2 0, 2026-11-24 87.5 4 3 70 = 93.5 25 5 70",
		"group_by=day&to=2026-11-23":     "2026-11-23 6 21 2 0 = 6 21 2 0",
		"group_by=day&from=2026-11-24":   "2026-11-24 87.5 4 3 70 = 87.5 4 3 70",
		"from=2026-11-23&to=2026-11-23":  "lip_sync 5 1 1 0, social_comment_reply 1 20 1 0 = 6 21 2 0",
		"from=2025-11-01&to=2026-11-22":  " = 0 0 0 0",
		"from=2026-11-25&to=2026-12-25":  " = 0 0 0 0",
		"group_by=agent&from=2026-10-26": "<nil> 12.5 3 2 0, studio 80 2 2 70, replies 1 20 1 0 = 93.5 25 5 70",
		"from=2025-10-21&to=2026-11-24":  "lip_sync 15 3 2 0, pdf_creation 75 1 1 70, auto_selling 2.5 1 1 0, social_comment_reply 1 20 1 0 = 93.5 25 5 70",
		"group_by=day&to=9999-12-31":     " = 0 0 0 0",
		"group_by=feature&from=&to=":     "lip_sync 15 3 2 0, pdf_creation 75 1 1 70, auto_selling 2.5 1 1 0, social_comment_reply 1 20 1 0 = 93.5 25 5 70",
	} {
		if got := s.Usage(query); got != want {
			t.Errorf("%q gives\n%s, want\n%s", query, got, want)
		}
	}
	s.Call("GET", "/v1/accounts/maya/usage", "").WantMembers(map[string]any{
		"group_by": "feature",
		"from":     "2026-10-26",
		"to":       "2026-11-24",
	})
	for query, field := range map[string]string{
		"group_by=month":                "group_by",
		"group_by=Feature":              "group_by",
		"from=22.11.2026":               "from",
		"from=2026-11-22T00:00:00Z":     "from",
		"to=2026-02-30":                 "to",
		"to=0001-01-01":                 "to",
		"from=2026-11-24&to=2026-11-23": "from",
		"from=2026-12-24":               "from",
		"from=2025-10-20&to=2026-11-24": "from",
	} {
		s.Call("GET", "/v1/accounts/maya/usage?"+query, "").WantProblem(http.StatusUnprocessableEntity,
			"invalid_field", field)
	}
	s.Call("GET", "/v1/accounts/nobody/usage", "").WantProblem(http.StatusNotFound, "account_not_found", "")
	s.WantUnchanged(before)
}
