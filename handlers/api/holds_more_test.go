package api_test

import (
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// A capture above its hold takes the difference from spendable tokens, also for fixed prices.
func TestACaptureMayExceedItsHold(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	hold, _ := s.Hold("maya", `{"feature":"image_generation","quantity":2}`)
	a := s.Call("POST", hold+"/capture", `{"amount":"24"}`, "Idempotency-Key", "k").Want(http.StatusCreated)
	a.WantMembers(map[string]any{
		"kind":       "capture",
		"amount":     "24",
		"held_delta": "-20",
		"feature":    "image_generation",
	})
	wantBalance(t, a, "176", "0", "176")
	if lots, _ := a.At("lots").([]any); len(lots) != 1 || handlerstest.At(lots[0], "amount") != "-24" {
		t.Errorf("paid by %v", lots)
	}
	s.WantReplay(hold+"/capture", `{"amount":"24"}`, "k", a)
	usage := s.Call("GET", "/v1/accounts/maya/usage?group_by=feature", "").Want(http.StatusOK)
	if !strings.Contains(string(usage.Body), `"amount":"24"`) {
		t.Errorf("usage is %s", usage.Body)
	}
	id, _ := a.At("id").(string)
	s.Post("/v1/accounts/maya/charges/"+id+"/refund",
		`{"reason":"r"}`).Want(http.StatusCreated).WantMembers(map[string]any{"amount": "24"})
	s.WantSpendable("maya", "200")
}

// A capture that is not covered is refused, and the hold stays open.
func TestACaptureThatCannotExceedItsHold(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "22")
	hold, _ := s.Hold("maya", `{"feature":"image_generation","quantity":2}`)
	a := s.Post(hold+"/capture", `{"amount":"24"}`).WantProblem(http.StatusPaymentRequired, "insufficient_tokens", "")
	a.WantMembers(map[string]any{
		"spendable": "2",
		"required":  "4",
		"shortfall": "2",
		"agent":     nil,
	})
	if detail, _ := a.At("detail").(string); !strings.Contains(detail,
		"4 tokens more than the 20 that are held") || a.At("buy_url") == nil {
		t.Errorf("it says %s", a.Body)
	}
	s.Call("GET", hold, "").Want(http.StatusOK).WantMembers(map[string]any{"status": "open", "amount": "20"})
	s.Post(hold+"/capture", `{"amount":"22"}`).Want(http.StatusCreated)
	s.WantSpendable("maya", "0")

	// The refusals of a charge for its agent apply: the budget, and a paused agent.
	s.Open("noor", "starter")
	s.Call("PUT", "/v1/accounts/noor/agents/seller", `{"monthly_budget":"22"}`).Want(http.StatusCreated)
	hold, _ = s.Hold("noor", `{"feature":"auto_selling","amount":"20","agent":"seller"}`)
	s.Post(hold+"/capture", `{"amount":"24"}`).WantProblem(http.StatusConflict, "over_budget", "")
	s.Call("GET", hold, "").WantMembers(map[string]any{"status": "open"})
	s.Post(hold+"/capture", `{"amount":"22"}`).Want(http.StatusCreated)
	other, _ := s.Hold("noor", `{"feature":"auto_selling","amount":"20","agent":"other"}`)
	s.Call("POST", "/v1/accounts/noor/agents/other/pause", `{}`).Want(http.StatusOK)
	s.Post(other+"/capture", `{"amount":"20.1"}`).WantProblem(http.StatusConflict, "agent_paused", "")
	s.Post(other+"/capture", `{"amount":"20"}`).Want(http.StatusCreated)

	// Tokens reserved for others are not spendable. The refusal names the agent although the request
	// names only the hold.
	s.OpenWith("lena", "50")
	s.Call("PUT", "/v1/accounts/lena/agents/replies", `{"reserve":"25"}`).Want(http.StatusCreated)
	hold, _ = s.Hold("lena", `{"feature":"auto_selling","amount":"20","agent":"seller"}`)
	a = s.Post(hold+"/capture", `{"amount":"26"}`).WantProblem(http.StatusPaymentRequired, "insufficient_tokens", "")
	a.WantMembers(map[string]any{
		"spendable": "5",
		"required":  "6",
		"shortfall": "1",
		"agent":     "seller",
		"state":     "paused_out_of_tokens",
	})
	s.Post(hold+"/capture", `{"amount":"20"}`).Want(http.StatusCreated)
}

