package billing_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/testkit"
)

// stripeLike imitates the part of Stripe that is used: sessions, payments, refunds and events.
type stripeLike struct {
	t          *testing.T
	mu         sync.Mutex
	answers    map[string]answered // by idempotency key
	sessions   map[string]members
	intents    map[string]members // payment intents, each with its charge
	currencies map[int64]string   // of the tax calculations, by amount
	disputes   []members
	events     []members // oldest first
	requests   []string
	gone       map[string]bool // customers, methods, sessions and events that no longer exist
	failing    bool            // requests are executed but answered 500
	lost       string          // so are those to this path
	now        func() time.Time
}

type answered struct {
	form   string
	status int
	body   members
}

// newStripeFixture is a fixture whose provider is Stripe, served by stripeLike.
func newStripeFixture(t *testing.T, o stripepay.Options) (*fixture, *stripeLike) {
	t.Helper()
	s := newFixture(t)
	l := &stripeLike{
		t:          t,
		answers:    map[string]answered{},
		sessions:   map[string]members{},
		intents:    map[string]members{},
		currencies: map[int64]string{},
		now:        s.Clock.Now,
	}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	o.Key, o.APIURL, o.WebhookSecrets = "sk_test_1", server.URL, []string{secret}
	s.Service = s.with(func(b *billing.Options) { b.Provider = stripepay.New(o) })
	s.options.Provider = stripepay.New(o)
	return s, l
}

func (l *stripeLike) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := r.ParseForm(); err != nil || r.Header.Get("Authorization") != "Bearer sk_test_1" {
		l.t.Errorf("%s %s: %v, key %q", r.Method, r.URL, err, r.Header.Get("Authorization"))
	}
	l.requests = append(l.requests, r.Method+" "+r.URL.Path+"?"+r.Form.Encode())
	status, body := l.once(r)
	if l.failing || (l.lost != "" && r.URL.Path == l.lost) {
		status, body = 500, refusal("api_error", "")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// once answers a repeated POST with its first answer, unless the parameters differ.
func (l *stripeLike) once(r *http.Request) (int, members) {
	key := r.Header.Get("Idempotency-Key")
	if r.Method != http.MethodPost {
		return l.answer(r)
	}
	if key == "" {
		l.t.Errorf("%s has no idempotency key", r.URL)
	}
	if first, ok := l.answers[key]; ok {
		if first.form != r.Form.Encode() {
			return 400, refusal("idempotency_error", "")
		}
		return first.status, first.body
	}
	status, body := l.answer(r)
	l.answers[key] = answered{r.Form.Encode(), status, maps.Clone(body)}
	return status, body
}

func refusal(kind, code string) members {
	return members{"error": members{
		"type":    kind,
		"code":    code,
		"message": "no",
	}}
}

func (l *stripeLike) answer(r *http.Request) (int, members) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	if status, body := l.missing(r, path); status != 0 {
		return status, body
	}
	if status, body := l.answerCharge(r, path); status != 0 {
		return status, body
	}
	switch {
	case r.Method == http.MethodPost && path == "checkout/sessions":
		return l.open(r.Form)
	case r.Method == http.MethodPost && path == "refunds":
		return l.refund(r.Form)
	case path == "checkout/sessions":
		for _, s := range l.sessions {
			if s["payment_intent"] == r.Form.Get("payment_intent") {
				return 200, members{"object": "list", "data": []members{s}}
			}
		}
		return 200, members{"object": "list", "data": []members{}}
	case path == "disputes":
		return 200, members{"object": "list", "data": l.disputes}
	case path == "events":
		return l.list(r.Form)
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/expire"):
		return l.expire(strings.TrimSuffix(strings.TrimPrefix(path, "checkout/sessions/"), "/expire"))
	case strings.HasPrefix(path, "checkout/sessions/"):
		return l.session(strings.TrimPrefix(path, "checkout/sessions/"), expands(r.Form))
	}
	return 404, refusal("invalid_request_error", "")
}

