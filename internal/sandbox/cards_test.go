package sandbox_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
)

// eventTypes lists the types of the events, oldest first.
func (b *fixture) eventTypes() string {
	b.t.Helper()
	list, more, err := b.Events(b.t.Context(), b.clock.Now().Add(-time.Hour), b.clock.Now(), "")
	if err != nil || more {
		b.t.Fatal(more, err)
	}
	kinds := map[string]int{}
	for _, e := range list {
		kinds[e.Type]++
	}
	var out []string
	for _, kind := range []string{
		"checkout.session.completed", "checkout.session.async_payment_succeeded",
		"checkout.session.async_payment_failed", "charge.refunded",
		"charge.dispute.created", "charge.dispute.closed",
	} {
		for range kinds[kind] {
			out = append(out, kind[strings.LastIndex(kind, ".")+1:])
		}
	}
	return strings.Join(out, " ")
}

// Each card has its outcome and its events.
func TestCards(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		card   sandbox.Card
		then   func(b *fixture, id string) error
		state  payment.State
		events string
	}{
		{sandbox.CardGood, nil, payment.Paid, "completed"},
		{sandbox.CardDeclined, nil, payment.Open, ""},
		{sandbox.Coupon, nil, payment.Paid, "completed"},
		{sandbox.BankDebit, nil, payment.Waiting, "completed"},
		{sandbox.BankDebit, func(b *fixture, id string) error {
			return b.Arrive(t.Context(), id)
		}, payment.Paid, "completed async_payment_succeeded"},
		{sandbox.BankDebit, func(b *fixture, id string) error {
			return b.Bounce(t.Context(), id)
		}, payment.Failed, "completed async_payment_failed"},
		{sandbox.CardDisputed, nil, payment.Paid, "completed created"},
		{sandbox.CardDisputed, func(b *fixture, id string) error {
			return b.CloseDispute(t.Context(), id, true)
		}, payment.Paid, "completed created closed"},
	} {
		b := newFixture(t)
		s := b.open("a")
		if _, err := b.PayWith(t.Context(), s.ID, c.card); err != nil {
			t.Errorf("%s: %v", c.card, err)
		}
		if c.then != nil {
			if err := c.then(b, s.ID); err != nil {
				t.Errorf("%s: %v", c.card, err)
			}
		}
		got, err := b.Checkout(t.Context(), s.ID)
		if err != nil || got.State != c.state || b.eventTypes() != c.events {
			t.Errorf("%s: %s, told %q (%v), want %s, %q", c.card, got.State, b.eventTypes(), err, c.state, c.events)
		}
		if free := c.card == sandbox.Coupon; free != (got.Total == 0) || got.Price.Minor != 900 {
			t.Errorf("%s: %d of %s", c.card, got.Total, got.Price)
		}
	}
	b := newFixture(t)
	s := b.open("a")
	_, err := b.PayWith(t.Context(), s.ID, "1111")
	wantProblem(t, err, sandbox.ErrCard)
	wantProblem(t, b.Arrive(t.Context(), s.ID), sandbox.ErrNotPaid)
	wantProblem(t, b.OpenDispute(t.Context(), s.ID), sandbox.ErrNotPaid)
}

