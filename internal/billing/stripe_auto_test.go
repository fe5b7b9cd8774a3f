package billing_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/testkit"
)

// answerCharge is the part of stripeLike that charges stored methods. A method's name says how it pays:
// "pm_ok", "pm_declined", "pm_confirm", "pm_slow"; any other is not attached. Tax is 19 percent.
func (l *stripeLike) answerCharge(r *http.Request, path string) (int, members) {
	switch {
	case r.Method == http.MethodPost && path == "payment_intents":
		return l.charge(r.Form)
	case strings.HasPrefix(path, "payment_intents/"):
		if i, ok := l.intents[strings.TrimPrefix(path, "payment_intents/")]; ok {
			return 200, maps.Clone(i)
		}
		return 404, refusal("invalid_request_error", "resource_missing")
	case path == "tax/settings":
		return 200, members{"object": "tax.settings", "defaults": members{"tax_behavior": "exclusive"}}
	case r.Method == http.MethodPost && path == "tax/calculations":
		amount, _ := strconv.ParseInt(r.Form.Get("line_items[0][amount]"), 10, 64)
		l.currencies[amount] = r.Form.Get("currency")
		return 200, calculation(amount, l.currencies[amount])
	case strings.HasPrefix(path, "tax/calculations/"):
		amount, _ := strconv.ParseInt(strings.TrimPrefix(path, "tax/calculations/taxcalc_"), 10, 64)
		return 200, calculation(amount, l.currencies[amount])
	case strings.HasSuffix(path, "/detach"):
		return 200, members{"id": strings.Split(path, "/")[1], "object": "payment_method"}
	}
	return 0, nil
}

func calculation(amount int64, currency string) members {
	tax := amount * 19 / 100
	return members{
		"id":                   fmt.Sprint("taxcalc_", amount),
		"object":               "tax.calculation",
		"currency":             currency,
		"amount_total":         amount + tax,
		"tax_amount_exclusive": tax,
		"customer_details":     members{"tax_ids": []members{{"type": "eu_vat", "value": "DE123456789"}}},
		"tax_breakdown": []members{
			{
				"amount":           tax,
				"inclusive":        false,
				"tax_rate_details": members{"percentage_decimal": "19.0", "tax_type": "vat"},
			},
			{
				"amount":            0,
				"inclusive":         false,
				"taxability_reason": "not_collecting",
			},
		},
	}
}

func (l *stripeLike) charge(form url.Values) (int, members) {
	amount, _ := strconv.ParseInt(form.Get("amount"), 10, 64)
	id, method := "pi_"+uuid.NewString(), form.Get("payment_method")
	if amount < leastCharge[form.Get("currency")] {
		return 400, refusal("invalid_request_error", "amount_too_small")
	}
	intent := members{
		"id":       id,
		"object":   "payment_intent",
		"amount":   amount,
		"currency": form.Get("currency"),
		"customer": form.Get("customer"),
		"livemode": false,
		"metadata": members{"purchase": form.Get("metadata[purchase]")},
		"status":   "succeeded",
	}
	if slices.Contains(form["expand[]"], "customer") || slices.Contains(form["expand[1]"], "customer") {
		intent["customer"] = members{
			"id":     form.Get("customer"),
			"object": "customer",
			"name":   "Maya Ltd",
		}
	}
	if tax := form.Get("hooks[inputs][tax][calculation]"); tax != "" {
		intent["hooks"] = members{"inputs": members{"tax": members{"calculation": tax}}}
	}
	l.intents[id] = intent
	switch method {
	case "pm_ok":
		intent["latest_charge"] = members{
			"id":              "ch_" + id,
			"object":          "charge",
			"payment_intent":  id,
			"amount":          amount,
			"amount_refunded": int64(0),
			"currency":        form.Get("currency"),
			"billing_details": members{"name": "Maya Chen", "address": members{
				"line1":       "1 Kiln Lane",
				"postal_code": "10115",
				"city":        "Berlin",
				"country":     "DE",
			}},
			"receipt_url":            "https://pay.stripe.test/receipts/" + id,
			"disputed":               false,
			"payment_method_details": members{"type": "card", "card": members{"brand": "visa", "last4": "4242"}},
		}
		l.tell("payment_intent.succeeded", maps.Clone(intent))
		return 200, intent
	case "pm_slow":
		intent["status"] = "processing"
		return 200, intent
	case "pm_declined", "pm_confirm":
		code := map[string]string{"pm_declined": "card_declined", "pm_confirm": "authentication_required"}[method]
		failed := members{
			"type":    "card_error",
			"code":    code,
			"message": "no",
		}
		intent["status"], intent["last_payment_error"] = "requires_payment_method", maps.Clone(failed)
		l.tell("payment_intent.payment_failed", maps.Clone(intent))
		failed["payment_intent"] = intent
		return 402, members{"error": failed}
	}
	delete(l.intents, id)
	return 400, refusal("invalid_request_error", "payment_method_unexpected_state")
}

