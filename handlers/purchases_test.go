package handlers_test

import (
	"net/http"
	"strings"
	"testing"
)

// An order, its payment, a part of its money back, then the rest, as a program sees it.
func TestPurchasesOfTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	body := `{"pack":"pack_100","return_url":"/tools?feature=pdf_creation"}`
	a := s.call("POST", "/v1/accounts/maya/purchases", body, "Idempotency-Key", "k").want(http.StatusCreated)
	a.wantMembers(map[string]any{"status": "pending", "pack": "pack_100", "tokens": "100", "owed": "0", "paid": nil, "refunded": nil, "completed_at": nil})
	path := "/v1/accounts/maya/purchases/" + a.at("id").(string)
	checkout := strings.TrimPrefix(a.at("checkout_url").(string), s.url)
	if now := s.call("GET", path, "").want(http.StatusOK); string(now.body) != string(a.body) {
		t.Errorf("ordered %s, read %s", a.body, now.body)
	}
	back := (&visitor{s: s}).pay(checkout)
	s.signIn("maya").get(back).want(http.StatusOK).wantState("paid")
	s.wantSpendable("maya", "300")
	done := s.call("GET", path, "").want(http.StatusOK)
	done.wantMembers(map[string]any{"status": "completed", "checkout_url": nil, "refunded": nil})
	if done.at("paid", "minor") != 900.0 || done.at("paid", "currency") != "USD" || done.at("completed_at") == nil {
		t.Errorf("paid: %s", done.body)
	}

	part := `{"amount":{"minor":450,"currency":"USD"},"reason":"half of it"}`
	half := s.call("POST", path+"/refund", part, "Idempotency-Key", "r").want(http.StatusCreated)
	if half.at("status") != "completed" || half.at("refunded", "minor") != 450.0 {
		t.Errorf("half back: %s", half.body)
	}
	s.wantSpendable("maya", "250")
	again := s.call("POST", path+"/refund", part, "Idempotency-Key", "r").want(http.StatusCreated)
	if again.header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(half.body) {
		t.Errorf("again: %s", again.body)
	}
	s.post(path+"/refund", `{"reason":"the rest"}`).want(http.StatusCreated).wantMembers(map[string]any{"status": "refunded"})
	s.wantSpendable("maya", "200")
	s.post(path+"/refund", `{"reason":"more"}`).problem(http.StatusConflict, "already_refunded", "")
	s.post(path+"/refund", `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "reason")
	s.post("/v1/accounts/maya/purchases", `{}`).problem(http.StatusUnprocessableEntity, "invalid_field", "pack")
	s.post("/v1/accounts/maya/purchases", `{"pack":"x"}`).problem(http.StatusUnprocessableEntity, "unknown_pack", "pack")
	s.post("/v1/accounts/maya/purchases", `{"pack":"pack_100","return_url":"https://evil.test"}`).problem(http.StatusUnprocessableEntity, "invalid_field", "return_url")
}

func TestTheListOfPurchases(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("other", "starter")
	for range 3 {
		s.post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`).want(http.StatusCreated)
	}
	first := s.call("GET", "/v1/accounts/maya/purchases?limit=2", "").want(http.StatusOK)
	next, _ := first.at("next_cursor").(string)
	second := s.call("GET", "/v1/accounts/maya/purchases?limit=2&cursor="+next, "").want(http.StatusOK)
	if len(first.list("purchases")) != 2 || len(second.list("purchases")) != 1 || second.at("next_cursor") != nil {
		t.Errorf("%s\n%s", first.body, second.body)
	}
	mine := "/v1/accounts/other/purchases"
	if got := s.call("GET", mine, "").want(http.StatusOK).list("purchases"); len(got) != 0 {
		t.Errorf("another account sees %d purchases", len(got))
	}
	id := second.at("purchases", 0, "id").(string)
	s.call("GET", mine+"/"+id, "").problem(http.StatusNotFound, "purchase_not_found", "")
	s.post(mine+"/"+id+"/refund", `{"reason":"r"}`).problem(http.StatusNotFound, "purchase_not_found", "")
	s.call("GET", mine+"?cursor=x", "").problem(http.StatusBadRequest, "invalid_cursor", "cursor")
	s.call("GET", mine+"?limit=0", "").problem(http.StatusUnprocessableEntity, "invalid_field", "limit")
	s.signIn("maya").get("/v1/accounts/me/purchases").want(http.StatusOK)
}