// A stored card can be charged later: each has its outcome and its events, and the same reference charges
// once.
func TestCharges(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		card   sandbox.Card
		keep   bool
		state  payment.State
		reason payment.Reason
		events string
	}{
		{sandbox.CardGood, true, payment.Paid, "", "payment_intent.succeeded"},
		{sandbox.CardLater, true, payment.Failed, payment.Declined, "payment_intent.payment_failed"},
		{sandbox.CardConfirm, true, payment.Failed, payment.NeedsBuyer, "payment_intent.payment_failed"},
		{sandbox.CardGood, false, "", "", ""},
		{sandbox.CardDisputed, true, "", "", ""},
		{sandbox.Coupon, true, "", "", ""},
	} {
		b := newFixture(t)
		order := payment.Order{
			Reference:   "o",
			Price:       money.Amount{Minor: 900, Currency: "USD"},
			Description: "100 tokens",
			KeepMethod:  c.keep,
		}
		opened, err := b.Open(t.Context(), order)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.PayWith(t.Context(), opened.ID, c.card); err != nil {
			t.Fatal(err)
		}
		paid, err := b.Checkout(t.Context(), opened.ID)
		if err != nil || paid.State != payment.Paid || (paid.Method != "") != (c.state != "") {
			t.Errorf("%s: %+v, %v", c.card, paid, err)
		}
		charge := payment.Charge{
			Reference:   "c",
			Price:       order.Price,
			Most:        900,
			Description: "100 tokens",
			Customer:    paid.Customer,
			Method:      paid.Method,
		}
		if c.state == "" {
			if _, err := b.Charge(t.Context(), charge); !errors.Is(err, payment.ErrNoMethod) {
				t.Errorf("%s: %v", c.card, err)
			}
			continue
		}
		var first payment.Checkout
		for i := range 2 {
			got, err := b.Charge(t.Context(), charge)
			if err != nil || got.State != c.state || got.Reason != c.reason || got.Reference != "c" ||
				got.Price != order.Price || (i > 0 && got.ID != first.ID) {
				t.Errorf("%s: %+v, %v", c.card, got, err)
			}
			first = got
		}
		if n := b.count(`select count(*) from sandbox_events where body like '%"type":"` + c.events +
			`"%' and body like '%"purchase":"c"%'`); n != 1 {
			t.Errorf("%s: %d events", c.card, n)
		}
		if _, err := b.Session(t.Context(), first.ID); !errors.Is(err, sandbox.ErrNoSession) {
			t.Errorf("%s: a charge has a page: %v", c.card, err)
		}
		charge.Reference, charge.Most = "dear", 899
		if _, err := b.Charge(t.Context(), charge); !errors.Is(err, payment.ErrTooMuch) {
			t.Errorf("%s: over the maximum: %v", c.card, err)
		}
		charge.Most, charge.Customer = 900, "cus_other"
		if _, err := b.Charge(t.Context(), charge); !errors.Is(err, payment.ErrNoMethod) {
			t.Errorf("%s: of another customer: %v", c.card, err)
		}
		charge.Customer = paid.Customer
		if err := b.Forget(t.Context(), paid.Method); err != nil {
			t.Error(err)
		}
		if _, err := b.Charge(t.Context(), charge); !errors.Is(err, payment.ErrNoMethod) {
			t.Errorf("%s: after deletion: %v", c.card, err)
		}
	}
}

