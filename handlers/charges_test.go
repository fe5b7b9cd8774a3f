package handlers_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

func escape(text string) string { return url.QueryEscape(text) }

func TestChargeAnswersWhatItDid(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	const body = `{"feature":"image_generation","quantity":3,"agent":"studio","reference":"job-7","metadata":{"prompt":"a cat"}}`
	a := s.post("/v1/accounts/maya/charges", body).want(http.StatusCreated)
	a.wantMembers(map[string]any{
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
	if id, _ := a.at("id").(string); !strings.HasPrefix(id, "txn_") || a.at("lots", 0, "amount") != "-30" {
		t.Errorf("id %v, lots %v", a.at("id"), a.at("lots"))
	}
	newest := s.call("GET", "/v1/accounts/maya/transactions?limit=1", "").want(http.StatusOK).list("transactions")[0]
	if newest["id"] != a.at("id") || newest["amount"] != "-30" || at(newest, "balance", "spendable") != "170" {
		t.Errorf("in the list it is %v", newest)
	}
	if n := s.count(`select count(*) from entry_notes where metadata = '{"prompt": "a cat"}'`); n != 1 {
		t.Errorf("metadata are kept %d times", n)
	}
	// What the caller sends as the amount has no unit price.
	a = s.post("/v1/accounts/maya/charges", `{"feature":"auto_selling","amount":"1.234567"}`).want(http.StatusCreated)
	a.wantMembers(map[string]any{"amount": "1.234567", "unit_price": nil})
	wantBalance(t, a, "168.765433", "0", "168.765433")
}

func TestFractionsAreExact(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	for i, want := range []string{"199.95", "199.85", "199.8", "199.7"} {
		feature := []string{"social_comment_reply", "brand_deal_scan"}[i%2]
		if got := at(s.charge("maya", `{"feature":"`+feature+`"}`), "balance", "spendable"); got != want {
			t.Errorf("after %d charges %v, want %s", i+1, got, want)
		}
	}
	if got := s.charge("maya", `{"feature":"comment_to_dm","quantity":3}`); got["amount"] != "0.15" ||
		got["unit_price"] != "0.05" {
		t.Errorf("three DMs: %v", got)
	}
	// 199.55 tokens are 3,991 replies, to the last one.
	if got := s.charge("maya", `{"feature":"social_comment_reply","quantity":3991}`); got["amount"] != "199.55" ||
		at(got, "balance", "spendable") != "0" {
		t.Errorf("the rest: %v", got)
	}
	s.post("/v1/accounts/maya/charges", `{"feature":"social_comment_reply"}`).problem(http.StatusPaymentRequired,
		"insufficient_tokens", "")
}

func TestAReplayIsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	for path, body := range map[string]string{
		"/v1/accounts/maya/charges": `{"feature":"brand_deal_scan","quantity":7,"agent":"scout","reference":"r","metadata":{"b":"2","a":"1"}}`,
		"/v1/accounts/maya/grants":  `{"amount":"0.5","kind":"adjustment","reason":"sorry <b>","expires_at":"2027-01-01T00:00:00.123456789+02:00"}`,
	} {
		first := s.call("POST", path, body, "Idempotency-Key", "of "+path).want(http.StatusCreated)
		if first.header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s: the first answer calls itself a replay", path)
		}
		before := s.contents()
		s.clock.Advance(1e9)
		again := s.call("POST", path, body, "Idempotency-Key", "of "+path).want(http.StatusCreated)
		if again.header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(first.body) {
			t.Errorf("%s: replayed %q\n%s then\n%s", path, again.header.Get("Idempotent-Replayed"), first.body,
				again.body)
		}
		// Only the words count, not how they are written.
		spaced := strings.ReplaceAll(strings.ReplaceAll(body, ",", " ,\n "), `":"`, `" : "`)
		if a := s.call("POST", path, spaced, "Idempotency-Key",
			"of "+path).want(http.StatusCreated); string(a.body) != string(first.body) {
			t.Errorf("%s: differently spaced it is %s", path, a.body)
		}
		s.unchanged(before)
	}
}

func TestAKeyIsForOneRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "starter")
	const path = "/v1/accounts/maya/charges"
	s.call("POST", path, `{"feature":"lip_sync"}`, "Idempotency-Key", "k").want(http.StatusCreated)
	before := s.contents()
	for _, other := range []string{
		`{"feature":"photoshoot"}`, `{"feature":"lip_sync","quantity":1}`, `{"feature":"lip_sync","agent":"a"}`,
		`{"feature":"lip_sync","reference":"r"}`,
		`{"feature":"lip_sync","metadata":{"a":"b"}}`,
	} {
		s.call("POST", path, other, "Idempotency-Key", "k").problem(http.StatusUnprocessableEntity,
			"idempotency_key_reused", "")
	}
	s.call("POST", "/v1/accounts/maya/grants", `{"amount":"5","kind":"promo","reason":"r"}`, "Idempotency-Key", "k").
		problem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
	s.unchanged(before)
	// Another account's keys are its own.
	a := s.call("POST", "/v1/accounts/noor/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"k").want(http.StatusCreated)
	if a.header.Get("Idempotent-Replayed") != "" {
		t.Error("another account's request was taken for a replay")
	}
}

func TestIdempotencyKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	for path, body := range map[string]string{
		"/v1/accounts/maya/charges": `{"feature":"lip_sync"}`,
		"/v1/accounts/maya/grants":  `{"amount":"1","kind":"promo","reason":"r"}`,
	} {
		s.call("POST", path, body).problem(http.StatusBadRequest, "missing_idempotency_key", "")
		s.call("POST", path, body, "Idempotency-Key", "").problem(http.StatusBadRequest, "missing_idempotency_key",
			"")
		s.call("POST", path, body, "Idempotency-Key", "   ").problem(http.StatusBadRequest,
			"missing_idempotency_key", "")
		for _, key := range []string{strings.Repeat("k", 201), "a\tb", "clé", "k\u200b", "\xff"} {
			s.call("POST", path, body, "Idempotency-Key", key).problem(http.StatusBadRequest,
				"invalid_idempotency_key", "")
		}
	}
	s.unchanged(before)
	for _, key := range []string{"k", strings.Repeat("k", 200), "!~ a 'quoted' \"key\"; --"} {
		s.call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
			key).want(http.StatusCreated)
	}
	s.wantSpendable("maya", "185")
}

// declines are where an attempt that lacked tokens leaves its trace.
var declines = []string{"declined_attempts", "ledger_accounts"}

func TestTooFewTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "42")
	before := s.contents()
	const path, body = "/v1/accounts/maya/charges", `{"feature":"pdf_creation"}`
	s.call("POST", path, body, "Idempotency-Key", "k").problem(http.StatusPaymentRequired, "insufficient_tokens", "").
		wantMembers(map[string]any{
			"spendable": "42",
			"required":  "75",
			"shortfall": "33",
			"buy_url":   s.url + "/credits/buy?need=33",
		})
	s.unchanged(before, declines...)
	s.wantSpendable("maya", "42")
	// A refusal binds no key.
	s.grant("maya", "33")
	s.call("POST", path, body, "Idempotency-Key", "k").want(http.StatusCreated)
	s.wantSpendable("maya", "0")
}

func TestUniqueReference(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	const body = `{"feature":"lip_sync","reference":"job-1","unique_reference":true}`
	first := s.charge("maya", body)
	before := s.contents()
	s.post("/v1/accounts/maya/charges", body).problem(http.StatusConflict, "reference_used",
		"").wantMembers(map[string]any{"transaction": first["id"]})
	s.post("/v1/accounts/maya/charges",
		`{"feature":"lip_sync","unique_reference":true}`).problem(http.StatusUnprocessableEntity, "invalid_field",
		"reference")
	s.unchanged(before)
	s.charge("maya", `{"feature":"lip_sync","reference":"job-1"}`)
}

