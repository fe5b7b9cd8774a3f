package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/testkit"
)

// keyedCall is a POST about maya's account that binds its idempotency key.
type keyedCall struct {
	name string
	send func(key string) handlerstest.Response
}

// keyedCalls are all calls of an account that take an idempotency key, each with a request that
// succeeds with every new key.
func keyedCalls(s *handlerstest.Site) []keyedCall {
	s.T.Helper()
	post := func(path, body string) func(key string) handlerstest.Response {
		return func(key string) handlerstest.Response {
			return s.Call("POST", "/v1/accounts/maya/"+path, body, "Idempotency-Key", key)
		}
	}
	hold := func() string {
		id, _ := s.Post("/v1/accounts/maya/holds",
			`{"feature":"image_generation"}`).Want(http.StatusCreated).At("id").(string)
		return id
	}
	paid := paidPurchase(s, "pack_1000")
	spent := s.Charge("maya", `{"feature":"image_generation"}`)["id"].(string)
	captured, released := hold(), hold()
	return []keyedCall{
		{"charge", post("charges", `{"feature":"image_generation"}`)},
		{"bulk charge", func(key string) handlerstest.Response {
			a := s.Call("POST", "/v1/charges",
				`{"charges":[{"account":"maya","idempotency_key":"`+key+`","feature":"lip_sync"}]}`)
			a.Want(http.StatusOK)
			return a
		}},
		{"hold", post("holds", `{"feature":"image_generation"}`)},
		{"capture", post("holds/"+captured+"/capture", `{}`)},
		{"release", post("holds/"+released+"/release", `{}`)},
		{"refund", post("charges/"+spent+"/refund", `{"amount":"0.01","reason":"r"}`)},
		{"grant", post("grants", `{"amount":"5","kind":"promo","reason":"r"}`)},
		{"purchase", post("purchases", `{"pack":"pack_100"}`)},
		{"purchase refund", post("purchases/"+paid+"/refund",
			`{"amount":{"minor":100,"currency":"USD"},"reason":"r"}`)},
		{"result", post("results", `{"kind":"sale"}`)},
	}
}

// paidPurchase is the id of a pack that maya has bought.
func paidPurchase(s *handlerstest.Site, pack string) string {
	s.T.Helper()
	a := s.Post("/v1/accounts/maya/purchases", `{"pack":"`+pack+`"}`).Want(http.StatusCreated)
	(&handlerstest.Browser{Site: s}).Pay(strings.TrimPrefix(a.At("checkout_url").(string), s.URL))
	id := a.At("id").(string)
	s.SignIn("maya").Get("/credits/purchases/" + id).Want(http.StatusOK).WantState("paid")
	return id
}

// A key bound by one call is refused by every other call of the account, in every order (M10).
func TestOneKeySpaceForAllCalls(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "star")
	calls := keyedCalls(s)
	for i, first := range calls {
		key := fmt.Sprint("key-", i)
		if status, code := first.send(key).StatusAndCode(); status != http.StatusCreated {
			t.Fatalf("%s: %d %v", first.name, status, code)
		}
		before := s.Contents()
		for j, other := range calls {
			if i == j {
				continue
			}
			if status, code := other.send(key).StatusAndCode(); status != http.StatusUnprocessableEntity ||
				code != "idempotency_key_reused" {
				t.Errorf("%s with the key of a %s: %d %v", other.name, first.name, status, code)
			}
		}
		s.WantUnchanged(before)
	}
	s.Open("noor", "star")
	// another key space
	s.Call("POST", "/v1/accounts/noor/results", `{"kind":"sale"}`, "Idempotency-Key",
		"key-0").Want(http.StatusCreated)
}