// missing refuses a request that names a deleted object.
func (l *stripeLike) missing(r *http.Request, path string) (int, members) {
	for _, param := range []string{"customer", "payment_method", "starting_after"} {
		if l.gone[r.Form.Get(param)] {
			body := refusal("invalid_request_error", "resource_missing")
			body["error"].(members)["param"] = param
			return 400, body
		}
	}
	if l.gone[path[strings.LastIndex(path, "/")+1:]] {
		return 404, refusal("invalid_request_error", "resource_missing")
	}
	return 0, nil
}

// forget deletes objects.
func (l *stripeLike) forget(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone == nil {
		l.gone = map[string]bool{}
	}
	for _, id := range ids {
		l.gone[id] = true
	}
}

// requestedRefund counts the requests with a prefix.
func (l *stripeLike) asked(start string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.requests {
		if strings.HasPrefix(r, start) {
			n++
		}
	}
	return n
}

// leastCharge is Stripe's minimum charge of the tested currencies, in Stripe's units.
var leastCharge = map[string]int64{"usd": 50, "jpy": 50}

func (l *stripeLike) open(form url.Values) (int, members) {
	amount, _ := strconv.ParseInt(form.Get("line_items[0][price_data][unit_amount]"), 10, 64)
	if amount < leastCharge[form.Get("line_items[0][price_data][currency]")] {
		return 400, refusal("invalid_request_error", "amount_too_small")
	}
	id := "cs_test_" + uuid.NewString()
	customer := form.Get("customer")
	if customer == "" && form.Get("customer_creation") == "always" {
		customer = "cus_" + uuid.NewString()
	}
	s := members{
		"id":                  id,
		"object":              "checkout.session",
		"url":                 "https://checkout.stripe.test/" + id,
		"client_reference_id": form.Get("client_reference_id"),
		"mode":                form.Get("mode"),
		"livemode":            false,
		"status":              "open",
		"payment_status":      "unpaid",
		"amount_subtotal":     amount,
		"amount_total":        amount,
		"currency":            form.Get("line_items[0][price_data][currency]"),
		"customer":            customer,
		"payment_intent":      nil,
		"_keep":               form.Get("payment_intent_data[setup_future_usage]"),
	}
	l.sessions[id] = s
	return 200, s
}

// expands lists the fields that a request expands.
func expands(form url.Values) (list []string) {
	for i := 0; form.Has(fmt.Sprintf("expand[%d]", i)); i++ {
		list = append(list, form.Get(fmt.Sprintf("expand[%d]", i)))
	}
	return list
}

func (l *stripeLike) session(id string, expand []string) (int, members) {
	s, ok := l.sessions[id]
	if !ok {
		return 404, refusal("invalid_request_error", "resource_missing")
	}
	s = maps.Clone(s)
	if pi, _ := s["payment_intent"].(string); pi != "" && slices.Contains(expand, "payment_intent.latest_charge") {
		s["payment_intent"] = l.intents[pi]
	}
	if details, ok := s["total_details"].(members); ok && !slices.Contains(expand, "total_details.breakdown") {
		details = maps.Clone(details)
		delete(details, "breakdown")
		s["total_details"] = details
	}
	return 200, s
}

// expire closes an open session and refuses any other.
func (l *stripeLike) expire(id string) (int, members) {
	s, ok := l.sessions[id]
	switch {
	case !ok:
		return 404, refusal("invalid_request_error", "resource_missing")
	case s["status"] != "open":
		return 400, refusal("invalid_request_error", "")
	}
	s["status"] = "expired"
	l.tell("checkout.session.expired", maps.Clone(s))
	return 200, s
}

