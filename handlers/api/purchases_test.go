package api_test

import (
	"net/http"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// An order, its payment, a partial refund, then the rest, through the API.
func TestPurchasesOfTheAPI(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	body := `{"pack":"pack_100","return_url":"/tools?feature=pdf_creation"}`
	a := s.Call("POST", "/v1/accounts/maya/purchases", body, "Idempotency-Key", "k").Want(http.StatusCreated)
	a.WantMembers(map[string]any{
		"status":       "pending",
		"pack":         "pack_100",
		"tokens":       "100",
		"owed":         "0",
		"paid":         nil,
		"refunded":     nil,
		"completed_at": nil,
	})
	path := "/v1/accounts/maya/purchases/" + a.At("id").(string)
	checkout := strings.TrimPrefix(a.At("checkout_url").(string), s.URL)
	if now := s.Call("GET", path, "").Want(http.StatusOK); string(now.Body) != string(a.Body) {
		t.Errorf("ordered %s, read %s", a.Body, now.Body)
	}
	back := (&handlerstest.Browser{Site: s}).Pay(checkout)
	s.SignIn("maya").Get(back).Want(http.StatusOK).WantState("paid")
	s.WantSpendable("maya", "300")
	done := s.Call("GET", path, "").Want(http.StatusOK)
	done.WantMembers(map[string]any{
		"status":       "completed",
		"checkout_url": nil,
		"refunded":     nil,
	})
	if done.At("paid", "minor") != 900.0 || done.At("paid", "currency") != "USD" || done.At("completed_at") == nil {
		t.Errorf("paid: %s", done.Body)
	}

	part := `{"amount":{"minor":450,"currency":"USD"},"reason":"half of it"}`
	half := s.Call("POST", path+"/refund", part, "Idempotency-Key", "r").Want(http.StatusCreated)
	if half.At("status") != "completed" || half.At("refunded", "minor") != 450.0 {
		t.Errorf("half back: %s", half.Body)
	}
	s.WantSpendable("maya", "250")
	again := s.Call("POST", path+"/refund", part, "Idempotency-Key", "r").Want(http.StatusCreated)
	if again.Header.Get("Idempotent-Replayed") != "true" || string(again.Body) != string(half.Body) {
		t.Errorf("again: %s", again.Body)
	}
	s.Post(path+"/refund", `{"reason":"the rest"}`).
		Want(http.StatusCreated).
		WantMembers(map[string]any{"status": "refunded"})
	s.WantSpendable("maya", "200")
	s.Post(path+"/refund", `{"reason":"more"}`).WantProblem(http.StatusConflict, "already_refunded", "")
	s.Post(path+"/refund", `{}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "reason")
	s.Post("/v1/accounts/maya/purchases", `{}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "pack")
	s.Post("/v1/accounts/maya/purchases", `{"pack":"x"}`).WantProblem(http.StatusUnprocessableEntity, "unknown_pack",
		"pack")
	s.Post("/v1/accounts/maya/purchases",
		`{"pack":"pack_100","return_url":"https://evil.test"}`).WantProblem(http.StatusUnprocessableEntity,
		"invalid_field", "return_url")
}

func TestTheListOfPurchases(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("other", "starter")
	for range 3 {
		s.Post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`).Want(http.StatusCreated)
	}
	first := s.Call("GET", "/v1/accounts/maya/purchases?limit=2", "").Want(http.StatusOK)
	next, _ := first.At("next_cursor").(string)
	second := s.Call("GET", "/v1/accounts/maya/purchases?limit=2&cursor="+next, "").Want(http.StatusOK)
	if len(first.List("purchases")) != 2 || len(second.List("purchases")) != 1 || second.At("next_cursor") != nil {
		t.Errorf("%s\n%s", first.Body, second.Body)
	}
	mine := "/v1/accounts/other/purchases"
	if got := s.Call("GET", mine, "").Want(http.StatusOK).List("purchases"); len(got) != 0 {
		t.Errorf("another account sees %d purchases", len(got))
	}
	id := second.At("purchases", 0, "id").(string)
	s.Call("GET", mine+"/"+id, "").WantProblem(http.StatusNotFound, "purchase_not_found", "")
	s.Post(mine+"/"+id+"/refund", `{"reason":"r"}`).WantProblem(http.StatusNotFound, "purchase_not_found", "")
	s.Call("GET", mine+"?cursor=x", "").WantProblem(http.StatusBadRequest, "invalid_cursor", "cursor")
	s.Call("GET", mine+"?limit=0", "").WantProblem(http.StatusUnprocessableEntity, "invalid_field", "limit")
	s.SignIn("maya").Get("/v1/accounts/me/purchases").Want(http.StatusOK)
}