// Tokens released to an expired lot expire at once, and the answer includes that.
func TestAnAnswerShowsWhatFollowsFromIt(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter","billing_anchor":"2026-10-23T12:00:00Z"}`).
		Want(http.StatusCreated)
	s.Grant("maya", "10")
	released, _ := s.Hold("maya", `{"feature":"auto_selling","amount":"50","expires_in":86400}`)
	captured, _ := s.Hold("maya", `{"feature":"auto_selling","amount":"30","expires_in":86400}`)
	s.Clock.Advance(23 * time.Hour) // the next month
	s.WantSpendable("maya", "210")

	a := s.Call("POST", released+"/release", `{}`, "Idempotency-Key", "r").Want(http.StatusCreated)
	wantBalance(t, a, "210", "30", "240")
	s.WantReplay(released+"/release", `{}`, "r", a)
	a = s.Call("POST", captured+"/capture", `{"amount":"12"}`, "Idempotency-Key", "c").Want(http.StatusCreated)
	wantBalance(t, a, "210", "0", "210")
	s.WantReplay(captured+"/capture", `{"amount":"12"}`, "c", a)
	if got := s.Call("GET", "/v1/accounts/maya", "").At("balance"); !reflect.DeepEqual(got, a.At("balance")) {
		t.Errorf("the account has %v, the answer said %v", got, a.At("balance"))
	}
	// Each entry has the balance after it.
	list := s.Call("GET", "/v1/accounts/maya/transactions?limit=4", "").List("transactions")
	for i, want := range []string{"expiry 210", "capture 228", "expiry 240", "release 290"} {
		if got := list[i]["kind"].(string) + " " + handlerstest.At(list[i], "balance", "total").(string); got != want {
			t.Errorf("transaction %d is %s, want %s", i, got, want)
		}
	}
}

