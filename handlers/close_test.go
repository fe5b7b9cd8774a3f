package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const mayasGrants = "/v1/accounts/maya/grants"

// An adjustment below zero takes tokens back, in burn order or from one lot; what is wrong with it
// names the field.
func TestGrantsBelowZero(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "50")
	const body = `{"amount":"-20","kind":"adjustment","reason":"granted twice"}`
	a := s.call("POST", mayasGrants, body, "Idempotency-Key", "back").want(http.StatusCreated)
	a.wantMembers(map[string]any{
		"kind":   "grant",
		"amount": "-20",
		"source": "adjustment",
		"reason": "granted twice",
	})
	wantBalance(t, a, "30", "0", "30")
	if a.at("lots", 0, "amount") != "-20" {
		t.Errorf("lots %v", a.at("lots"))
	}
	again := s.call("POST", mayasGrants, body, "Idempotency-Key", "back").want(http.StatusCreated)
	if again.header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(a.body) {
		t.Errorf("again: %s", again.body)
	}
	gift := s.grant("maya", "5")["id"].(string)
	b := s.post(mayasGrants, `{"amount":"-4.5","kind":"adjustment","lot":"`+gift+
		`","reason":"r"}`).want(http.StatusCreated)
	if b.at("lots", 0, "lot") != gift || b.at("lots", 0, "amount") != "-4.5" {
		t.Errorf("lots %v", b.at("lots"))
	}
	newest := s.call("GET", "/v1/accounts/maya/transactions?kind=grant&limit=2",
		"").want(http.StatusOK).list("transactions")
	if newest[0]["amount"] != "-4.5" || newest[0]["reason"] != "r" || newest[1]["amount"] != "5" {
		t.Errorf("listed %v", newest)
	}
	before := s.contents()
	for body, field := range map[string]string{
		`{"amount":"-1","kind":"adjustment"}`:                                                  "reason",
		`{"amount":"-1","kind":"adjustment","reason":" "}`:                                     "reason",
		`{"amount":"-1","kind":"promo","reason":"r"}`:                                          "amount",
		`{"amount":"-30.500001","kind":"adjustment","reason":"r"}`:                             "amount",
		`{"amount":"0","kind":"adjustment","reason":"r"}`:                                      "amount",
		`{"amount":"-0.6","kind":"adjustment","lot":"` + gift + `","reason":"r"}`:              "amount",
		`{"amount":"-1","kind":"adjustment","lot":"txn_x","reason":"r"}`:                       "lot",
		`{"amount":"-1","kind":"adjustment","lot":"","reason":"r"}`:                            "lot",
		`{"amount":"1","kind":"adjustment","lot":"` + gift + `","reason":"r"}`:                 "lot",
		`{"amount":"-1","kind":"adjustment","lot":"` + a.at("id").(string) + `","reason":"r"}`: "lot",
		`{"amount":"-1","kind":"adjustment","expires_at":"2027-01-01T00:00:00Z","reason":"r"}`: "expires_at",
		`{"amount":"-99999999999999","kind":"adjustment","reason":"r"}`:                        "amount",
		`{"amount":"-1","kind":"purchase","reason":"r"}`:                                       "kind",
		`{"amount":"-1","kind":"adjustment","reason":"` + strings.Repeat("r", 501) + `"}`:      "reason",
	} {
		s.post(mayasGrants, body).problem(http.StatusUnprocessableEntity, "", field)
	}
	s.unchanged(before)
	row := marked(s.signIn("maya").get("/credits/history").want(http.StatusOK).page(), "history-row")[2]
	if got := text(row); !strings.Contains(got, "Taken back: granted twice") || !strings.Contains(got, "−20") {
		t.Errorf("the history says %q", got)
	}
}