func TestQuote(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "42")
	before := s.contents()
	const path = "/v1/accounts/maya/quote"
	s.call("POST", path, `{"feature":"image_generation","quantity":4}`).want(http.StatusOK).wantMembers(map[string]any{
		"feature":       "image_generation",
		"quantity":      4.0,
		"amount":        "40",
		"unit_price":    "10",
		"affordable":    true,
		"spendable":     "42",
		"balance_after": "2",
		"shortfall":     "0",
	})
	s.call("POST", path, `{"feature":"pdf_creation"}`).want(http.StatusOK).wantMembers(map[string]any{
		"amount":        "75",
		"affordable":    false,
		"spendable":     "42",
		"balance_after": "42",
		"shortfall":     "33",
	})
	s.call("POST", path, `{"feature":"auto_selling","amount":"42"}`).want(http.StatusOK).wantMembers(map[string]any{
		"amount":        "42",
		"unit_price":    nil,
		"affordable":    true,
		"balance_after": "0",
	})
	s.unchanged(before)
}

func TestWorkThatMakesNoSense(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
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
			a := s.post(path, body)
			if field == "" { // a price that is merely out of reach
				if a.status != http.StatusPaymentRequired && a.status != http.StatusOK {
					t.Errorf("%s: %d", a.to, a.status)
				}
				continue
			}
			a.problem(http.StatusUnprocessableEntity, "", field)
		}
	}
	s.unchanged(before, declines...)
	s.wantSpendable("maya", "200")
}

func TestGrants(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	const path = "/v1/accounts/maya/grants"
	a := s.post(path, `{"amount":"25.5","kind":"promo","reason":"welcome","expires_at":"2026-12-01T00:00:00+01:00"}`).want(http.StatusCreated)
	a.wantMembers(map[string]any{
		"kind":   "grant",
		"source": "promo",
		"amount": "25.5",
		"reason": "welcome",
		"seq":    2.0,
	})
	wantBalance(t, a, "225.5", "0", "225.5")
	before := s.contents()
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
		s.post(path, body).problem(http.StatusUnprocessableEntity, "invalid_field", field)
	}
	s.unchanged(before)
	s.clock.Advance(9 * 24 * 3600e9) // past 1 December
	s.wantSpendable("maya", "200")
}

// 64 callers race for ten charges' worth of tokens, over HTTP.
func TestConcurrentChargesNeverOverspend(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "100")
	var accepted, refused atomic.Int64
	together(64, func(int) {
		switch a := s.post("/v1/accounts/maya/charges", `{"feature":"image_generation"}`); a.status {
		case http.StatusCreated:
			accepted.Add(1)
		case http.StatusPaymentRequired:
			refused.Add(1)
		default:
			t.Errorf("%d: %s", a.status, a.body)
		}
	})
	if accepted.Load() != 10 || refused.Load() != 54 {
		t.Errorf("accepted %d, refused %d", accepted.Load(), refused.Load())
	}
	s.wantSpendable("maya", "0")
}

func TestTheSameKeyAtOnceChargesOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "100")
	before := s.count("select count(*) from entries")
	answers := make([]answer, 50)
	together(len(answers), func(i int) {
		answers[i] = s.call("POST", "/v1/accounts/maya/charges", `{"feature":"image_generation"}`,
			"Idempotency-Key", "once")
	})
	first := 0
	for i, a := range answers {
		a.want(http.StatusCreated)
		if string(a.body) != string(answers[0].body) {
			t.Errorf("answer %s\n%s\nis not\n%s", strconv.Itoa(i), a.body, answers[0].body)
		}
		if a.header.Get("Idempotent-Replayed") == "" {
			first++
		}
	}
	if n := s.count("select count(*) from entries") - before; first != 1 || n != 1 {
		t.Errorf("%d answers are no replays, %d entries", first, n)
	}
	s.wantSpendable("maya", "90")
}
