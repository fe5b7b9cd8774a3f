package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

const mayasGrants = "/v1/accounts/maya/grants"

// A negative adjustment takes tokens back, in burn order or from one lot. An invalid one names the
// field.
func TestGrantsBelowZero(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "50")
	const body = `{"amount":"-20","kind":"adjustment","reason":"granted twice"}`
	a := s.Call("POST", mayasGrants, body, "Idempotency-Key", "back").Want(http.StatusCreated)
	a.WantMembers(map[string]any{
		"kind":   "grant",
		"amount": "-20",
		"source": "adjustment",
		"reason": "granted twice",
	})
	wantBalance(t, a, "30", "0", "30")
	if a.At("lots", 0, "amount") != "-20" {
		t.Errorf("lots %v", a.At("lots"))
	}
	again := s.Call("POST", mayasGrants, body, "Idempotency-Key", "back").Want(http.StatusCreated)
	if again.Header.Get("Idempotent-Replayed") != "true" || string(again.Body) != string(a.Body) {
		t.Errorf("again: %s", again.Body)
	}
	gift := s.Grant("maya", "5")["id"].(string)
	b := s.Post(mayasGrants, `{"amount":"-4.5","kind":"adjustment","lot":"`+gift+
		`","reason":"r"}`).Want(http.StatusCreated)
	if b.At("lots", 0, "lot") != gift || b.At("lots", 0, "amount") != "-4.5" {
		t.Errorf("lots %v", b.At("lots"))
	}
	newest := s.Call("GET", "/v1/accounts/maya/transactions?kind=grant&limit=2",
		"").Want(http.StatusOK).List("transactions")
	if newest[0]["amount"] != "-4.5" || newest[0]["reason"] != "r" || newest[1]["amount"] != "5" {
		t.Errorf("listed %v", newest)
	}
	before := s.Contents()
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
		`{"amount":"-1","kind":"adjustment","lot":"` + a.At("id").(string) + `","reason":"r"}`: "lot",
		`{"amount":"-1","kind":"adjustment","expires_at":"2027-01-01T00:00:00Z","reason":"r"}`: "expires_at",
		`{"amount":"-99999999999999","kind":"adjustment","reason":"r"}`:                        "amount",
		`{"amount":"-1","kind":"purchase","reason":"r"}`:                                       "kind",
		`{"amount":"-1","kind":"adjustment","reason":"` + strings.Repeat("r", 501) + `"}`:      "reason",
	} {
		s.Post(mayasGrants, body).WantProblem(http.StatusUnprocessableEntity, "", field)
	}
	s.WantUnchanged(before)
	row := handlerstest.Marked(s.SignIn("maya").Get("/credits/history").Want(http.StatusOK).HTML(), "history-row")[2]
	if got := handlerstest.Text(row); !strings.Contains(got, "Taken back: granted twice") ||
		!strings.Contains(got, "−20") {
		t.Errorf("the history says %q", got)
	}
}

