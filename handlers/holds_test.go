package handlers_test

import (
	"net/http"
	"testing"
	"time"
)

// hold sets tokens aside and gives the path of the hold.
func (s *site) hold(account, body string) (string, answer) {
	s.t.Helper()
	a := s.post("/v1/accounts/"+account+"/holds", body).want(http.StatusCreated)
	id, _ := a.at("id").(string)
	return "/v1/accounts/" + account + "/holds/" + id, a
}

func TestAHoldIsCaptured(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	hold, a := s.hold("maya", `{"feature":"auto_selling","amount":"40","agent":"seller","expires_in":60}`)
	a.wantMembers(map[string]any{
		"kind":       "hold",
		"amount":     "40",
		"feature":    "auto_selling",
		"agent":      "seller",
		"quantity":   1.0,
		"at":         "2026-11-22T14:02:00Z",
		"expires_at": "2026-11-22T14:03:00Z",
	})
	wantBalance(t, a, "160", "40", "200")
	id := a.at("id")

	// It answers like a charge; what is not captured comes free.
	a = s.call("POST", hold+"/capture", `{"amount":"15.5"}`, "Idempotency-Key", "k").want(http.StatusCreated)
	a.wantMembers(map[string]any{
		"kind":       "capture",
		"amount":     "15.5",
		"feature":    "auto_selling",
		"agent":      "seller",
		"about":      id,
		"held_delta": "-40",
	})
	wantBalance(t, a, "184.5", "0", "184.5")
	again := s.call("POST", hold+"/capture", `{"amount":"15.5"}`, "Idempotency-Key", "k").want(http.StatusCreated)
	if string(again.body) != string(a.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s then %s", a.body, again.body)
	}
	s.post(hold+"/capture", `{}`).problem(http.StatusConflict, "hold_captured", "")
	s.post(hold+"/release", `{}`).problem(http.StatusConflict, "hold_captured", "")
	s.wantSpendable("maya", "184.5")
	newest := s.call("GET", "/v1/accounts/maya/transactions?limit=1", "").list("transactions")[0]
	if newest["about"] != id || newest["amount"] != "-15.5" {
		t.Errorf("in the list it is %v", newest)
	}
	all, _ := s.hold("maya", `{"feature":"lip_sync"}`)
	s.post(all+"/capture", "").want(http.StatusCreated).wantMembers(map[string]any{"amount": "5"})
}

func TestAHoldIsReleased(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	hold, made := s.hold("maya", `{"feature":"photoshoot","quantity":2}`)
	made.wantMembers(map[string]any{
		"amount":     "20",
		"unit_price": "10",
		"expires_at": "2026-11-22T14:17:00Z",
	}) // a quarter of an hour by default
	a := s.post(hold+"/release", "").want(http.StatusCreated).wantMembers(map[string]any{
		"kind":   "release",
		"amount": "20",
		"about":  made.at("id"),
	})
	wantBalance(t, a, "200", "0", "200")
	s.post(hold+"/release", `{}`).problem(http.StatusConflict, "hold_released", "")
	s.post(hold+"/capture", `{}`).problem(http.StatusConflict, "hold_released", "")

	hold, _ = s.hold("maya", `{"feature":"photoshoot"}`)
	s.clock.Advance(15 * time.Minute)
	s.wantSpendable("maya", "200")
	s.post(hold+"/capture", `{}`).problem(http.StatusConflict, "hold_expired", "")
}

func TestHoldsRefuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "42")
	s.open("noor", "starter")
	theirs, a := s.hold("noor", `{"feature":"lip_sync"}`)
	mine, _ := s.hold("maya", `{"feature":"lip_sync"}`)
	charge := s.charge("maya", `{"feature":"lip_sync"}`)["id"].(string)
	before := s.contents()
	for body, field := range map[string]string{
		`{}`:                                                      "feature",
		`{"feature":"nothing"}`:                                   "feature",
		`{"feature":"auto_selling"}`:                              "amount",
		`{"feature":"lip_sync","expires_in":0}`:                   "expires_in",
		`{"feature":"lip_sync","expires_in":-1}`:                  "expires_in",
		`{"feature":"lip_sync","expires_in":86401}`:               "expires_in",
		`{"feature":"lip_sync","expires_in":9223372036854775807}`: "expires_in",
	} {
		s.post("/v1/accounts/maya/holds", body).problem(http.StatusUnprocessableEntity, "", field)
	}
	for _, amount := range []string{"0", "-1"} {
		s.post(mine+"/capture", `{"amount":"`+amount+`"}`).problem(http.StatusUnprocessableEntity, "invalid_field",
			"amount")
	}
	id := a.at("id").(string)
	for _, path := range []string{
		"/v1/accounts/maya/holds/" + id, "/v1/accounts/maya/holds/" + charge, "/v1/accounts/maya/holds/x",
		"/v1/accounts/maya/holds/txn_",
	} {
		s.post(path+"/capture", `{}`).problem(http.StatusNotFound, "hold_not_found", "")
		s.post(path+"/release", `{}`).problem(http.StatusNotFound, "hold_not_found", "")
	}
	s.call("POST", mine+"/capture", `{}`).problem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.call("POST", mine+"/release", `{}`).problem(http.StatusBadRequest, "missing_idempotency_key", "")
	s.call("POST", "/v1/accounts/maya/holds", `{"feature":"lip_sync"}`).problem(http.StatusBadRequest,
		"missing_idempotency_key", "")
	s.unchanged(before)
	// What is held cannot be held or spent again.
	s.post("/v1/accounts/maya/holds", `{"feature":"pdf_creation"}`).problem(http.StatusPaymentRequired,
		"insufficient_tokens", "").
		wantMembers(map[string]any{
			"spendable": "32",
			"required":  "75",
			"shortfall": "43",
			"buy_url":   s.url + "/credits/buy?need=43",
		})
	s.post("/v1/accounts/maya/charges",
		`{"feature":"auto_selling","amount":"33"}`).problem(http.StatusPaymentRequired, "insufficient_tokens", "")
	s.post(theirs+"/capture", `{}`).want(http.StatusCreated)
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "starter")
	id := s.charge("maya", `{"feature":"pdf_creation","agent":"studio"}`)["id"].(string)
	path := "/v1/accounts/maya/charges/" + id + "/refund"
	a := s.call("POST", path, `{"amount":"25","reason":"it came out <blurred>"}`, "Idempotency-Key",
		"k").want(http.StatusCreated)
	a.wantMembers(map[string]any{
		"kind":    "refund",
		"amount":  "25",
		"about":   id,
		"reason":  "it came out <blurred>",
		"feature": "pdf_creation",
		"agent":   "studio",
	})
	wantBalance(t, a, "150", "0", "150")
	again := s.call("POST", path, `{"amount":"25","reason":"it came out <blurred>"}`, "Idempotency-Key",
		"k").want(http.StatusCreated)
	if string(again.body) != string(a.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s then %s", a.body, again.body)
	}
	before := s.contents()
	s.post(path, `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "reason")
	s.post(path, `{"reason":"r","amount":"0"}`).problem(http.StatusUnprocessableEntity, "invalid_field", "amount")
	s.post(path, `{"reason":"r","amount":"50.01"}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"amount").wantMembers(map[string]any{"refundable": "50"})
	s.call("POST", path, `{"reason":"r"}`).problem(http.StatusBadRequest, "missing_idempotency_key", "")
	refund := a.at("id").(string)
	for _, other := range []string{
		"/v1/accounts/noor/charges/" + id, "/v1/accounts/maya/charges/" + refund,
		"/v1/accounts/maya/charges/x",
	} {
		s.post(other+"/refund", `{"reason":"r"}`).problem(http.StatusNotFound, "charge_not_found", "")
	}
	s.unchanged(before)
	s.post(path, `{"reason":"the rest"}`).want(http.StatusCreated).wantMembers(map[string]any{"amount": "50"})
	s.post(path, `{"reason":"once more"}`).problem(http.StatusConflict, "already_refunded", "")
	s.wantSpendable("maya", "200")

	// A capture is refunded like a charge.
	hold, _ := s.hold("maya", `{"feature":"lip_sync"}`)
	capture := s.post(hold+"/capture", "").want(http.StatusCreated).at("id").(string)
	s.post("/v1/accounts/maya/charges/"+capture+"/refund",
		`{"reason":"r"}`).want(http.StatusCreated).wantMembers(map[string]any{"amount": "5", "about": capture})
	s.wantSpendable("maya", "200")
}