// A request's reference, reason and metadata are in the answer, in the list, and in the entries
// that follow from it.
func TestReferencesReasonsAndMetadata(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	const said = `"reference":"job-7","reason":"scene 4","metadata":{"clip":"12","take":"1"}`
	metadata := map[string]any{"clip": "12", "take": "1"}
	check := func(what string, entry map[string]any, reference, reason string, metadata map[string]any) {
		t.Helper()
		got, _ := entry["metadata"].(map[string]any)
		if entry["reference"] != reference || entry["reason"] != reason || !reflect.DeepEqual(got, metadata) {
			t.Errorf("%s: %v %v %v", what, entry["reference"], entry["reason"], entry["metadata"])
		}
	}
	everywhere := func(a handlerstest.Response, reference, reason string, metadata map[string]any) string {
		t.Helper()
		a.Want(http.StatusCreated)
		check(a.Request, a.JSON(), reference, reason, metadata)
		id, _ := a.At("id").(string)
		check("by id after "+a.Request, s.Call("GET", "/v1/accounts/maya/transactions/"+id,
			"").Want(http.StatusOK).JSON(), reference, reason, metadata)
		for _, e := range s.Call("GET", "/v1/accounts/maya/transactions", "").List("transactions") {
			if e["id"] == id {
				check("in the list after "+a.Request, e, reference, reason, metadata)
				return id
			}
		}
		t.Errorf("%s: not in the list", a.Request)
		return id
	}
	post := func(path, body, reference, reason string, metadata map[string]any) string {
		t.Helper()
		a := s.Call("POST", path, body, "Idempotency-Key", "k"+body+path)
		id := everywhere(a, reference, reason, metadata)
		s.WantReplay(path, body, "k"+body+path, a)
		return id
	}
	const base = "/v1/accounts/maya"
	charge := post(base+"/charges", `{"feature":"lip_sync",`+said+`}`, "job-7", "scene 4", metadata)
	post(base+"/charges/"+charge+"/refund", `{"amount":"1","reason":"blurred"}`, "job-7", "blurred", metadata)
	post(base+"/charges/"+charge+"/refund", `{"amount":"1","reason":"r","reference":"own","metadata":{"a":"b"}}`,
		"own", "r", map[string]any{"a": "b"})

	holds := make([]string, 4)
	for i := range holds {
		a := s.Post(base+"/holds", `{"feature":"lip_sync",`+said+`}`)
		holds[i] = base + "/holds/" + everywhere(a, "job-7", "scene 4", metadata)
		check("the hold", s.Call("GET", holds[i], "").Want(http.StatusOK).JSON(), "job-7", "scene 4", metadata)
	}
	capture := post(holds[0]+"/capture", ``, "job-7", "scene 4", metadata)
	post(base+"/charges/"+capture+"/refund", `{"reason":"r"}`, "job-7", "r", metadata)
	post(holds[1]+"/capture", `{"reference":"own","reason":"why","metadata":{"a":"b"}}`, "own", "why",
		map[string]any{"a": "b"})
	post(holds[2]+"/release", ``, "job-7", "scene 4", metadata)
	post(holds[3]+"/release", `{"reason":"stopped"}`, "job-7", "stopped", metadata)
	post(base+"/grants", `{"amount":"1","kind":"promo",`+said+`}`, "job-7", "scene 4", metadata)
	bulk := s.Call("POST", "/v1/charges",
		`{"charges":[{"account":"maya","idempotency_key":"b","feature":"lip_sync",`+said+`}]}`).Want(http.StatusOK)
	item, _ := bulk.At("results", 0, "charge").(map[string]any)
	check("of a bulk", item, "job-7", "scene 4", metadata)

	// A hold that times out passes them on too, also when the server has the account in its cache.
	s.Post(base+"/holds", `{"feature":"lip_sync","reference":"late","reason":"slow","metadata":{"x":"y"},"expires_in":1}`).
		Want(http.StatusCreated)
	s.Clock.Advance(time.Second)
	s.Charge("maya", `{"feature":"lip_sync"}`)
	list := s.Call("GET", base+"/transactions?reference=late&kind=release", "").List("transactions")
	if len(list) != 1 {
		t.Fatalf("%d releases", len(list))
	}
	check("the time-out", list[0], "late", "slow", map[string]any{"x": "y"})
}

func TestATransactionByItsIDAndReference(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "starter")
	for i := range 7 {
		s.Charge("maya", `{"feature":"lip_sync","reference":"job-`+strconv.Itoa(i%2)+`","agent":"a`+
			strconv.Itoa(i%3)+`"}`)
	}
	theirs := s.Charge("noor", `{"feature":"lip_sync","reference":"job-0"}`)["id"].(string)
	var ids []string
	for path := "/v1/accounts/maya/transactions?reference=job-0&limit=3"; path != ""; {
		a := s.Call("GET", path, "").Want(http.StatusOK)
		for _, e := range a.List("transactions") {
			if e["reference"] != "job-0" {
				t.Errorf("found %v", e)
			}
			ids = append(ids, e["id"].(string))
		}
		next, _ := a.At("next_cursor").(string)
		if path = ""; next != "" {
			path = "/v1/accounts/maya/transactions?reference=job-0&limit=3&cursor=" + next
		}
	}
	if len(ids) != 4 {
		t.Errorf("%d transactions of job-0", len(ids))
	}
	one := s.Call("GET", "/v1/accounts/maya/transactions/"+ids[0], "").Want(http.StatusOK)
	listed := s.Call("GET", "/v1/accounts/maya/transactions?reference=job-0&agent=a0", "").List("transactions")
	if len(listed) != 2 || !reflect.DeepEqual(listed[0], one.JSON()) {
		t.Errorf("by id %s, by reference %v", one.Body, listed)
	}
	if got := s.Call("GET", "/v1/accounts/maya/transactions?reference=job", "").List("transactions"); len(got) != 0 {
		t.Errorf("a part of a reference finds %v", got)
	}
	for _, id := range []string{theirs, "x", "txn_", strings.ToUpper(ids[0])} {
		s.Call("GET", "/v1/accounts/maya/transactions/"+id, "").WantProblem(http.StatusNotFound,
			"transaction_not_found", "")
	}
}

