package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/stripepay"
)

// An order, its payment, a part of its money back, then the rest, as a program sees it.
func TestPurchasesOfTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	body := `{"pack":"pack_100","return_url":"/tools?feature=pdf_creation"}`
	a := s.call("POST", "/v1/accounts/maya/purchases", body, "Idempotency-Key", "k").want(http.StatusCreated)
	a.wantMembers(map[string]any{
		"status":       "pending",
		"pack":         "pack_100",
		"tokens":       "100",
		"owed":         "0",
		"paid":         nil,
		"refunded":     nil,
		"completed_at": nil,
	})
	path := "/v1/accounts/maya/purchases/" + a.at("id").(string)
	checkout := strings.TrimPrefix(a.at("checkout_url").(string), s.url)
	if now := s.call("GET", path, "").want(http.StatusOK); string(now.body) != string(a.body) {
		t.Errorf("ordered %s, read %s", a.body, now.body)
	}
	back := (&visitor{s: s}).pay(checkout)
	s.signIn("maya").get(back).want(http.StatusOK).wantState("paid")
	s.wantSpendable("maya", "300")
	done := s.call("GET", path, "").want(http.StatusOK)
	done.wantMembers(map[string]any{
		"status":       "completed",
		"checkout_url": nil,
		"refunded":     nil,
	})
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
	s.post("/v1/accounts/maya/purchases", `{"pack":"x"}`).problem(http.StatusUnprocessableEntity, "unknown_pack",
		"pack")
	s.post("/v1/accounts/maya/purchases",
		`{"pack":"pack_100","return_url":"https://evil.test"}`).problem(http.StatusUnprocessableEntity,
		"invalid_field", "return_url")
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

// Only the page whose form leads to the payment page may send its form there.
func TestThePaymentPagesOriginIsAllowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	const header, ours, theirs = "Content-Security-Policy", "form-action 'self';", "form-action 'self' https://checkout.stripe.com;"
	if got := v.get("/credits/buy").header.Get(header); !strings.Contains(got, ours) {
		t.Errorf("with the sandbox: %s", got)
	}
	stripe := billing.Options{
		Ledger:   s.app.Ledger,
		Prices:   catalog.Builtin,
		Clock:    s.clock.Now,
		Log:      s.app.Log,
		Provider: stripepay.New(stripepay.Options{Key: "sk_test_1"}),
	}
	stripe.WebhookSecrets = []string{"whsec_1"}
	s.app.Billing = billing.New(s.pool, stripe)
	s.rebuild()
	if got := v.get("/credits/buy").header.Get(header); !strings.Contains(got, theirs) {
		t.Errorf("with Stripe: %s", got)
	}
	for _, path := range []string{"/credits", "/credits/buyer", "/login", "/plans"} {
		if got := v.get(path).header.Get(header); !strings.Contains(got, ours) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// A card of the sandbox for each outcome.
func TestTheSandboxsCards(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for card, want := range map[string]string{
		"FREE": "paid",
		"0259": "disputed",
		"6789": "processing",
	} {
		checkout := v.order("pack_100")
		v.get(checkout).want(http.StatusOK).has("sandbox-card-"+card, true)
		back := v.submit(checkout+"/pay", url.Values{"card": {card}}).want(http.StatusSeeOther).header.Get("Location")
		v.get(strings.TrimPrefix(back, s.url)).want(http.StatusOK).wantState(want)
	}
	v.submit(v.order("pack_100")+"/pay", url.Values{"card": {"1"}}).want(http.StatusUnprocessableEntity)
}
