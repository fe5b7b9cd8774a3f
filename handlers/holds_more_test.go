package handlers_test

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// same checks that a call with the same key answers the same bytes.
func (s *site) same(path, body, key string, first answer) {
	s.t.Helper()
	again := s.call("POST", path, body, "Idempotency-Key", key).want(http.StatusCreated)
	if string(again.body) != string(first.body) || again.header.Get("Idempotent-Replayed") != "true" {
		s.t.Errorf("%s answered\n%s\nand then\n%s", path, first.body, again.body)
	}
}

// A job that took longer than its hold: the difference comes from what is spendable, also where the
// price is fixed.
func TestACaptureMayExceedItsHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	hold, _ := s.hold("maya", `{"feature":"image_generation","quantity":2}`)
	a := s.call("POST", hold+"/capture", `{"amount":"24"}`, "Idempotency-Key", "k").want(http.StatusCreated)
	a.wantMembers(map[string]any{
		"kind":       "capture",
		"amount":     "24",
		"held_delta": "-20",
		"feature":    "image_generation",
	})
	wantBalance(t, a, "176", "0", "176")
	if lots, _ := a.at("lots").([]any); len(lots) != 1 || at(lots[0], "amount") != "-24" {
		t.Errorf("paid by %v", lots)
	}
	s.same(hold+"/capture", `{"amount":"24"}`, "k", a)
	usage := s.call("GET", "/v1/accounts/maya/usage?group_by=feature", "").want(http.StatusOK)
	if !strings.Contains(string(usage.body), `"amount":"24"`) {
		t.Errorf("usage is %s", usage.body)
	}
	id, _ := a.at("id").(string)
	s.post("/v1/accounts/maya/charges/"+id+"/refund",
		`{"reason":"r"}`).want(http.StatusCreated).wantMembers(map[string]any{"amount": "24"})
	s.wantSpendable("maya", "200")
}

// What is not there is not captured, and the hold stays as it is.
func TestACaptureThatCannotExceedItsHold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "22")
	hold, _ := s.hold("maya", `{"feature":"image_generation","quantity":2}`)
	a := s.post(hold+"/capture", `{"amount":"24"}`).problem(http.StatusPaymentRequired, "insufficient_tokens", "")
	a.wantMembers(map[string]any{
		"spendable": "2",
		"required":  "4",
		"shortfall": "2",
		"agent":     nil,
	})
	if detail, _ := a.at("detail").(string); !strings.Contains(detail,
		"4 tokens more than the 20 that are held") || a.at("buy_url") == nil {
		t.Errorf("it says %s", a.body)
	}
	s.call("GET", hold, "").want(http.StatusOK).wantMembers(map[string]any{"status": "open", "amount": "20"})
	s.post(hold+"/capture", `{"amount":"22"}`).want(http.StatusCreated)
	s.wantSpendable("maya", "0")

	// An agent's own reasons are a charge's: its budget, and that it is paused.
	s.open("noor", "starter")
	s.call("PUT", "/v1/accounts/noor/agents/seller", `{"monthly_budget":"22"}`).want(http.StatusCreated)
	hold, _ = s.hold("noor", `{"feature":"auto_selling","amount":"20","agent":"seller"}`)
	s.post(hold+"/capture", `{"amount":"24"}`).problem(http.StatusConflict, "over_budget", "")
	s.call("GET", hold, "").wantMembers(map[string]any{"status": "open"})
	s.post(hold+"/capture", `{"amount":"22"}`).want(http.StatusCreated)
	other, _ := s.hold("noor", `{"feature":"auto_selling","amount":"20","agent":"other"}`)
	s.call("POST", "/v1/accounts/noor/agents/other/pause", `{}`).want(http.StatusOK)
	s.post(other+"/capture", `{"amount":"20.1"}`).problem(http.StatusConflict, "agent_paused", "")
	s.post(other+"/capture", `{"amount":"20"}`).want(http.StatusCreated)

	// What others reserved is not spendable for it. The agent is named, though the request names
	// only the hold.
	s.openWith("lena", "50")
	s.call("PUT", "/v1/accounts/lena/agents/replies", `{"reserve":"25"}`).want(http.StatusCreated)
	hold, _ = s.hold("lena", `{"feature":"auto_selling","amount":"20","agent":"seller"}`)
	a = s.post(hold+"/capture", `{"amount":"26"}`).problem(http.StatusPaymentRequired, "insufficient_tokens", "")
	a.wantMembers(map[string]any{
		"spendable": "5",
		"required":  "6",
		"shortfall": "1",
		"agent":     "seller",
		"state":     "paused_out_of_tokens",
	})
	s.post(hold+"/capture", `{"amount":"20"}`).want(http.StatusCreated)
}

