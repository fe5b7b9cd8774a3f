package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/testkit"
)

func TestChargeAnswersWhatItDid(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	const body = `{"feature":"image_generation","quantity":3,"agent":"studio","reference":"job-7","metadata":{"prompt":"a cat"}}`
	a := s.Post("/v1/accounts/maya/charges", body).Want(http.StatusCreated)
	a.WantMembers(map[string]any{
		"seq":        2.0,
		"kind":       "charge",
		"at":         "2026-11-22T14:02:00Z",
		"amount":     "30",
		"unit_price": "10",
		"quantity":   3.0,
		"feature":    "image_generation",
		"agent":      "studio",
		"reference":  "job-7",
	})
	wantBalance(t, a, "170", "0", "170")
	if id, _ := a.At("id").(string); !strings.HasPrefix(id, "txn_") || a.At("lots", 0, "amount") != "-30" {
		t.Errorf("id %v, lots %v", a.At("id"), a.At("lots"))
	}
	newest := s.Call("GET", "/v1/accounts/maya/transactions?limit=1", "").Want(http.StatusOK).List("transactions")[0]
	if newest["id"] != a.At("id") || newest["amount"] != "-30" ||
		handlerstest.At(newest, "balance", "spendable") != "170" {
		t.Errorf("in the list it is %v", newest)
	}
	if n := s.Count(`select count(*) from entry_notes where metadata = '{"prompt": "a cat"}'`); n != 1 {
		t.Errorf("metadata are kept %d times", n)
	}
	// A charge with an amount has no unit price.
	a = s.Post("/v1/accounts/maya/charges", `{"feature":"auto_selling","amount":"1.234567"}`).Want(http.StatusCreated)
	a.WantMembers(map[string]any{"amount": "1.234567", "unit_price": nil})
	wantBalance(t, a, "168.765433", "0", "168.765433")
}

func TestFractionsAreExact(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	for i, want := range []string{"199.95", "199.85", "199.8", "199.7"} {
		feature := []string{"social_comment_reply", "brand_deal_scan"}[i%2]
		if got := handlerstest.At(s.Charge("maya", `{"feature":"`+feature+`"}`), "balance", "spendable"); got != want {
			t.Errorf("after %d charges %v, want %s", i+1, got, want)
		}
	}
	if got := s.Charge("maya", `{"feature":"comment_to_dm","quantity":3}`); got["amount"] != "0.15" ||
		got["unit_price"] != "0.05" {
		t.Errorf("three DMs: %v", got)
	}
	// 199.55 tokens pay for exactly 3,991 replies.
	if got := s.Charge("maya", `{"feature":"social_comment_reply","quantity":3991}`); got["amount"] != "199.55" ||
		handlerstest.At(got, "balance", "spendable") != "0" {
		t.Errorf("the rest: %v", got)
	}
	s.Post("/v1/accounts/maya/charges", `{"feature":"social_comment_reply"}`).WantProblem(http.StatusPaymentRequired,
		"insufficient_tokens", "")
}

func TestAReplayIsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	for path, body := range map[string]string{
		"/v1/accounts/maya/charges": `{"feature":"brand_deal_scan","quantity":7,"agent":"scout","reference":"r","metadata":{"b":"2","a":"1"}}`,
		"/v1/accounts/maya/grants":  `{"amount":"0.5","kind":"adjustment","reason":"sorry <b>","expires_at":"2027-01-01T00:00:00.123456789+02:00"}`,
	} {
		first := s.Call("POST", path, body, "Idempotency-Key", "of "+path).Want(http.StatusCreated)
		if first.Header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: the first answer calls itself a replay", path)
		}
		before := s.Contents()
		s.Clock.Advance(1e9)
		again := s.Call("POST", path, body, "Idempotency-Key", "of "+path).Want(http.StatusCreated)
		if again.Header.Get("Idempotent-Replayed") != "true" || string(again.Body) != string(first.Body) {
			t.Errorf("%s: replayed %q\n%s then\n%s", path, again.Header.Get("Idempotent-Replayed"), first.Body,
				again.Body)
		}
		// The fingerprint covers the values of a request, not its white space.
		spaced := strings.ReplaceAll(strings.ReplaceAll(body, ",", " ,\n "), `":"`, `" : "`)
		if a := s.Call("POST", path, spaced, "Idempotency-Key",
			"of "+path).Want(http.StatusCreated); string(a.Body) != string(first.Body) {
			t.Errorf("%s: differently spaced it is %s", path, a.Body)
		}
		s.WantUnchanged(before)
	}
}