func (l *stripeLike) refund(form url.Values) (int, members) {
	intent, ok := l.intents[form.Get("payment_intent")]
	if !ok {
		return 404, refusal("invalid_request_error", "resource_missing")
	}
	charge := intent["latest_charge"].(members)
	amount, _ := strconv.ParseInt(form.Get("amount"), 10, 64)
	back := charge["amount_refunded"].(int64) + amount
	if charge["disputed"] == true {
		return 400, refusal("invalid_request_error", "charge_disputed")
	}
	if back > charge["amount"].(int64) {
		return 400, refusal("invalid_request_error", "charge_already_refunded")
	}
	charge["amount_refunded"] = back
	l.tell("charge.refunded", maps.Clone(charge))
	return 200, members{
		"id":     "re_" + uuid.NewString(),
		"object": "refund",
		"amount": amount,
		"status": "succeeded",
	}
}

func (l *stripeLike) list(form url.Values) (int, members) {
	from, _ := strconv.ParseInt(form.Get("created[gte]"), 10, 64)
	to, _ := strconv.ParseInt(form.Get("created[lte]"), 10, 64)
	limit, _ := strconv.Atoi(form.Get("limit"))
	page, after := []members{}, form.Get("starting_after")
	for i := len(l.events) - 1; i >= 0; i-- {
		e := l.events[i]
		if created := e["created"].(int64); after == "" && created >= from && created <= to {
			page = append(page, e)
		}
		if e["id"] == after {
			after = ""
		}
	}
	return 200, members{
		"object":   "list",
		"has_more": len(page) > limit,
		"data":     page[:min(limit, len(page))],
	}
}

// add records an event without sending it.
func (l *stripeLike) tell(kind string, object members) {
	l.events = append(l.events, members{
		"id":       "evt_" + uuid.NewString(),
		"object":   "event",
		"type":     kind,
		"created":  l.now().Unix(),
		"livemode": false,
		"data":     members{"object": object},
	})
}

// fail makes later requests execute but answer 500, or stops that.
func (l *stripeLike) fail(failing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = failing
}

// of is the current session of a purchase.
func (l *stripeLike) of(p billing.Purchase) members {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.sessions[session(p)])
}

// newest is the last event.
func (l *stripeLike) newest() members {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[len(l.events)-1]
}

// pay plays a buyer with a card. change edits the session first: a discount, tax.
func (l *stripeLike) pay(p billing.Purchase, change members) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessions[session(p)]
	maps.Copy(s, change)
	pi := "pi_" + uuid.NewString()
	s["status"], s["payment_status"], s["payment_intent"] = "complete", "paid", pi
	charge := members{
		"id":                     "ch_" + pi,
		"object":                 "charge",
		"payment_intent":         pi,
		"amount":                 s["amount_total"],
		"amount_refunded":        int64(0),
		"currency":               s["currency"],
		"disputed":               false,
		"receipt_url":            "https://pay.stripe.test/receipts/" + pi,
		"payment_method_details": members{"type": "card", "card": members{"brand": "mastercard", "last4": "4444"}},
	}
	l.intents[pi] = members{
		"id":                 pi,
		"object":             "payment_intent",
		"status":             "succeeded",
		"latest_charge":      charge,
		"setup_future_usage": s["_keep"],
		"payment_method":     "pm_1",
	}
	l.tell("checkout.session.completed", maps.Clone(s))
}

// changePayment edits the charge of a purchase and returns its event.
func (l *stripeLike) changePayment(p billing.Purchase, change members) members {
	l.mu.Lock()
	defer l.mu.Unlock()
	charge := l.intents[l.sessions[session(p)]["payment_intent"].(string)]["latest_charge"].(members)
	maps.Copy(charge, change)
	l.tell("charge.refunded", maps.Clone(charge))
	return charge
}