// Closing is for good: the calls that spend, add or change answer 409, reads go on, and pages say so.
func TestClosingAnAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	maya := "/v1/accounts/maya"
	open := s.post(maya+"/purchases", `{"pack":"pack_100"}`).want(http.StatusCreated)
	hold := s.post(maya+"/holds", `{"feature":"image_generation"}`).want(http.StatusCreated).at("id").(string)
	charge := s.charge("maya", `{"feature":"image_generation"}`)["id"].(string)
	s.send("POST", maya+"/close", "", "Authorization", "Bearer "+s.keys[1]).problem(http.StatusForbidden,
		"insufficient_scope", "")
	first := s.call("POST", maya+"/close", "").want(http.StatusOK)
	first.wantMembers(map[string]any{
		"closed_at":     "2026-11-22T14:02:00Z",
		"next_reset_at": nil,
		"plan_status":   "active",
	})
	wantBalance(t, first, "190", "0", "190")
	before := s.contents()
	s.clock.Advance(time.Minute)
	if again := s.call("POST", maya+"/close", "{}").want(http.StatusOK); string(again.body) != string(first.body) {
		t.Errorf("again: %s", again.body)
	}
	for path, body := range map[string]string{
		"/charges":                    `{"feature":"lip_sync"}`,
		"/holds":                      `{"feature":"lip_sync"}`,
		"/holds/" + hold + "/capture": `{}`,
		"/grants":                     `{"amount":"1","kind":"promo","reason":"r"}`,
		"/purchases":                  `{"pack":"pack_100"}`,
		"/quote":                      `{"feature":"lip_sync"}`,
		"/agents/a/pause":             `{}`,
	} {
		s.post(maya+path, body).problem(http.StatusConflict, "account_closed", "")
	}
	s.call("PUT", maya+"/agents/a", `{"monthly_budget":"5"}`).problem(http.StatusConflict, "account_closed", "")
	s.call("PUT", maya, `{"plan":"pro"}`).problem(http.StatusConflict, "account_closed", "")
	bulk := s.call("POST", "/v1/charges",
		`{"charges":[{"account":"maya","idempotency_key":"k","feature":"lip_sync"}]}`).want(http.StatusOK)
	if _, code := bulk.outcome(); code != "account_closed" {
		t.Errorf("in bulk: %s", bulk.body)
	}
	s.unchanged(before)
	for _, path := range []string{"", "/lots", "/transactions", "/usage?group_by=feature", "/purchases", "/agents"} {
		s.call("GET", maya+path, "").want(http.StatusOK)
	}
	s.call("PUT", maya, `{"plan":"starter","name":"Maya"}`).want(http.StatusOK).wantMembers(map[string]any{"name": "Maya"})
	s.call("POST", "/v1/accounts/nobody/close", "").problem(http.StatusNotFound, "account_not_found", "")

	// Money that is on its way comes all the same, and goes back.
	s.post(maya+"/charges/"+charge+"/refund", `{"reason":"r"}`).want(http.StatusCreated)
	(&visitor{s: s}).pay(strings.TrimPrefix(open.at("checkout_url").(string), s.url))
	v := s.signIn("maya")
	v.get("/credits/purchases/" + open.at("id").(string)).want(http.StatusOK).wantState("paid")
	s.wantSpendable("maya", "300")
	s.post(maya+"/purchases/"+open.at("id").(string)+"/refund", `{"reason":"closed"}`).want(http.StatusCreated)
	s.wantSpendable("maya", "200")

	for _, path := range []string{
		"/", "/credits", "/credits/history", "/credits/buy", "/plans", "/agents",
		"/tools", "/settings",
	} {
		page := v.get(path).want(http.StatusOK).has("buy-more-credits", false).has("get-more-credits", false)
		if got := text(page.only("standing")); got !=
			"This account is closed. It was closed on 22 November 2026. Its 200 tokens can't be spent any more,"+
				" and no new ones come. Your history and receipts stay here." {
			t.Errorf("%s says %q", path, got)
		}
	}
	v.submit("/credits/buy", url.Values{"key": {"k"}, "pack": {"pack_100"}}).want(http.StatusConflict)
	v.submit("/agents/switch", url.Values{"agent": {"a"}, "on": {"0"}}).want(http.StatusConflict)
}

// A canceled plan: what is there may be spent, nothing more comes, and pages say so.
func TestACanceledPlanOnPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.call("PUT", "/v1/accounts/maya", `{"plan_status":"canceled"}`).want(http.StatusOK).
		wantMembers(map[string]any{
			"plan_status":   "canceled",
			"next_reset_at": nil,
			"closed_at":     nil,
		})
	s.call("PUT", "/v1/accounts/maya", `{"plan_status":"cancelled"}`).problem(http.StatusUnprocessableEntity,
		"invalid_field", "plan_status")
	v := s.signIn("maya")
	if got := text(v.get("/credits").want(http.StatusOK).has("buy-more-credits", true).only("standing")); got !=
		"Your Starter plan was cancelled. No new tokens come each month. You can spend the 200 tokens that are left until they expire." {
		t.Errorf("it says %q", got)
	}
	s.charge("maya", `{"feature":"image_generation"}`)
	s.clock.Advance(31 * 24 * time.Hour)
	s.wantSpendable("maya", "0")
	if got := text(s.signIn("maya").get("/plans").want(http.StatusOK).only("plan-mine")); !strings.HasSuffix(got,
		"Your plan was cancelled, so no more plan tokens arrive.") {
		t.Errorf("the plans say %q", got)
	}
	s.call("PUT", "/v1/accounts/maya", `{"plan":"starter","plan_status":"active"}`).want(http.StatusOK)
	s.wantSpendable("maya", "200")
	s.signIn("maya").get("/credits").want(http.StatusOK).has("standing", false)
}

// An order that would take the balance over the limit is refused before it is paid; those that were
// ordered before count (M8).
func TestAnOrderAboveTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.grant("maya", "99999999650")
	order := func() answer { return s.post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`) }
	paid := order().want(http.StatusCreated) // 50 are left after this one
	before := s.contents()
	order().problem(http.StatusConflict, "balance_limit", "")
	s.unchanged(before)
	v := s.signIn("maya")
	if page := v.submit("/credits/buy",
		url.Values{"key": {"k"}, "pack": {"pack_100"}}).want(http.StatusConflict); !strings.Contains(string(page.body), "holds at most 100000000000 tokens") {
		t.Errorf("the page does not say why: %.2000s", page.body)
	}
	s.grant("maya", "150") // a gift in between takes the room
	(&visitor{s: s}).pay(strings.TrimPrefix(paid.at("checkout_url").(string), s.url))
	v.get("/credits/purchases/" + paid.at("id").(string)).want(http.StatusOK).wantState("paid")
	s.wantSpendable("maya", "100000000100")
	s.charge("maya", `{"feature":"image_generation"}`)
}