func TestAKeyIsForOneRequest(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "starter")
	const path = "/v1/accounts/maya/charges"
	s.Call("POST", path, `{"feature":"lip_sync"}`, "Idempotency-Key", "k").Want(http.StatusCreated)
	before := s.Contents()
	for _, other := range []string{
		`{"feature":"photoshoot"}`, `{"feature":"lip_sync","quantity":1}`, `{"feature":"lip_sync","agent":"a"}`,
		`{"feature":"lip_sync","reference":"r"}`,
		`{"feature":"lip_sync","metadata":{"a":"b"}}`,
	} {
		s.Call("POST", path, other, "Idempotency-Key", "k").WantProblem(http.StatusUnprocessableEntity,
			"idempotency_key_reused", "")
	}
	s.Call("POST", "/v1/accounts/maya/grants", `{"amount":"5","kind":"promo","reason":"r"}`, "Idempotency-Key", "k").
		WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
	s.WantUnchanged(before)
	// Each account has its own key space.
	a := s.Call("POST", "/v1/accounts/noor/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"k").Want(http.StatusCreated)
	if a.Header.Get("Idempotent-Replayed") != "" {
		t.Error("another account's request was taken for a replay")
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for path, body := range map[string]string{
		"/v1/accounts/maya/charges": `{"feature":"lip_sync"}`,
		"/v1/accounts/maya/grants":  `{"amount":"1","kind":"promo","reason":"r"}`,
	} {
		s.Call("POST", path, body).WantProblem(http.StatusBadRequest, "missing_idempotency_key", "")
		s.Call("POST", path, body, "Idempotency-Key", "").WantProblem(http.StatusBadRequest, "missing_idempotency_key",
			"")
		s.Call("POST", path, body, "Idempotency-Key", "   ").WantProblem(http.StatusBadRequest,
			"missing_idempotency_key", "")
		for _, key := range []string{strings.Repeat("k", 201), "a\tb", "clé", "k\u200b", "\xff"} {
			s.Call("POST", path, body, "Idempotency-Key", key).WantProblem(http.StatusBadRequest,
				"invalid_idempotency_key", "")
		}
	}
	s.WantUnchanged(before)
	for _, key := range []string{"k", strings.Repeat("k", 200), "!~ a 'quoted' \"key\"; --"} {
		s.Call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
			key).Want(http.StatusCreated)
	}
	s.WantSpendable("maya", "185")
}

// declineTables are the tables that a declined charge writes.
var declineTables = []string{"declined_attempts", "ledger_accounts"}

func TestTooFewTokens(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "42")
	before := s.Contents()
	const path, body = "/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`
	s.Call("POST", path, body, "Idempotency-Key", "k").
		WantProblem(http.StatusPaymentRequired, "insufficient_tokens", "").
		WantMembers(map[string]any{
			"spendable": "42",
			"required":  "75",
			"shortfall": "33",
			"buy_url":   s.URL + "/credits/buy?need=33",
		})
	s.WantUnchanged(before, declineTables...)
	s.WantSpendable("maya", "42")
	// A refused request does not bind its key.
	s.Grant("maya", "33")
	s.Call("POST", path, body, "Idempotency-Key", "k").Want(http.StatusCreated)
	s.WantSpendable("maya", "0")
}