// A purchase with Stripe in full: order, page, payment, event, tokens, card, customer, a refund here, one
// there, a dispute.
func TestStripe(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	account := s.Account()
	p, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID, KeepMethod: true})
	if err != nil || !strings.HasPrefix(p.CheckoutURL, "https://checkout.stripe.test/cs_test_") {
		t.Fatal(p.CheckoutURL, err)
	}
	if again, replayed, err := s.Start(t.Context(), account, "k",
		billing.StartParams{Pack: pack(0).ID, KeepMethod: true}); err != nil || !replayed ||
		again.CheckoutURL != p.CheckoutURL {
		t.Error(again.CheckoutURL, replayed, err)
	}
	l.pay(p, nil)
	s.mustSend(l.newest())
	got := s.wantStatus(p, billing.StatusCompleted)
	if got.Card != "Mastercard 4444" || got.Paid != p.Price {
		t.Errorf("paid %s with %q", got.Paid, got.Card)
	}
	s.wantCredits(p, 1)
	if n := s.Count(`select count(*) from payment_customers where account = $1 and customer like 'cus_%' and method = 'pm_1' and provider = 'stripe_test'`, account); n != 1 {
		t.Error("the customer and the card are not stored")
	}
	next, _, err := s.Start(t.Context(), account, "next", billing.StartParams{Pack: pack(0).ID})
	if err != nil || l.of(next)["customer"] != l.of(p)["customer"] {
		t.Error("the customer is another one", err)
	}

	if got, _, err = s.Refund(t.Context(), account, p.ID, "r", half(p)); err != nil || got.Refunded.Minor != 450 {
		t.Fatal(got.Refunded, err)
	}
	s.wantBalance(p, "250 0")
	s.mustSend(l.newest()) // Stripe sends an event, too
	s.wantBalance(p, "250 0")
	l.changePayment(p, members{"amount_refunded": int64(600)}) // made in Stripe's dashboard
	s.mustSend(l.newest())
	s.wantBalance(p, "233.333334 0")
	l.changePayment(p, members{"disputed": true})
	d := members{
		"id":             "dp_1",
		"object":         "dispute",
		"payment_intent": l.of(p)["payment_intent"],
		"amount":         int64(300),
		"currency":       "usd",
		"status":         "needs_response",
	}
	l.mu.Lock()
	l.disputes = []members{d}
	l.mu.Unlock()
	s.mustSend(about("charge.dispute.created", d))
	s.wantStatus(p, billing.StatusDisputed)
	s.wantBalance(p, "200 0")
	lost := maps.Clone(d)
	lost["status"] = "lost"
	s.mustSend(about("charge.dispute.closed", lost))
	s.wantStatus(p, billing.StatusRefunded)
	s.wantBalance(p, "200 0")
}

// Tax is added and discounts are deducted; the price before both is compared.
func TestStripesTotals(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{Tax: true, PromotionCodes: true})
	for total, want := range map[int64]billing.Status{
		900:  "completed",
		1071: "completed",
		450:  "completed",
		1:    "completed",
	} {
		p := s.order()
		l.pay(p, members{"amount_total": total})
		s.mustSend(l.newest())
		if got := s.wantStatus(p, want); got.Paid.Minor != total {
			t.Errorf("paid %s, want %d", got.Paid, total)
		}
		s.wantCredits(p, 1)
		// The tokens are taken back in proportion to the paid amount.
		if got, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "r",
			billing.RefundParams{}); err != nil || got.Status != billing.StatusRefunded ||
			got.Refunded.Minor != total {
			t.Error(got.Refunded, err)
		}
		s.wantBalance(p, "200 0")
	}
	wrong := s.order()
	l.pay(wrong, members{"amount_subtotal": int64(100), "amount_total": int64(900)})
	s.mustSend(l.newest())
	s.wantStatus(wrong, billing.StatusPending)
	s.wantCredits(wrong, 0)
	subscription := s.order()
	l.pay(subscription, members{"mode": "subscription"})
	s.mustSend(l.newest())
	s.wantCredits(subscription, 0)
}