// loseAnswers drops the answers to later requests to a path, after executing them; empty: none.
func (l *stripeLike) loseAnswers(path string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost = path
}

// accountWithMethod is an account with a stored method.
func (s *fixture) accountWithMethod(provider, method string) uuid.UUID {
	s.T.Helper()
	account := s.Account()
	s.Exec(`insert into payment_customers (account, provider, customer, method, card) values ($1, $2, $3, $4, 'Visa 4242')`,
		account, provider, "cus_"+account.String(), method)
	return account
}

func (s *fixture) orderAuto(account uuid.UUID, most int64) (id uuid.UUID, ok bool, err error) {
	return s.orderAutoAt(account, pack(0).Price, most)
}

// terms are those of the first pack, at a price.
func terms(price money.Amount) billing.Terms {
	t := billing.TermsOf(pack(0))
	t.Price = price
	return t
}

func (s *fixture) orderAutoAt(account uuid.UUID, price money.Amount, most int64) (id uuid.UUID, ok bool, err error) {
	err = pgx.BeginFunc(s.T.Context(), s.DB.Pool, func(tx pgx.Tx) error {
		id, err = s.OrderAuto(s.T.Context(), tx, account, billing.AutoParams{Agreed: terms(price), Most: most})
		return err
	})
	return id, id != uuid.Nil, err
}

// topUp orders an auto purchase and charges it.
func (s *fixture) topUp(account uuid.UUID, most int64) (billing.Purchase, error) {
	s.T.Helper()
	id, ok, err := s.orderAuto(account, most)
	if err != nil || !ok {
		s.T.Fatal(ok, err)
	}
	p, err := s.Charge(s.T.Context(), account, id)
	if p.ID != id {
		s.T.Fatal(p.ID, err)
	}
	return p, err
}

const plenty = 1_000_000

// Each answer of Stripe to an auto purchase is an outcome, and its events change nothing more.
func TestStripeChargesWithoutTheBuyer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method  string
		tax     bool
		most    int64
		status  billing.Status
		failure billing.Failure
		paid    int64
	}{
		{"pm_ok", false, 900, billing.StatusCompleted, "", 900},
		{"pm_ok", true, 1071, billing.StatusCompleted, "", 1071},
		{"pm_ok", true, 1070, billing.StatusFailed, billing.FailureTooMuch, 0},
		{"pm_ok", false, 899, billing.StatusFailed, billing.FailureTooMuch, 0},
		{"pm_declined", false, plenty, billing.StatusFailed, billing.FailureDeclined, 0},
		{"pm_declined", true, plenty, billing.StatusFailed, billing.FailureDeclined, 0},
		{"pm_confirm", false, plenty, billing.StatusFailed, billing.FailureConfirm, 0},
		{"pm_gone", false, plenty, billing.StatusFailed, billing.FailureRefused, 0},
	} {
		s, l := newStripeFixture(t, stripepay.Options{Tax: c.tax})
		account := s.accountWithMethod("stripe_test", c.method)
		p, err := s.topUp(account, c.most)
		if err != nil || p.Status != c.status || p.Failure != c.failure || p.Paid.Minor != c.paid || !p.Auto {
			t.Errorf("%+v: %s, %q, paid %s, %v", c, p.Status, p.Failure, p.Paid, err)
		}
		credits := 0
		if c.status == billing.StatusCompleted {
			credits = 1
		}
		for range 2 {
			for _, event := range l.events {
				s.mustSend(event)
			}
			if again, err := s.Charge(t.Context(), account, p.ID); err != nil || again.Status != c.status ||
				again.Failure != c.failure {
				t.Errorf("%+v, again: %s, %q, %v", c, again.Status, again.Failure, err)
			}
		}
		s.wantCredits(p, credits)
		if n := s.Count(`select count(*) from payment_events where processed_at is null`); n != 0 {
			t.Errorf("%d events are not dealt with", n)
		}
	}
}