func TestUniqueReference(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	const body = `{"feature":"lip_sync","reference":"job-1","unique_reference":true}`
	first := s.Charge("maya", body)
	before := s.Contents()
	s.Post("/v1/accounts/maya/charges", body).WantProblem(http.StatusConflict, "reference_used",
		"").WantMembers(map[string]any{"transaction": first["id"]})
	s.Post("/v1/accounts/maya/charges",
		`{"feature":"lip_sync","unique_reference":true}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field",
		"reference")
	s.WantUnchanged(before)
	s.Charge("maya", `{"feature":"lip_sync","reference":"job-1"}`)
}

func TestQuote(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "42")
	before := s.Contents()
	const path = "/v1/accounts/maya/quote"
	s.Call("POST", path, `{"feature":"image_generation","quantity":4}`).Want(http.StatusOK).WantMembers(map[string]any{
		"feature":       "image_generation",
		"quantity":      4.0,
		"amount":        "40",
		"unit_price":    "10",
		"affordable":    true,
		"spendable":     "42",
		"balance_after": "2",
		"shortfall":     "0",
	})
	s.Call("POST", path, `{"feature":"pdf_creation"}`).Want(http.StatusOK).WantMembers(map[string]any{
		"amount":        "75",
		"affordable":    false,
		"spendable":     "42",
		"balance_after": "42",
		"shortfall":     "33",
	})
	s.Call("POST", path, `{"feature":"auto_selling","amount":"42"}`).Want(http.StatusOK).WantMembers(map[string]any{
		"amount":        "42",
		"unit_price":    nil,
		"affordable":    true,
		"balance_after": "0",
	})
	s.WantUnchanged(before)
}

func TestWorkThatMakesNoSense(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for body, field := range map[string]string{
		`{}`:                                  "feature",
		`{"feature":""}`:                      "feature",
		`{"feature":"Lip_sync"}`:              "feature",
		`{"feature":"nothing"}`:               "feature",
		`{"feature":"auto_selling"}`:          "amount",
		`{"feature":"lip_sync","amount":"5"}`: "amount",
		`{"feature":"social_comment_reply","amount":"0"}`:                  "amount",
		`{"feature":"social_comment_reply","amount":"-1"}`:                 "amount",
		`{"feature":"lip_sync","quantity":0}`:                              "quantity",
		`{"feature":"lip_sync","quantity":-1}`:                             "quantity",
		`{"feature":"lip_sync","quantity":1000000001}`:                     "quantity",
		`{"feature":"pdf_creation","quantity":1000000000}`:                 "",
		`{"feature":"lip_sync","quantity":9223372036854775807}`:            "quantity",
		`{"feature":"auto_selling","amount":"1","quantity":0}`:             "quantity",
		`{"feature":"` + strings.Repeat("x", 65) + `"}`:                    "feature",
		`{"feature":"lip_sync","agent":"` + strings.Repeat("x", 65) + `"}`: "agent",
		`{"feature":"lip_sync","agent":"my agent"}`:                        "agent",
		`{"feature":"lip_sync","agent":"<b>"}`:                             "agent",
		`{"feature":"lip_sync","agent":"a/b"}`:                             "agent",
		`{"feature":"lip_sync","agent":"é"}`:                               "agent",
		`{"feature":"lip_sync","agent":".."}`:                              "agent",
	} {
		for _, path := range []string{"/v1/accounts/maya/charges", "/v1/accounts/maya/quote"} {
			a := s.Post(path, body)
			if field == "" { // the price alone is too high
				if a.Status != http.StatusPaymentRequired && a.Status != http.StatusOK {
					t.Errorf("%s: %d", a.Request, a.Status)
				}
				continue
			}
			a.WantProblem(http.StatusUnprocessableEntity, "", field)
		}
	}
	s.WantUnchanged(before, declineTables...)
	s.WantSpendable("maya", "200")
}

func TestGrants(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	const path = "/v1/accounts/maya/grants"
	a := s.Post(path, `{"amount":"25.5","kind":"promo","reason":"welcome","expires_at":"2026-12-01T00:00:00+01:00"}`).
		Want(http.StatusCreated)
	a.WantMembers(map[string]any{
		"kind":   "grant",
		"source": "promo",
		"amount": "25.5",
		"reason": "welcome",
		"seq":    2.0,
	})
	wantBalance(t, a, "225.5", "0", "225.5")
	before := s.Contents()
	for body, field := range map[string]string{
		`{"kind":"promo","reason":"r"}`:                                                          "amount",
		`{"amount":"0","kind":"promo","reason":"r"}`:                                             "amount",
		`{"amount":"-1","kind":"promo","reason":"r"}`:                                            "amount",
		`{"amount":"100000000000","kind":"promo","reason":"r"}`:                                  "amount",
		`{"amount":"1","reason":"r"}`:                                                            "kind",
		`{"amount":"1","kind":"plan","reason":"r"}`:                                              "kind",
		`{"amount":"1","kind":"purchase","reason":"r"}`:                                          "kind",
		`{"amount":"1","kind":"Promo","reason":"r"}`:                                             "kind",
		`{"amount":"1","kind":"promo"}`:                                                          "reason",
		`{"amount":"1","kind":"promo","reason":"` + strings.Repeat("x", 501) + `"}`:              "reason",
		`{"amount":"1","kind":"promo","reason":"r","expires_at":"2026-11-22T14:02:00Z"}`:         "expires_at",
		`{"amount":"1","kind":"promo","reason":"r","expires_at":"0001-01-01T00:00:00Z"}`:         "expires_at",
		`{"amount":"1","kind":"promo","reason":"r","expires_at":"0001-01-01T14:00:00+14:00"}`:    "expires_at",
		`{"amount":"1","kind":"promo","reason":"r","expires_at":"9999-12-31T23:59:59-14:00"}`:    "expires_at",
		`{"amount":"1","kind":"promo","reason":"r","expires_at":"2026-11-22T14:02:00.0000009Z"}`: "expires_at",
	} {
		s.Post(path, body).WantProblem(http.StatusUnprocessableEntity, "invalid_field", field)
	}
	s.WantUnchanged(before)
	s.Clock.Advance(9 * 24 * 3600e9) // past 1 December
	s.WantSpendable("maya", "200")
}

// 64 concurrent callers compete over HTTP for tokens that cover ten charges.
func TestConcurrentChargesNeverOverspend(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "100")
	var accepted, refused atomic.Int64
	testkit.Concurrently(64, func(int) {
		switch a := s.Post("/v1/accounts/maya/charges", `{"feature":"image_generation"}`); a.Status {
		case http.StatusCreated:
			accepted.Add(1)
		case http.StatusPaymentRequired:
			refused.Add(1)
		default:
			t.Errorf("%d: %s", a.Status, a.Body)
		}
	})
	if accepted.Load() != 10 || refused.Load() != 54 {
		t.Errorf("accepted %d, refused %d", accepted.Load(), refused.Load())
	}
	s.WantSpendable("maya", "0")
}

func TestTheSameKeyAtOnceChargesOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "100")
	before := s.Count("select count(*) from entries")
	answers := make([]handlerstest.Response, 50)
	testkit.Concurrently(len(answers), func(i int) {
		answers[i] = s.Call("POST", "/v1/accounts/maya/charges", `{"feature":"image_generation"}`,
			"Idempotency-Key", "once")
	})
	first := 0
	for i, a := range answers {
		a.Want(http.StatusCreated)
		if string(a.Body) != string(answers[0].Body) {
			t.Errorf("answer %s\n%s\nis not\n%s", strconv.Itoa(i), a.Body, answers[0].Body)
		}
		if a.Header.Get("Idempotent-Replayed") == "" {
			first++
		}
	}
	if n := s.Count("select count(*) from entries") - before; first != 1 || n != 1 {
		t.Errorf("%d answers are no replays, %d entries", first, n)
	}
	s.WantSpendable("maya", "90")
}