// A refused request does not bind its key, whatever the call.
func TestARefusalLeavesTheKeyToOtherCalls(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Call("POST", "/v1/accounts/maya/purchases", `{"pack":"nothing"}`, "Idempotency-Key",
		"a").Want(http.StatusUnprocessableEntity)
	s.Call("POST", "/v1/accounts/maya/charges", `{"feature":"pdf_creation","quantity":9}`, "Idempotency-Key",
		"b").Want(http.StatusPaymentRequired)
	s.Call("POST", "/v1/accounts/maya/results", `{"kind":"sale","charge":"txn_x"}`, "Idempotency-Key",
		"c").Want(http.StatusUnprocessableEntity)
	s.Call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"a").Want(http.StatusCreated)
	s.Call("POST", "/v1/accounts/maya/results", `{"kind":"sale"}`, "Idempotency-Key", "b").Want(http.StatusCreated)
	s.Call("POST", "/v1/accounts/maya/purchases", `{"pack":"pack_100"}`, "Idempotency-Key",
		"c").Want(http.StatusCreated)
	// A bound key still replays its own request.
	again := s.Call("POST", "/v1/accounts/maya/results", `{"kind":"sale"}`, "Idempotency-Key",
		"b").Want(http.StatusCreated)
	if again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %s", again.Body)
	}
}

// Of concurrent calls of different kinds with one key exactly one succeeds.
func TestOneKeyForParallelCallsOfDifferentKinds(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "star")
	bodies := map[string]string{
		"charges":   `{"feature":"social_comment_reply"}`,
		"grants":    `{"amount":"1","kind":"promo","reason":"r"}`,
		"purchases": `{"pack":"pack_100"}`,
		"results":   `{"kind":"sale"}`,
		"holds":     `{"feature":"lip_sync"}`,
	}
	for round := range 8 {
		key := uuid.NewString()
		var succeeded atomic.Int32
		testkit.Concurrently(4, func(int) {
			for path, body := range bodies {
				a := s.Call("POST", "/v1/accounts/maya/"+path, body, "Idempotency-Key", key)
				switch {
				case a.Status == http.StatusCreated && a.Header.Get("Idempotent-Replayed") == "":
					succeeded.Add(1)
				case a.Status != http.StatusCreated && a.Status != http.StatusUnprocessableEntity:
					t.Errorf("%s: %d %s", path, a.Status, a.Body)
				}
			}
		})
		if succeeded.Load() != 1 {
			t.Errorf("round %d: %d calls succeeded with one key", round, succeeded.Load())
		}
	}
}

// A replay answers the original body, also when the purchase has changed since (M10).
func TestAReplayedPurchaseHasTheSameBody(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	order := func() handlerstest.Response {
		return s.Call("POST", "/v1/accounts/maya/purchases", `{"pack":"pack_100"}`, "Idempotency-Key",
			"order").Want(http.StatusCreated)
	}
	first := order()
	id := first.At("id").(string)
	same := func(what string, first, again handlerstest.Response) {
		t.Helper()
		if again.Header.Get("Idempotent-Replayed") != "true" || string(again.Body) != string(first.Body) {
			t.Errorf("%s: replayed %q\n%s then\n%s", what, again.Header.Get("Idempotent-Replayed"), first.Body,
				again.Body)
		}
	}
	s.Clock.Advance(1e9)
	same("while it waits", first, order())
	(&handlerstest.Browser{Site: s}).Pay(strings.TrimPrefix(first.At("checkout_url").(string), s.URL))
	s.SignIn("maya").Get("/credits/purchases/" + id).Want(http.StatusOK).WantState("paid")
	same("when it is paid", first, order())

	refund := func(key, body string) handlerstest.Response {
		return s.Call("POST", "/v1/accounts/maya/purchases/"+id+"/refund", body, "Idempotency-Key",
			key).Want(http.StatusCreated)
	}
	const part = `{"amount":{"minor":200,"currency":"USD"},"reason":"a part"}`
	half := refund("part", part)
	all := refund("rest", `{"reason":"the rest"}`)
	if half.At("refunded", "minor") != 200.0 || all.At("status") != "refunded" {
		t.Errorf("%s then %s", half.Body, all.Body)
	}
	same("a part of it back", half, refund("part", part))
	same("all of it back", all, refund("rest", `{"reason":"the rest"}`))
	same("when it is given back", first, order())
}