// A key refunds once, and never more than was paid.
func TestSandboxRefunds(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	s := b.open("a")
	if _, err := b.Pay(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	c, err := b.Checkout(t.Context(), s.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		key    string
		amount int64
		want   error
		back   int64
	}{
		{"a", 400, nil, 400},
		{"a", 400, nil, 400},
		{"b", 501, payment.ErrRefused, 400},
		{"b", 500, nil, 900},
		{"c", 1, payment.ErrRefused, 900},
	} {
		if err := b.Refund(t.Context(), payment.Refund{
			Key:     r.key,
			Payment: c.Payment,
			Amount:  money.Amount{Minor: r.amount, Currency: "USD"},
		}); !errors.Is(err, r.want) {
			t.Errorf("%+v: %v", r, err)
		}
		if now, err := b.CheckoutOf(t.Context(), c.Payment); err != nil || now.Refunded != r.back {
			t.Errorf("%+v: %d back (%v)", r, now.Refunded, err)
		}
	}
	if err := b.Refund(t.Context(), payment.Refund{
		Key:     "d",
		Payment: "pi_none",
		Amount:  money.Amount{Minor: 1, Currency: "USD"},
	}); !errors.Is(err, payment.ErrNone) {
		t.Error(err)
	}
	if _, err := b.CheckoutOf(t.Context(), "pi_none"); !errors.Is(err, payment.ErrNone) {
		t.Error(err)
	}
}

// Events arrive late, twice, or never; the list has all of them.
func TestMisbehaviour(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	endpoint := httptest.NewServer(http.HandlerFunc(b.receive))
	t.Cleanup(endpoint.Close)
	how := map[string]sandbox.Delivery{
		"checkout.session.completed": {Late: time.Minute},
		"charge.dispute.created":     {Again: 1},
		"charge.dispute.closed":      {Never: true},
	}
	b.Provider = sandbox.New(b.pool, sandbox.Options{
		Clock:      b.clock.Now,
		BaseURL:    "http://credits.test",
		DeliverURL: endpoint.URL,
		Secret:     secret,
		Log:        slog.New(slog.DiscardHandler),
		Misbehave:  func(kind string) sandbox.Delivery { return how[kind] },
	})
	s := b.open("a")
	if _, err := b.PayWith(t.Context(), s.ID, sandbox.CardDisputed); err != nil {
		t.Fatal(err)
	}
	if err := b.CloseDispute(t.Context(), s.ID, true); err != nil {
		t.Fatal(err)
	}
	b.run()
	first, second := b.next(), b.next()
	if first.Type != "charge.dispute.created" || second.ID != first.ID {
		t.Errorf("%s and %s came first", first.Type, second.Type)
	}
	b.until(func() bool { return b.count(`select count(*) from sandbox_events where delivered_at is not null`) == 1 })
	b.clock.Advance(time.Minute)
	b.run()
	if third := b.next(); third.Type != "checkout.session.completed" {
		t.Errorf("then %s came", third.Type)
	}
	if events := b.eventTypes(); events != "completed created closed" {
		t.Errorf("listed are %q", events)
	}
}

// A company pays tax on top of the price: session, event and refund agree.
func TestACompanyPaysTax(t *testing.T) {
	t.Parallel()
	b := newFixture(t)
	b.run()
	s := b.open("a")
	buyer := sandbox.Buyer{
		Company: "Maya Ltd",
		TaxID:   "DE123456789",
		VAT:     true,
	}
	if _, err := b.PayAs(t.Context(), s.ID, sandbox.CardGood, buyer); err != nil {
		t.Fatal(err)
	}
	var events stripe.CheckoutSession
	if err := json.Unmarshal(b.next().Data.Raw, &events); err != nil {
		t.Fatal(err)
	}
	d := events.CustomerDetails
	if events.AmountSubtotal != 900 || events.AmountTotal != 1080 || events.TotalDetails.AmountTax != 180 ||
		events.TotalDetails.AmountDiscount != 0 ||
		d.BusinessName != "Maya Ltd" || d.TaxIDs[0].Value != "DE123456789" {
		t.Errorf("told %+v, %+v, %+v", events, events.TotalDetails, d)
	}
	s, err := b.Receipt(t.Context(), events.PaymentIntent.ID)
	if err != nil || s.Company != "Maya Ltd" || s.Tax != 180 || s.Total != 1080 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := b.Refund(t.Context(), payment.Refund{
		Key:     "k",
		Payment: s.Payment,
		Amount:  money.Amount{Minor: 1080, Currency: "USD"},
	}); err != nil {
		t.Error("the full amount is not refunded:", err)
	}
	waiting := b.open("b")
	if _, err := b.PayWith(t.Context(), waiting.ID, sandbox.BankDebit); err != nil {
		t.Fatal(err)
	}
	if waiting, err = b.Session(t.Context(), waiting.ID); err != nil || waiting.Payment == "" {
		t.Fatal(err)
	}
	_, err = b.Receipt(t.Context(), waiting.Payment)
	wantProblem(t, err, sandbox.ErrNoSession)
	for field, bad := range map[string]sandbox.Buyer{
		"company": {Company: strings.Repeat("x", 121)},
		"tax_id":  {TaxID: "D\x00E"},
	} {
		open := b.open(field)
		if _, err := b.PayAs(t.Context(), open.ID, sandbox.CardGood, bad); problem.Of(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
		if open, err = b.Session(t.Context(), open.ID); err != nil || open.Status != sandbox.Open {
			t.Errorf("%s: %s, %v", field, open.Status, err)
		}
	}
}