// An auto purchase has a bill like a checkout: it comes with the charge, and can be fetched later.
func TestStripesBillOfACharge(t *testing.T) {
	t.Parallel()
	for _, tax := range []bool{false, true} {
		s, _ := newStripeFixture(t, stripepay.Options{Tax: tax})
		p, err := s.topUp(s.accountWithMethod("stripe_test", "pm_ok"), plenty)
		if err != nil {
			t.Fatal(err)
		}
		for _, when := range []string{"with the charge", "asked for later"} {
			b := s.receipt(p).Bill
			if b == nil {
				t.Fatalf("tax %t, %s: there is no bill", tax, when)
			}
			if b.Subtotal != 900 || b.Total != p.Paid.Minor || b.Tax != p.Paid.Minor-900 ||
				b.Buyer.Name != "Maya Ltd" || len(b.Buyer.Address) != 3 ||
				!strings.HasPrefix(b.ReceiptURL, "https://pay.stripe.test/receipts/pi_") {
				t.Errorf("tax %t, %s: %+v", tax, when, b)
			}
			if tax && (len(b.Taxes) != 1 || b.Taxes[0] != (payment.TaxLine{
				Name:   "VAT",
				Rate:   "19",
				Amount: 171,
			}) || !slices.Equal(b.Buyer.TaxIDs, []string{"DE123456789"})) {
				t.Errorf("%s: %+v for %+v", when, b.Taxes, b.Buyer)
			}
			s.Exec(`update purchase_bills set bill = null, read_at = null, asked_at = null where purchase = $1`, p.ID)
		}
	}
}

// Stripe's parameters of a charge.
func TestStripesParametersOfACharge(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{Tax: true})
	account := s.accountWithMethod("stripe_test", "pm_ok")
	p, err := s.topUp(account, plenty)
	if err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var sent url.Values
	for _, r := range l.requests {
		if query, ok := strings.CutPrefix(r, "POST /v1/payment_intents?"); ok {
			sent, _ = url.ParseQuery(query)
		}
	}
	for name, want := range map[string]string{
		"amount":                          "1071",
		"currency":                        "usd",
		"customer":                        "cus_" + account.String(),
		"payment_method":                  "pm_ok",
		"off_session":                     "true",
		"confirm":                         "true",
		"error_on_requires_action":        "true",
		"metadata[purchase]":              p.ID.String(),
		"hooks[inputs][tax][calculation]": "taxcalc_900",
		"description":                     "100 tokens",
		"automatic_payment_methods[allow_redirects]": "never",
	} {
		if sent.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, sent.Get(name), want)
		}
	}
	for _, key := range []string{"charge-", "tax-"} {
		if _, ok := l.answers[key+p.ID.String()]; !ok {
			t.Errorf("no request has the key %s and our purchase's id", key)
		}
	}
}