// What comes free of an expired lot expires at once, and the answer already knows.
func TestAnAnswerShowsWhatFollowsFromIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.call("PUT", "/v1/accounts/maya", `{"plan":"starter","billing_anchor":"2026-10-23T12:00:00Z"}`).want(http.StatusCreated)
	s.grant("maya", "10")
	released, _ := s.hold("maya", `{"feature":"auto_selling","amount":"50","expires_in":86400}`)
	captured, _ := s.hold("maya", `{"feature":"auto_selling","amount":"30","expires_in":86400}`)
	s.clock.Advance(23 * time.Hour) // the month has turned
	s.wantSpendable("maya", "210")

	a := s.call("POST", released+"/release", `{}`, "Idempotency-Key", "r").want(http.StatusCreated)
	wantBalance(t, a, "210", "30", "240")
	s.same(released+"/release", `{}`, "r", a)
	a = s.call("POST", captured+"/capture", `{"amount":"12"}`, "Idempotency-Key", "c").want(http.StatusCreated)
	wantBalance(t, a, "210", "0", "210")
	s.same(captured+"/capture", `{"amount":"12"}`, "c", a)
	if got := s.call("GET", "/v1/accounts/maya", "").at("balance"); !reflect.DeepEqual(got, a.at("balance")) {
		t.Errorf("the account has %v, the answer said %v", got, a.at("balance"))
	}
	// The books go on as a chain: each entry shows the balance after itself.
	list := s.call("GET", "/v1/accounts/maya/transactions?limit=4", "").list("transactions")
	for i, want := range []string{"expiry 210", "capture 228", "expiry 240", "release 290"} {
		if got := list[i]["kind"].(string) + " " + at(list[i], "balance", "total").(string); got != want {
			t.Errorf("transaction %d is %s, want %s", i, got, want)
		}
	}
}

