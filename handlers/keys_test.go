package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

// keyedCall is a POST about maya's account that binds its idempotency key.
type keyedCall struct {
	name string
	send func(key string) answer
}

// keyedCalls are all calls of an account that take an idempotency key, each with a request that
// succeeds as often as it comes with a new key.
func (s *site) keyedCalls() []keyedCall {
	s.t.Helper()
	post := func(path, body string) func(key string) answer {
		return func(key string) answer {
			return s.call("POST", "/v1/accounts/maya/"+path, body, "Idempotency-Key", key)
		}
	}
	hold := func() string {
		id, _ := s.post("/v1/accounts/maya/holds",
			`{"feature":"image_generation"}`).want(http.StatusCreated).at("id").(string)
		return id
	}
	paid := s.paidPurchase("pack_1000")
	spent := s.charge("maya", `{"feature":"image_generation"}`)["id"].(string)
	captured, released := hold(), hold()
	return []keyedCall{
		{"charge", post("charges", `{"feature":"image_generation"}`)},
		{"bulk charge", func(key string) answer {
			a := s.call("POST", "/v1/charges",
				`{"charges":[{"account":"maya","idempotency_key":"`+key+`","feature":"lip_sync"}]}`)
			a.want(http.StatusOK)
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
func (s *site) paidPurchase(pack string) string {
	s.t.Helper()
	a := s.post("/v1/accounts/maya/purchases", `{"pack":"`+pack+`"}`).want(http.StatusCreated)
	(&visitor{s: s}).pay(strings.TrimPrefix(a.at("checkout_url").(string), s.url))
	id := a.at("id").(string)
	s.signIn("maya").get("/credits/purchases/" + id).want(http.StatusOK).wantState("paid")
	return id
}

// status is that of the one item for a bulk charge, and of the answer for all others.
func (a answer) outcome() (status int, code any) {
	a.t.Helper()
	if item, ok := a.at("results", 0).(map[string]any); ok {
		if refusal, ok := item["error"].(map[string]any); ok {
			return int(refusal["status"].(float64)), refusal["code"]
		}
		return http.StatusCreated, nil
	}
	return a.status, a.at("code")
}

// A key that one call has bound is refused by every other call of the account, in every order (M10).
func TestOneKeySpaceForAllCalls(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "star")
	calls := s.keyedCalls()
	for i, first := range calls {
		key := fmt.Sprint("key-", i)
		if status, code := first.send(key).outcome(); status != http.StatusCreated {
			t.Fatalf("%s: %d %v", first.name, status, code)
		}
		before := s.contents()
		for j, other := range calls {
			if i == j {
				continue
			}
			if status, code := other.send(key).outcome(); status != http.StatusUnprocessableEntity ||
				code != "idempotency_key_reused" {
				t.Errorf("%s with the key of a %s: %d %v", other.name, first.name, status, code)
			}
		}
		s.unchanged(before)
	}
	s.open("noor", "star")
	// a space of its own
	s.call("POST", "/v1/accounts/noor/results", `{"kind":"sale"}`, "Idempotency-Key",
		"key-0").want(http.StatusCreated)
}

// A refusal binds no key, whatever the call was.
func TestARefusalLeavesTheKeyToOtherCalls(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("POST", "/v1/accounts/maya/purchases", `{"pack":"nothing"}`, "Idempotency-Key",
		"a").want(http.StatusUnprocessableEntity)
	s.call("POST", "/v1/accounts/maya/charges", `{"feature":"pdf_creation","quantity":9}`, "Idempotency-Key",
		"b").want(http.StatusPaymentRequired)
	s.call("POST", "/v1/accounts/maya/results", `{"kind":"sale","charge":"txn_x"}`, "Idempotency-Key",
		"c").want(http.StatusUnprocessableEntity)
	s.call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"a").want(http.StatusCreated)
	s.call("POST", "/v1/accounts/maya/results", `{"kind":"sale"}`, "Idempotency-Key", "b").want(http.StatusCreated)
	s.call("POST", "/v1/accounts/maya/purchases", `{"pack":"pack_100"}`, "Idempotency-Key",
		"c").want(http.StatusCreated)
	// A bound key goes on to be the same request's.
	again := s.call("POST", "/v1/accounts/maya/results", `{"kind":"sale"}`, "Idempotency-Key",
		"b").want(http.StatusCreated)
	if again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %s", again.body)
	}
}

// Of calls of different kinds that come with one key at the same time exactly one succeeds.
func TestOneKeyForParallelCallsOfDifferentKinds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "star")
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
		together(4, func(int) {
			for path, body := range bodies {
				a := s.call("POST", "/v1/accounts/maya/"+path, body, "Idempotency-Key", key)
				switch {
				case a.status == http.StatusCreated && a.header.Get("Idempotent-Replayed") == "":
					succeeded.Add(1)
				case a.status != http.StatusCreated && a.status != http.StatusUnprocessableEntity:
					t.Errorf("%s: %d %s", path, a.status, a.body)
				}
			}
		})
		if succeeded.Load() != 1 {
			t.Errorf("round %d: %d calls succeeded with one key", round, succeeded.Load())
		}
	}
}

// A replay answers the body that came first, also when the purchase has moved on since (M10).
func TestAReplayedPurchaseHasTheSameBody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	order := func() answer {
		return s.call("POST", "/v1/accounts/maya/purchases", `{"pack":"pack_100"}`, "Idempotency-Key",
			"order").want(http.StatusCreated)
	}
	first := order()
	id := first.at("id").(string)
	same := func(what string, first, again answer) {
		t.Helper()
		if again.header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(first.body) {
			t.Errorf("%s: replayed %q\n%s then\n%s", what, again.header.Get("Idempotent-Replayed"), first.body,
				again.body)
		}
	}
	s.clock.Advance(1e9)
	same("while it waits", first, order())
	(&visitor{s: s}).pay(strings.TrimPrefix(first.at("checkout_url").(string), s.url))
	s.signIn("maya").get("/credits/purchases/" + id).want(http.StatusOK).wantState("paid")
	same("when it is paid", first, order())

	refund := func(key, body string) answer {
		return s.call("POST", "/v1/accounts/maya/purchases/"+id+"/refund", body, "Idempotency-Key",
			key).want(http.StatusCreated)
	}
	const part = `{"amount":{"minor":200,"currency":"USD"},"reason":"a part"}`
	half := refund("part", part)
	all := refund("rest", `{"reason":"the rest"}`)
	if half.at("refunded", "minor") != 200.0 || all.at("status") != "refunded" {
		t.Errorf("%s then %s", half.body, all.body)
	}
	same("a part of it back", half, refund("part", part))
	same("all of it back", all, refund("rest", `{"reason":"the rest"}`))
	same("when it is given back", first, order())
}