// The answer to a charge is lost. It stays pending, which blocks another one. The first source to report
// the outcome finishes it, and the card is charged once.
func TestStripesAnswerToAChargeIsLost(t *testing.T) {
	t.Parallel()
	for name, hear := range map[string]func(*fixture, *stripeLike, billing.Purchase){
		"the job asks again": func(s *fixture, _ *stripeLike, _ billing.Purchase) {
			s.Clock.Advance(3 * time.Minute)
			s.reconcile()
		},
		"the event": func(s *fixture, l *stripeLike, _ billing.Purchase) { s.mustSend(l.newest()) },
		"a refund made in Stripe's pages": func(s *fixture, l *stripeLike, _ billing.Purchase) {
			intent := l.newest()["data"].(members)["object"].(members)["id"]
			s.mustSend(about("charge.refunded", members{
				"id":              "ch_1",
				"payment_intent":  intent,
				"amount_refunded": 0,
				"currency":        "usd",
			}))
			s.mustSend(l.newest())
		},
		"after a day, the event": func(s *fixture, l *stripeLike, p billing.Purchase) {
			s.Clock.Advance(26 * time.Hour)
			// The list of events is empty.
			s.Exec(`update payment_walks set since = now() + interval '1 year', until = null`)
			s.reconcile()
			s.wantStatus(p, billing.StatusExpired)
			s.mustSend(l.newest())
		},
	} {
		s, l := newStripeFixture(t, stripepay.Options{Tax: true})
		s.reconcile()
		account := s.accountWithMethod("stripe_test", "pm_ok")
		l.loseAnswers("/v1/payment_intents")
		p, err := s.topUp(account, plenty)
		testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
		l.loseAnswers("")
		s.wantStatus(p, billing.StatusPending)
		_, _, err = s.Start(t.Context(), account, "auto-"+p.ID.String(), billing.StartParams{Pack: pack(0).ID})
		// No other request can continue with it.
		testkit.WantProblem(t, err, problem.Unprocessable, "idempotency_key_reused")
		if _, ok, err := s.orderAuto(account, plenty); ok || err != nil {
			t.Errorf("%s: another began meanwhile, %v", name, err)
		}
		hear(s, l, p)
		if got := s.wantStatus(p, billing.StatusCompleted); got.Paid.Minor != 1071 {
			t.Errorf("%s: paid %s", name, got.Paid)
		}
		s.wantCredits(p, 1)
		if len(l.intents) != 1 {
			t.Errorf("%s: %d charges", name, len(l.intents))
		}
	}
}

// Refunds and disputes of an auto top-up work as for any purchase.
func TestMoneyOfATopUpGoesBack(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	p, err := s.topUp(s.accountWithMethod("stripe_test", "pm_ok"), plenty)
	if err != nil {
		t.Fatal(err)
	}
	half := billing.RefundParams{Amount: &money.Amount{Minor: 450, Currency: "USD"}, Reason: "r"}
	if got, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "r", half); err != nil || got.Refunded.Minor != 450 {
		t.Error(got.Refunded, err)
	}
	s.mustSend(l.newest())
	s.wantBalance(p, "250 0")
	intent := l.events[0]["data"].(members)["object"].(members)["id"]
	d := members{
		"id":             "dp_1",
		"object":         "dispute",
		"payment_intent": intent,
		"amount":         int64(450),
		"currency":       "usd",
		"status":         "lost",
	}
	s.mustSend(about("charge.dispute.created", d))
	s.wantStatus(p, billing.StatusRefunded)
	s.wantBalance(p, "200 0")
}

// Payments that are not ours, or claim to be: nothing is credited, and the events are done.
func TestPaymentsThatAreNoTopUps(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	ordered := s.order()
	id, _, err := s.orderAuto(s.accountWithMethod("stripe_test", "pm_ok"), plenty)
	if err != nil {
		t.Fatal(err)
	}
	add := func(name, purchase string, amount int64, customer string) {
		l.intents[name] = members{
			"id":       name,
			"object":   "payment_intent",
			"amount":   amount,
			"currency": "usd",
			"customer": customer,
			"metadata": members{"purchase": purchase},
			"status":   "succeeded",
		}
	}
	add("pi_page", "", 900, "")
	add("pi_of_a_page_that_claims_more", ordered.ID.String(), 900, "")
	add("pi_of_another_customer", id.String(), 900, "cus_other")
	add("pi_of_nobody", uuid.NewString(), 900, "")
	for name, intent := range l.intents {
		s.mustSend(about("payment_intent.succeeded", intent))
		s.mustSend(about("payment_intent.payment_failed", intent))
		if n := s.Count(`select count(*) from purchases where status <> 'pending' or provider_session like 'pi_%' or payment is not null`); n != 0 {
			t.Errorf("%s moved a purchase", name)
		}
	}
	s.mustSend(about("payment_intent.succeeded",
		members{"id": "pi_away", "metadata": members{"purchase": id.String()}}))
	if n := s.Count(`select count(*) from payment_events where processed_at is null`); n != 0 {
		t.Errorf("%d events are not handled", n)
	}
	// The page's own payment is credited by its session, once.
	l.pay(ordered, nil)
	s.mustSend(l.newest())
	s.mustSend(about("payment_intent.succeeded",
		members{"id": l.of(ordered)["payment_intent"], "metadata": members{}}))
	s.wantStatus(ordered, billing.StatusCompleted)
	s.wantCredits(ordered, 1)
	// Of the right customer, but with another amount.
	account := s.accountWithMethod("stripe_test", "pm_ok")
	wrong, _, err := s.orderAuto(account, plenty)
	if err != nil {
		t.Fatal(err)
	}
	add("pi_dear", wrong.String(), 901, "cus_"+account.String())
	s.mustSend(about("payment_intent.succeeded", l.intents["pi_dear"]))
	if p, err := s.Get(t.Context(), account, wrong); err != nil || p.Status != billing.StatusPending {
		t.Error(p.Status, err)
	}
}