// Closing is final: calls that spend, add or change answer 409. Reads still work, and pages show
// the closure.
func TestClosingAnAccount(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	maya := "/v1/accounts/maya"
	open := s.Post(maya+"/purchases", `{"pack":"pack_100"}`).Want(http.StatusCreated)
	hold := s.Post(maya+"/holds", `{"feature":"image_generation"}`).Want(http.StatusCreated).At("id").(string)
	charge := s.Charge("maya", `{"feature":"image_generation"}`)["id"].(string)
	s.Send("POST", maya+"/close", "", "Authorization", "Bearer "+s.Keys[1]).WantProblem(http.StatusForbidden,
		"insufficient_scope", "")
	first := s.Call("POST", maya+"/close", "").Want(http.StatusOK)
	first.WantMembers(map[string]any{
		"closed_at":     "2026-11-22T14:02:00Z",
		"next_reset_at": nil,
		"plan_status":   "active",
	})
	wantBalance(t, first, "190", "0", "190")
	before := s.Contents()
	s.Clock.Advance(time.Minute)
	if again := s.Call("POST", maya+"/close", "{}").Want(http.StatusOK); string(again.Body) != string(first.Body) {
		t.Errorf("again: %s", again.Body)
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
		s.Post(maya+path, body).WantProblem(http.StatusConflict, "account_closed", "")
	}
	s.Call("PUT", maya+"/agents/a", `{"monthly_budget":"5"}`).WantProblem(http.StatusConflict, "account_closed", "")
	s.Call("PUT", maya, `{"plan":"pro"}`).WantProblem(http.StatusConflict, "account_closed", "")
	bulk := s.Call("POST", "/v1/charges",
		`{"charges":[{"account":"maya","idempotency_key":"k","feature":"lip_sync"}]}`).Want(http.StatusOK)
	if _, code := bulk.StatusAndCode(); code != "account_closed" {
		t.Errorf("in bulk: %s", bulk.Body)
	}
	s.WantUnchanged(before)
	for _, path := range []string{"", "/lots", "/transactions", "/usage?group_by=feature", "/purchases", "/agents"} {
		s.Call("GET", maya+path, "").Want(http.StatusOK)
	}
	s.Call("PUT", maya, `{"plan":"starter","name":"Maya"}`).
		Want(http.StatusOK).
		WantMembers(map[string]any{"name": "Maya"})
	s.Call("POST", "/v1/accounts/nobody/close", "").WantProblem(http.StatusNotFound, "account_not_found", "")

	// Money in flight still arrives and is returned.
	s.Post(maya+"/charges/"+charge+"/refund", `{"reason":"r"}`).Want(http.StatusCreated)
	(&handlerstest.Browser{Site: s}).Pay(strings.TrimPrefix(open.At("checkout_url").(string), s.URL))
	v := s.SignIn("maya")
	v.Get("/credits/purchases/" + open.At("id").(string)).Want(http.StatusOK).WantState("paid")
	s.WantSpendable("maya", "300")
	s.Post(maya+"/purchases/"+open.At("id").(string)+"/refund", `{"reason":"closed"}`).Want(http.StatusCreated)
	s.WantSpendable("maya", "200")

	for _, path := range []string{
		"/", "/credits", "/credits/history", "/credits/buy", "/plans", "/agents",
		"/tools", "/settings",
	} {
		page := v.Get(path).
			Want(http.StatusOK).
			WantElement("buy-more-credits", false).
			WantElement("get-more-credits", false)
		if got := handlerstest.Text(page.Element("standing")); got !=
			"This account is closed. It was closed on 22 November 2026. Its 200 tokens can't be spent any more,"+
				" and no new ones come. Your history and receipts stay here." {
			t.Errorf("%s says %q", path, got)
		}
	}
	v.Submit("/credits/buy", url.Values{"key": {"k"}, "pack": {"pack_100"}}).Want(http.StatusConflict)
	v.Submit("/agents/switch", url.Values{"agent": {"a"}, "on": {"0"}}).Want(http.StatusConflict)
}

// An order that would raise the balance over the limit is refused before payment. Earlier open
// orders count (M8).
func TestAnOrderAboveTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Grant("maya", "99999999650")
	order := func() handlerstest.Response { return s.Post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`) }
	paid := order().Want(http.StatusCreated) // 50 are left after this one
	before := s.Contents()
	order().WantProblem(http.StatusConflict, "balance_limit", "")
	s.WantUnchanged(before)
	v := s.SignIn("maya")
	if page := v.Submit("/credits/buy",
		url.Values{"key": {"k"}, "pack": {"pack_100"}}).Want(http.StatusConflict); !strings.Contains(string(page.Body), "holds at most 100000000000 tokens") {
		t.Errorf("the page does not say why: %.2000s", page.Body)
	}
	s.Grant("maya", "150") // a gift uses up the remaining room
	(&handlerstest.Browser{Site: s}).Pay(strings.TrimPrefix(paid.At("checkout_url").(string), s.URL))
	v.Get("/credits/purchases/" + paid.At("id").(string)).Want(http.StatusOK).WantState("paid")
	s.WantSpendable("maya", "100000000100")
	s.Charge("maya", `{"feature":"image_generation"}`)
}