// Stripe executes a request but its answer is lost, or Stripe is down: a retry with the same key does it
// once.
func TestStripesAnswersAreLost(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	account := s.Account()
	l.fail(true)
	_, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID})
	testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
	l.fail(false)
	p, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID})
	l.mu.Lock()
	opened := len(l.sessions)
	l.mu.Unlock()
	if err != nil || opened != 1 {
		t.Fatal(opened, err)
	}
	l.pay(p, nil)
	s.mustSend(l.newest())
	l.fail(true)
	_, _, err = s.Refund(t.Context(), account, p.ID, "r", half(p))
	testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
	l.fail(false)
	if got, _, err := s.Refund(t.Context(), account, p.ID, "r", half(p)); err != nil || got.Refunded.Minor != 450 {
		t.Error(got.Refunded, err)
	}
	s.wantBalance(p, "250 0")
}

// Without any event, polling finds payments, refunds and disputes.
func TestStripesEventsDoNotCome(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	s.reconcile()
	var paid []billing.Purchase
	for range 110 { // two pages of events
		p := s.order()
		l.pay(p, nil)
		paid = append(paid, p)
	}
	s.Exec(`update purchases set ask_at = null`)
	l.changePayment(paid[0], members{"amount_refunded": int64(900)})
	s.Clock.Advance(time.Hour)
	s.reconcile()
	for _, p := range paid[1:] {
		s.wantStatus(p, billing.StatusCompleted)
		s.wantCredits(p, 1)
	}
	s.wantStatus(paid[0], billing.StatusRefunded)
	s.wantBalance(paid[0], "200 0")
	// A page that fails is fetched again.
	more := s.order()
	l.pay(more, nil)
	l.fail(true)
	s.Clock.Advance(time.Hour)
	if _, err := s.Reconcile(t.Context()); err == nil {
		t.Error("no error")
	}
	l.fail(false)
	s.Clock.Advance(time.Hour)
	s.reconcile()
	s.wantStatus(more, billing.StatusCompleted)
	s.wantCredits(more, 1)
}

// A charge of the same Stripe account that is not ours.
func TestStripesOtherBusiness(t *testing.T) {
	t.Parallel()
	s, _ := newStripeFixture(t, stripepay.Options{})
	s.mustSend(about("charge.refunded", members{
		"id":              "ch_x",
		"payment_intent":  "pi_x",
		"amount_refunded": 5,
		"currency":        "usd",
	}))
	s.mustSend(about("charge.refunded", members{
		"id":              "ch_y",
		"payment_intent":  nil,
		"amount_refunded": 5,
		"currency":        "usd",
	}))
	s.mustSend(about("charge.dispute.created", members{
		"id":             "dp_x",
		"payment_intent": "pi_x",
		"amount":         5,
		"currency":       "usd",
		"status":         "lost",
	}))
	s.mustSend(about("refund.failed", members{"id": "re_x", "payment_intent": "pi_x"}))
	if n := s.Count(`select count(*) from payment_events where processed_at is null`); n != 0 {
		t.Errorf("%d events are not handled", n)
	}
}

// Stripe's parameters of a checkout.
func TestStripesParameters(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{Tax: true, PromotionCodes: true})
	p := s.order()
	l.mu.Lock()
	defer l.mu.Unlock()
	sent, err := url.ParseQuery(strings.SplitN(l.requests[0], "?", 2)[1])
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"client_reference_id":                           p.ID.String(),
		"mode":                                          "payment",
		"line_items[0][price_data][unit_amount]":        fmt.Sprint(p.Price.Minor),
		"line_items[0][price_data][currency]":           "usd",
		"line_items[0][price_data][product_data][name]": "100 tokens",
		"line_items[0][quantity]":                       "1",
		"success_url":                                   baseURL + "/credits/purchases/" + p.ID.String(),
		"automatic_tax[enabled]":                        "true",
		"allow_promotion_codes":                         "true",
		"customer_creation":                             "always",
		"adaptive_pricing[enabled]":                     "false",
		"tax_id_collection[enabled]":                    "true",
		"billing_address_collection":                    "required",
	} {
		if sent.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, sent.Get(name), want)
		}
	}
	if _, ok := l.answers["checkout-"+p.ID.String()]; !ok {
		t.Error("the idempotency key is not our purchase's id")
	}
}