// A stored method can be deleted, here and at Stripe.
func TestForgettingACard(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	account := s.Account()
	p, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID, KeepMethod: true})
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := s.Kept(t.Context(), account); err != nil || kept.Any {
		t.Error(kept, err)
	}
	l.pay(p, nil)
	s.mustSend(l.newest())
	if kept, err := s.Kept(t.Context(), account); err != nil ||
		kept != (billing.Kept{Card: "Mastercard 4444", Any: true}) {
		t.Error(kept, err)
	}
	for range 2 {
		if err := s.Forget(t.Context(), account); err != nil {
			t.Error(err)
		}
	}
	if kept, err := s.Kept(t.Context(), account); err != nil || kept.Any {
		t.Error(kept, err)
	}
	if _, ok, err := s.orderAuto(account, plenty); ok || err != nil {
		t.Error("ordered without a stored method", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := strings.Count(strings.Join(l.requests, "\n"), "POST /v1/payment_methods/pm_1/detach"); n != 1 {
		t.Errorf("Stripe was asked %d times", n)
	}
}

// An account has at most one auto top-up under way, which only the index ensures.
func TestOneTopUpAtATime(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	race := func(account uuid.UUID) (began int) {
		done := make(chan bool, 50)
		testkit.Concurrently(50, func(int) {
			_, ok, err := s.orderAuto(account, plenty)
			if err != nil {
				t.Error(err)
			}
			done <- ok
		})
		for range 50 {
			if <-done {
				began++
			}
		}
		return began
	}
	account := s.accountWithMethod("sandbox", "pm_1")
	if began := race(account); began != 1 {
		t.Errorf("%d of 50 began", began)
	}
	s.Exec(`update purchases set status = 'processing'`)
	if began := race(account); began != 0 {
		t.Errorf("%d began while one's money was on its way", began)
	}
	s.Exec(`update purchases set status = 'failed'`)
	if began := race(account); began != 1 {
		t.Errorf("%d of 50 began after one had failed", began)
	}
	// The test can fail: without the index all of them begin.
	owner, err := pgx.Connect(t.Context(), s.DB.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(t.Context())
	if _, err := owner.Exec(t.Context(), `drop index purchases_one_auto`); err != nil {
		t.Fatal(err)
	}
	if began := race(s.accountWithMethod("sandbox", "pm_1")); began != 50 {
		t.Errorf("%d of 50 began without the index", began)
	}
	if _, _, err := s.orderAutoOf("pack_0"); err == nil || !errors.As(err, new(*problem.Error)) {
		t.Error("a pack that is not there:", err)
	}
}

func (s *fixture) orderAutoOf(name string) (id uuid.UUID, ok bool, err error) {
	err = pgx.BeginFunc(s.T.Context(), s.DB.Pool, func(tx pgx.Tx) error {
		id, err = s.OrderAuto(s.T.Context(), tx, s.Account(), billing.AutoParams{Agreed: billing.Terms{
			Pack:   name,
			Tokens: pack(0).Tokens,
			Price:  pack(0).Price,
		}, Most: plenty})
		return err
	})
	return id, id != uuid.Nil, err
}