func TestHoldsAreListedAndExtended(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	var paths []string
	for range 5 {
		path, _ := s.Hold("maya", `{"feature":"lip_sync","expires_in":600}`)
		paths = append(paths, path)
		s.Clock.Advance(time.Second)
	}
	s.Post(paths[1]+"/release", "").Want(http.StatusCreated)
	s.Post(paths[3]+"/capture", "").Want(http.StatusCreated)
	a := s.Call("GET", "/v1/accounts/maya/holds?limit=2", "").Want(http.StatusOK)
	first := a.List("holds")
	rest := s.Call("GET", "/v1/accounts/maya/holds?limit=2&cursor="+a.At("next_cursor").(string),
		"").Want(http.StatusOK)
	if len(first) != 2 || len(rest.List("holds")) != 1 || rest.At("next_cursor") != nil {
		t.Fatalf("pages of holds: %s %s", a.Body, rest.Body)
	}
	for i, h := range append(first, rest.List("holds")...) {
		if path := "/v1/accounts/maya/holds/" +
			h["id"].(string); path != []string{paths[4], paths[2], paths[0]}[i] || h["status"] != "open" ||
			h["amount"] != "5" {
			t.Errorf("hold %d is %v", i, h)
		}
	}
	s.Call("GET", "/v1/accounts/maya/holds?limit=0", "").WantProblem(http.StatusUnprocessableEntity, "", "limit")
	s.Call("GET", "/v1/accounts/maya/holds?cursor=x", "").WantProblem(http.StatusBadRequest, "invalid_cursor", "")

	x := s.Call("POST", paths[0]+"/extend", `{"expires_in":3600}`, "Idempotency-Key", "x").Want(http.StatusCreated)
	x.WantMembers(map[string]any{
		"status":     "open",
		"expires_at": "2026-11-22T15:02:05Z",
		"amount":     "5",
		"feature":    "lip_sync",
	})
	// never sooner
	s.Post(paths[0]+"/extend", `{"expires_in":60}`).
		Want(http.StatusCreated).
		WantMembers(map[string]any{"expires_at": "2026-11-22T15:02:05Z"})
	s.Post(paths[0]+"/extend", `{"expires_in":7200}`).
		Want(http.StatusCreated).
		WantMembers(map[string]any{"expires_at": "2026-11-22T16:02:05Z"})
	s.WantReplay(paths[0]+"/extend", `{"expires_in":3600}`, "x", x)
	s.Clock.Advance(time.Hour)
	left := s.Call("GET", "/v1/accounts/maya/holds", "").Want(http.StatusOK).List("holds")
	if len(left) != 1 || left[0]["expires_at"] != "2026-11-22T16:02:05Z" {
		t.Errorf("after an hour: %v", left)
	}
	for i, status := range []string{"open", "released", "expired", "captured", "expired"} {
		s.Call("GET", paths[i], "").Want(http.StatusOK).WantMembers(map[string]any{"status": status})
	}
	s.Post(paths[1]+"/extend", `{"expires_in":60}`).WantProblem(http.StatusConflict, "hold_released", "")
	s.Post(paths[2]+"/extend", `{"expires_in":60}`).WantProblem(http.StatusConflict, "hold_expired", "")
	s.Post(paths[3]+"/extend", `{"expires_in":60}`).WantProblem(http.StatusConflict, "hold_captured", "")
	for _, body := range []string{`{}`, `{"expires_in":0}`, `{"expires_in":86401}`} {
		s.Post(paths[0]+"/extend", body).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "expires_in")
	}
	s.Call("POST", paths[0]+"/extend", `{"expires_in":60}`).WantProblem(http.StatusBadRequest,
		"missing_idempotency_key", "")
	s.Post(paths[0]+"/capture", "").Want(http.StatusCreated)
	s.WantReplay(paths[0]+"/extend", `{"expires_in":3600}`, "x", x) // later changes do not matter

	// The key is bound for all other calls, and an extension cannot use a bound key.
	s.Call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"x").WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
	s.Call("POST", "/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"c").Want(http.StatusCreated)
	s.Call("POST", paths[0]+"/extend", `{"expires_in":60}`, "Idempotency-Key",
		"c").WantProblem(http.StatusUnprocessableEntity, "idempotency_key_reused", "")
}