// What callers say about a request is answered, listed, and passed on to what follows from it.
func TestReferencesReasonsAndMetadata(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	const said = `"reference":"job-7","reason":"scene 4","metadata":{"clip":"12","take":"1"}`
	metadata := map[string]any{"clip": "12", "take": "1"}
	check := func(what string, entry map[string]any, reference, reason string, metadata map[string]any) {
		t.Helper()
		got, _ := entry["metadata"].(map[string]any)
		if entry["reference"] != reference || entry["reason"] != reason || !reflect.DeepEqual(got, metadata) {
			t.Errorf("%s: %v %v %v", what, entry["reference"], entry["reason"], entry["metadata"])
		}
	}
	everywhere := func(a answer, reference, reason string, metadata map[string]any) string {
		t.Helper()
		a.want(http.StatusCreated)
		check(a.to, a.json(), reference, reason, metadata)
		id, _ := a.at("id").(string)
		check("by id after "+a.to, s.call("GET", "/v1/accounts/maya/transactions/"+id,
			"").want(http.StatusOK).json(), reference, reason, metadata)
		for _, e := range s.call("GET", "/v1/accounts/maya/transactions", "").list("transactions") {
			if e["id"] == id {
				check("in the list after "+a.to, e, reference, reason, metadata)
				return id
			}
		}
		t.Errorf("%s: not in the list", a.to)
		return id
	}
	post := func(path, body, reference, reason string, metadata map[string]any) string {
		t.Helper()
		a := s.call("POST", path, body, "Idempotency-Key", "k"+body+path)
		id := everywhere(a, reference, reason, metadata)
		s.same(path, body, "k"+body+path, a)
		return id
	}
	const base = "/v1/accounts/maya"
	charge := post(base+"/charges", `{"feature":"lip_sync",`+said+`}`, "job-7", "scene 4", metadata)
	post(base+"/charges/"+charge+"/refund", `{"amount":"1","reason":"blurred"}`, "job-7", "blurred", metadata)
	post(base+"/charges/"+charge+"/refund", `{"amount":"1","reason":"r","reference":"own","metadata":{"a":"b"}}`,
		"own", "r", map[string]any{"a": "b"})

	holds := make([]string, 4)
	for i := range holds {
		a := s.post(base+"/holds", `{"feature":"lip_sync",`+said+`}`)
		holds[i] = base + "/holds/" + everywhere(a, "job-7", "scene 4", metadata)
		check("the hold", s.call("GET", holds[i], "").want(http.StatusOK).json(), "job-7", "scene 4", metadata)
	}
	capture := post(holds[0]+"/capture", ``, "job-7", "scene 4", metadata)
	post(base+"/charges/"+capture+"/refund", `{"reason":"r"}`, "job-7", "r", metadata)
	post(holds[1]+"/capture", `{"reference":"own","reason":"why","metadata":{"a":"b"}}`, "own", "why",
		map[string]any{"a": "b"})
	post(holds[2]+"/release", ``, "job-7", "scene 4", metadata)
	post(holds[3]+"/release", `{"reason":"stopped"}`, "job-7", "stopped", metadata)
	post(base+"/grants", `{"amount":"1","kind":"promo",`+said+`}`, "job-7", "scene 4", metadata)
	bulk := s.call("POST", "/v1/charges",
		`{"charges":[{"account":"maya","idempotency_key":"b","feature":"lip_sync",`+said+`}]}`).want(http.StatusOK)
	item, _ := bulk.at("results", 0, "charge").(map[string]any)
	check("of a bulk", item, "job-7", "scene 4", metadata)

	// A hold that times out passes them on as well, also when the server remembers the account.
	s.post(base+"/holds", `{"feature":"lip_sync","reference":"late","reason":"slow","metadata":{"x":"y"},"expires_in":1}`).want(http.StatusCreated)
	s.clock.Advance(time.Second)
	s.charge("maya", `{"feature":"lip_sync"}`)
	list := s.call("GET", base+"/transactions?reference=late&kind=release", "").list("transactions")
	if len(list) != 1 {
		t.Fatalf("%d releases", len(list))
	}
	check("the time-out", list[0], "late", "slow", map[string]any{"x": "y"})
}

func TestATransactionByItsIDAndReference(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "starter")
	for i := range 7 {
		s.charge("maya", `{"feature":"lip_sync","reference":"job-`+strconv.Itoa(i%2)+`","agent":"a`+
			strconv.Itoa(i%3)+`"}`)
	}
	theirs := s.charge("noor", `{"feature":"lip_sync","reference":"job-0"}`)["id"].(string)
	var ids []string
	for path := "/v1/accounts/maya/transactions?reference=job-0&limit=3"; path != ""; {
		a := s.call("GET", path, "").want(http.StatusOK)
		for _, e := range a.list("transactions") {
			if e["reference"] != "job-0" {
				t.Errorf("found %v", e)
			}
			ids = append(ids, e["id"].(string))
		}
		next, _ := a.at("next_cursor").(string)
		if path = ""; next != "" {
			path = "/v1/accounts/maya/transactions?reference=job-0&limit=3&cursor=" + next
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d transactions of job-0", len(ids))
	}
	one := s.call("GET", "/v1/accounts/maya/transactions/"+ids[0], "").want(http.StatusOK)
	listed := s.call("GET", "/v1/accounts/maya/transactions?reference=job-0&agent=a0", "").list("transactions")
	if len(listed) != 2 || !reflect.DeepEqual(listed[0], one.json()) {
		t.Errorf("by id %s, by reference %v", one.body, listed)
	}
	if got := s.call("GET", "/v1/accounts/maya/transactions?reference=job", "").list("transactions"); len(got) != 0 {
		t.Errorf("a part of a reference finds %v", got)
	}
	for _, id := range []string{theirs, "x", "txn_", strings.ToUpper(ids[0])} {
		s.call("GET", "/v1/accounts/maya/transactions/"+id, "").problem(http.StatusNotFound,
			"transaction_not_found", "")
	}
}

