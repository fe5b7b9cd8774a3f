package api_test

import (
	"net/http"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

func TestAHoldIsCaptured(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	hold, a := s.Hold("maya", `{"feature":"auto_selling","amount":"40","agent":"seller","expires_in":60}`)
	a.WantMembers(map[string]any{
		"kind":       "hold",
		"amount":     "40",
		"feature":    "auto_selling",
		"agent":      "seller",
		"quantity":   1.0,
		"at":         "2026-11-22T14:02:00Z",
		"expires_at": "2026-11-22T14:03:00Z",
	})
	wantBalance(t, a, "160", "40", "200")
	id := a.At("id")

	// The answer is that of a charge. The rest of the hold is released.
	a = s.Call("POST", hold+"/capture", `{"amount":"15.5"}`, "Idempotency-Key", "k").Want(http.StatusCreated)
	a.WantMembers(map[string]any{
		"kind":       "capture",
		"amount":     "15.5",
		"feature":    "auto_selling",
		"agent":      "seller",
		"about":      id,
		"held_delta": "-40",
	})
	wantBalance(t, a, "184.5", "0", "184.5")
	again := s.Call("POST", hold+"/capture", `{"amount":"15.5"}`, "Idempotency-Key", "k").Want(http.StatusCreated)
	if string(again.Body) != string(a.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s then %s", a.Body, again.Body)
	}
	s.Post(hold+"/capture", `{}`).WantProblem(http.StatusConflict, "hold_captured", "")
	s.Post(hold+"/release", `{}`).WantProblem(http.StatusConflict, "hold_captured", "")
	s.WantSpendable("maya", "184.5")
	newest := s.Call("GET", "/v1/accounts/maya/transactions?limit=1", "").List("transactions")[0]
	if newest["about"] != id || newest["amount"] != "-15.5" {
		t.Errorf("in the list it is %v", newest)
	}
	all, _ := s.Hold("maya", `{"feature":"lip_sync"}`)
	s.Post(all+"/capture", "").Want(http.StatusCreated).WantMembers(map[string]any{"amount": "5"})
}

func TestAHoldIsReleased(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	hold, made := s.Hold("maya", `{"feature":"photoshoot","quantity":2}`)
	made.WantMembers(map[string]any{
		"amount":     "20",
		"unit_price": "10",
		"expires_at": "2026-11-22T14:17:00Z",
	}) // a quarter of an hour by default
	a := s.Post(hold+"/release", "").Want(http.StatusCreated).WantMembers(map[string]any{
		"kind":   "release",
		"amount": "20",
		"about":  made.At("id"),
	})
	wantBalance(t, a, "200", "0", "200")
	s.Post(hold+"/release", `{}`).WantProblem(http.StatusConflict, "hold_released", "")
	s.Post(hold+"/capture", `{}`).WantProblem(http.StatusConflict, "hold_released", "")

	hold, _ = s.Hold("maya", `{"feature":"photoshoot"}`)
	s.Clock.Advance(15 * time.Minute)
	s.WantSpendable("maya", "200")
	s.Post(hold+"/capture", `{}`).WantProblem(http.StatusConflict, "hold_expired", "")
}

func TestHoldsRefuse(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "42")
	s.Open("noor", "starter")
	theirs, a := s.Hold("noor", `{"feature":"lip_sync"}`)
	mine, _ := s.Hold("maya", `{"feature":"lip_sync"}`)
	charge := s.Charge("maya", `{"feature":"lip_sync"}`)["id"].(string)
	before := s.Contents()
	for body, field := range map[string]string{
		`{}`:                                                      "feature",
		`{"feature":"nothing"}`:                                   "feature",
		`{"feature":"auto_selling"}`:                              "amount",
		`{"feature":"lip_sync","expires_in":0}`:                   "expires_in",
		`{"feature":"lip_sync","expires_in":-1}`:                  "expires_in",
		`{"feature":"lip_sync","expires_in":86401}`:               "expires_in",
		`{"feature":"lip_sync","expires_in":9223372036854775807}`: "expires_in",
	} {
		s.Post("/v1/accounts/maya/holds", body).WantProblem(http.StatusUnprocessableEntity, "", field)
	}
	for _, amount := range []string{"0", "-1"} {
		s.Post(mine+"/capture", `{"amount":"`+amount+`"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
			"amount")
	}
	id := a.At("id").(string)
	for _, path := range []string{
		"/v1/accounts/maya/holds/" + id, "/v1/accounts/maya/holds/" + charge, "/v1/accounts/maya/holds/x",
		"/v1/accounts/maya/holds/txn_",
	} {
		s.Post(path+"/capture", `{}`).WantProblem(http.StatusNotFound, "hold_not_found", "")
		s.Post(path+"/release", `{}`).WantProblem(http.StatusNotFound, "hold_not_found", "")
	}
	s.Call("POST", mine+"/capture", `{}`).WantProblem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.Call("POST", mine+"/release", `{}`).WantProblem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.Call("POST", "/v1/accounts/maya/holds", `{"feature":"lip_sync"}`).WantProblem(http.StatusBadRequest,
		"missing_idempotency_key", "")
	s.WantUnchanged(before)
	// Held tokens can be neither held nor spent again.
	s.Post("/v1/accounts/maya/holds", `{"feature":"pdf_creation"}`).WantProblem(http.StatusPaymentRequired,
		"insufficient_tokens", "").
		WantMembers(map[string]any{
			"spendable": "32",
			"required":  "75",
			"shortfall": "43",
			"buy_url":   s.URL + "/credits/buy?need=43",
		})
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"33"}`).WantProblem(http.StatusPaymentRequired, "insufficient_tokens", "")
	s.Post(theirs+"/capture", `{}`).Want(http.StatusCreated)
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "starter")
	id := s.Charge("maya", `{"feature":"pdf_creation","agent":"studio"}`)["id"].(string)
	path := "/v1/accounts/maya/charges/" + id + "/refund"
	a := s.Call("POST", path, `{"amount":"25","reason":"it came out <blurred>"}`, "Idempotency-Key",
		"k").Want(http.StatusCreated)
	a.WantMembers(map[string]any{
		"kind":    "refund",
		"amount":  "25",
		"about":   id,
		"reason":  "it came out <blurred>",
		"feature": "pdf_creation",
		"agent":   "studio",
	})
	wantBalance(t, a, "150", "0", "150")
	again := s.Call("POST", path, `{"amount":"25","reason":"it came out <blurred>"}`, "Idempotency-Key",
		"k").Want(http.StatusCreated)
	if string(again.Body) != string(a.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s then %s", a.Body, again.Body)
	}
	before := s.Contents()
	s.Post(path, `{}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "reason")
	s.Post(path, `{"reason":"r","amount":"0"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "amount")
	s.Post(path, `{"reason":"r","amount":"50.01"}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"amount").WantMembers(map[string]any{"refundable": "50"})
	s.Call("POST", path, `{"reason":"r"}`).WantProblem(http.StatusBadRequest, "missing_idempotency_key", "")
	refund := a.At("id").(string)
	for _, other := range []string{
		"/v1/accounts/noor/charges/" + id, "/v1/accounts/maya/charges/" + refund,
		"/v1/accounts/maya/charges/x",
	} {
		s.Post(other+"/refund", `{"reason":"r"}`).WantProblem(http.StatusNotFound, "charge_not_found", "")
	}
	s.WantUnchanged(before)
	s.Post(path, `{"reason":"the rest"}`).Want(http.StatusCreated).WantMembers(map[string]any{"amount": "50"})
	s.Post(path, `{"reason":"once more"}`).WantProblem(http.StatusConflict, "already_refunded", "")
	s.WantSpendable("maya", "200")

	// A capture is refunded like a charge.
	hold, _ := s.Hold("maya", `{"feature":"lip_sync"}`)
	capture := s.Post(hold+"/capture", "").Want(http.StatusCreated).At("id").(string)
	s.Post("/v1/accounts/maya/charges/"+capture+"/refund",
		`{"reason":"r"}`).Want(http.StatusCreated).WantMembers(map[string]any{"amount": "5", "about": capture})
	s.WantSpendable("maya", "200")
}