func TestHoldsAreListedAndExtended(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	var paths []string
	for range 5 {
		path, _ := s.hold("maya", `{"feature":"lip_sync","expires_in":600}`)
		paths = append(paths, path)
		s.clock.Advance(time.Second)
	}
	s.post(paths[1]+"/release", "").want(http.StatusCreated)
	s.post(paths[3]+"/capture", "").want(http.StatusCreated)
	a := s.call("GET", "/v1/accounts/maya/holds?limit=2", "").want(http.StatusOK)
	first := a.list("holds")
	rest := s.call("GET", "/v1/accounts/maya/holds?limit=2&cursor="+a.at("next_cursor").(string),
		"").want(http.StatusOK)
	if len(first) != 2 || len(rest.list("holds")) != 1 || rest.at("next_cursor") != nil {
		t.Fatalf("pages of holds: %s %s", a.body, rest.body)
	}
	for i, h := range append(first, rest.list("holds")...) {
		if path := "/v1/accounts/maya/holds/" +
			h["id"].(string); path != []string{paths[4], paths[2], paths[0]}[i] || h["status"] != "open" ||
			h["amount"] != "5" {
			t.Errorf("hold %d is %v", i, h)
		}
	}
	s.call("GET", "/v1/accounts/maya/holds?limit=0", "").problem(http.StatusUnprocessableEntity, "", "limit")
	s.call("GET", "/v1/accounts/maya/holds?cursor=x", "").problem(http.StatusBadRequest, "invalid_cursor", "")

	x := s.call("POST", paths[0]+"/extend", `{"expires_in":3600}`, "Idempotency-Key", "x").want(http.StatusCreated)
	x.wantMembers(map[string]any{
		"status":     "open",
		"expires_at": "2026-11-22T15:02:05Z",
		"amount":     "5",
		"feature":    "lip_sync",
	})
	// never sooner
	s.post(paths[0]+"/extend", `{"expires_in":60}`).want(http.StatusCreated).wantMembers(map[string]any{"expires_at": "2026-11-22T15:02:05Z"})
	s.post(paths[0]+"/extend", `{"expires_in":7200}`).want(http.StatusCreated).wantMembers(map[string]any{"expires_at": "2026-11-22T16:02:05Z"})
	s.same(paths[0]+"/extend", `{"expires_in":3600}`, "x", x)
	s.clock.Advance(time.Hour)
	left := s.call("GET", "/v1/accounts/maya/holds", "").want(http.StatusOK).list("holds")
	if len(left) != 1 || left[0]["expires_at"] != "2026-11-22T16:02:05Z" {
		t.Errorf("after an hour: %v", left)
	}
	for i, status := range []string{"open", "released", "expired", "captured", "expired"} {
		s.call("GET", paths[i], "").want(http.StatusOK).wantMembers(map[string]any{"status": status})
	}
	s.post(paths[1]+"/extend", `{"expires_in":60}`).problem(http.StatusConflict, "hold_released", "")
	s.post(paths[2]+"/extend", `{"expires_in":60}`).problem(http.StatusConflict, "hold_expired", "")
	s.post(paths[3]+"/extend", `{"expires_in":60}`).problem(http.StatusConflict, "hold_captured", "")
	for _, body := range []string{`{}`, `{"expires_in":0}`, `{"expires_in":86401}`} {
		s.post(paths[0]+"/extend", body).problem(http.StatusUnprocessableEntity, "invalid_field", "expires_in")
	}
	s.call("POST", paths[0]+"/extend", `{"expires_in":60}`).problem(http.StatusBadRequest,
		"missing_idempotency_key", "")
	s.post(paths[0]+"/capture", "").want(http.StatusCreated)
	s.same(paths[0]+"/extend", `{"expires_in":3600}`, "x", x) // whatever happened since

	// The key is taken for everything else, and what took a key before is none of an extension's.
	s.call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"x").problem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
	s.call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"c").want(http.StatusCreated)
	s.call("POST", paths[0]+"/extend", `{"expires_in":60}`, "Idempotency-Key",
		"c").problem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
}
