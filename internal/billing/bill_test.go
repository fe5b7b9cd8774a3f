package billing_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/testkit"
)

func (s *fixture) receipt(p billing.Purchase) billing.Receipt {
	s.T.Helper()
	r, err := s.Receipt(s.T.Context(), p.AccountID, p.ID)
	if err != nil {
		s.T.Fatal(err)
	}
	return r
}

func TestAReceipt(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	_, err := s.Receipt(t.Context(), p.AccountID, p.ID)
	testkit.WantProblem(t, err, problem.NotFound, "receipt_not_found")
	buyer := sandbox.Buyer{
		Company: " Maya Ltd ",
		TaxID:   "DE123456789",
		VAT:     true,
	}
	if _, err := s.provider.PayAs(t.Context(), session(p), sandbox.CardGood, buyer); err != nil {
		t.Fatal(err)
	}
	if p, err = s.Refresh(t.Context(), p.AccountID, p.ID); err != nil || p.Bill == nil {
		t.Fatalf("the bill did not come with the payment: %+v, %v", p.Bill, err)
	}
	r := s.receipt(p)
	b := r.Bill
	if b.Subtotal != 900 || b.Discount != 0 || b.Tax != 180 || b.Total != 1080 || r.Paid.Minor != 1080 ||
		len(b.Taxes) != 1 ||
		b.Taxes[0] != (payment.TaxLine{
			Name:   "VAT",
			Rate:   "20",
			Amount: 180,
		}) {
		t.Errorf("the bill is %+v of %s", b, r.Paid)
	}
	if b.Buyer.Name != "Maya Ltd" || !slices.Equal(b.Buyer.TaxIDs, []string{"DE123456789"}) ||
		b.ReceiptURL != baseURL+"/sandbox/receipts/"+payOf(p) {
		t.Errorf("for %+v, at %s", b.Buyer, b.ReceiptURL)
	}
	digits := strings.ToUpper(strings.ReplaceAll(p.ID.String(), "-", ""))
	if r.Number != "R-"+digits[:6]+"-"+digits[6:12] || !r.ExpiresAt.IsZero() || !r.RefundedAt.IsZero() ||
		r.Card != "Visa 4242" {
		t.Errorf("%+v", r)
	}
	_, err = s.Receipt(t.Context(), s.Account(), p.ID)
	testkit.WantProblem(t, err, problem.NotFound, "purchase_not_found")
	list, _, err := s.List(t.Context(), p.AccountID, "", 1)
	if err != nil || list[0].Bill == nil || list[0].Bill.Tax != 180 {
		t.Errorf("the list knows nothing of it: %v", err)
	}
}

// A free purchase has a receipt, but no bill at the provider.
func TestTheReceiptOfAFreePurchase(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	if _, err := s.provider.PayAs(t.Context(), session(p), sandbox.Coupon, sandbox.Buyer{VAT: true}); err != nil {
		t.Fatal(err)
	}
	s.mustSend(checkoutEvent("completed", p, members{"amount_total": 0, "payment_status": "no_payment_required"}))
	r := s.receipt(p)
	if b := r.Bill; b == nil || b.Subtotal != 900 || b.Discount != 900 || b.Tax != 0 || b.Total != 0 ||
		b.ReceiptURL != "" || len(b.Taxes) != 0 {
		t.Errorf("the bill is %+v", b)
	}
}

func TestWhatWentBackStandsOnTheReceipt(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	s.Clock.Advance(24 * time.Hour)
	if _, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "r", half(p)); err != nil {
		t.Fatal(err)
	}
	if r := s.receipt(p); r.Refunded.Minor != 450 || !r.RefundedAt.Equal(s.Clock.Now()) {
		t.Errorf("%s went back at %v", r.Refunded, r.RefundedAt)
	}
	// The rest is refunded in the provider's dashboard, without an instant that we know.
	s.mustSend(refunded(p, 900))
	if r := s.receipt(p); r.Refunded.Minor != 900 || !r.RefundedAt.IsZero() {
		t.Errorf("%s went back at %v", r.Refunded, r.RefundedAt)
	}
	lost := s.completed()
	s.mustSend(dispute("closed", lost, "dp_1", "lost"))
	if r := s.receipt(lost); r.Refunded != lost.Paid || !r.RefundedAt.Equal(time.Unix(1769851900, 0)) {
		t.Errorf("%s was lost at %v", r.Refunded, r.RefundedAt)
	}
}

// countingProvider counts calls of Checkout, and can change or fail the answers.
type countingProvider struct {
	*sandbox.Provider
	asked  *atomic.Int32
	silent *atomic.Bool
	change func(*payment.Checkout)
}

func (p countingProvider) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	p.asked.Add(1)
	if p.silent.Load() {
		return payment.Checkout{}, errors.New("no answer")
	}
	c, err := p.Provider.Checkout(ctx, id)
	if p.change != nil {
		p.change(&c)
	}
	return c, err
}

// countCalls makes the fixture's provider a countingProvider.
func (s *fixture) countCalls(change func(*payment.Checkout)) *countingProvider {
	p := &countingProvider{s.provider, new(atomic.Int32), new(atomic.Bool), change}
	s.options.Provider = *p
	s.Service = billing.New(s.DB.Pool, s.options)
	return p
}

// unbilled is a purchase that was credited while the provider did not answer.
func (s *fixture) unbilled(p *countingProvider) billing.Purchase {
	s.T.Helper()
	p.silent.Store(true)
	order := s.paidOrder()
	s.mustSend(checkoutEvent("completed", order, nil))
	p.asked.Store(0)
	return s.wantStatus(order, billing.StatusCompleted)
}

// A missing bill blocks nothing. The job asks for it at growing intervals and gives up; an open receipt
// still asks.
func TestABillThatIsMissing(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	provider := s.countCalls(nil)
	p := s.unbilled(provider)
	s.wantCredits(p, 1)
	if r := s.receipt(p); r.Bill != nil || r.Paid != p.Price {
		t.Errorf("the bill is %+v of %s", r.Bill, r.Paid)
	}
	asked := []int32{}
	for _, wait := range []time.Duration{
		10 * time.Minute, 50 * time.Minute, 23 * time.Hour,
		6*24*time.Hour + time.Hour, 30 * 24 * time.Hour,
	} {
		provider.asked.Store(0)
		for end := s.Clock.Now().Add(wait); s.Clock.Now().Before(end); s.Clock.Advance(min(time.Hour, wait/10)) {
			s.reconcile()
		}
		asked = append(asked, provider.asked.Load())
	}
	// Asking each minute would be nine times in ten minutes; in the end it is every six hours, and then
	// never.
	if asked[0] < 3 || asked[0] > 7 || asked[1] > 6 || asked[2] > 8 || asked[3] < 20 || asked[3] > 28 ||
		asked[4] > 1 {
		t.Errorf("asked %v times", asked)
	}
	provider.silent.Store(false)
	if r := s.receipt(p); r.Bill == nil || r.Bill.Total != 900 {
		t.Error("the receipt has no bill")
	}
}

func TestTheJobReadsBills(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	provider := s.countCalls(nil)
	p := s.unbilled(provider)
	provider.silent.Store(false)
	s.Clock.Advance(2 * time.Minute)
	s.reconcile()
	if got := s.wantStatus(p, billing.StatusCompleted); got.Bill == nil {
		t.Error("the job did not fetch the bill")
	}
	if n := s.Count(`select count(*) from purchase_bills where ask_at is not null`); n != 0 {
		t.Error("the provider is asked again")
	}
	// The job leaves another provider's purchases alone.
	other := s.unbilled(provider)
	provider.silent.Store(false)
	s.Exec(`update purchases set provider = 'stripe' where id = $1`, other.ID)
	s.Clock.Advance(time.Hour)
	s.reconcile()
	if r := s.receipt(other); r.Bill != nil || provider.asked.Load() != 0 {
		t.Errorf("asked %d times, bill %+v", provider.asked.Load(), r.Bill)
	}
}

// Concurrent views of a receipt ask the provider once, and repeated views do not ask each time.
func TestManyLookAtAReceipt(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	provider := s.countCalls(nil)
	p := s.unbilled(provider)
	testkit.Concurrently(30, func(int) {
		if _, err := s.Receipt(t.Context(), p.AccountID, p.ID); err != nil {
			t.Error(err)
		}
	})
	if n := provider.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	s.Clock.Advance(5 * time.Second)
	s.receipt(p)
	if n := provider.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	// An older server has stored no row for the bill.
	s.Exec(`delete from purchase_bills`)
	provider.silent.Store(false)
	if r := s.receipt(p); r.Bill == nil {
		t.Error("no bill")
	}
}

// Texts of the buyer are stored as plain lines, and receipt links lead only to safe addresses.
func TestBillsAreTidied(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	bad := payment.Buyer{
		Name:    "Maya\x00\r\nBcc: x\u202e Ltd",
		Address: slices.Repeat([]string{"Street\t1", "\xff", ""}, 12),
		TaxIDs:  []string{strings.Repeat("ß", 300)},
	}
	url := ""
	s.countCalls(func(c *payment.Checkout) {
		if c.Bill != nil {
			c.Bill.Buyer, c.Bill.ReceiptURL = bad, url
			c.Bill.Taxes = slices.Repeat([]payment.TaxLine{{Name: "V\nAT", Rate: "2\x000"}}, 50)
		}
	})
	for address, want := range map[string]bool{
		"https://pay.stripe.com/receipts/x":      true,
		baseURL + "/sandbox/receipts/x":          true,
		"http://pay.stripe.com/":                 false,
		"javascript:alert(1)":                    false,
		baseURL + ".evil/sandbox/":               false,
		"https:///x":                             false,
		"//x":                                    false,
		"https://x/" + strings.Repeat("a", 2000): false,
		"https://x/\x00":                         false,
	} {
		url = address
		b := s.receipt(s.completed()).Bill
		if b == nil || (b.ReceiptURL == address) != want || (b.ReceiptURL == "") == want {
			t.Fatalf("%.100q: %+v", address, b)
		}
		if b.Buyer.Name != "Maya Bcc: x Ltd" || len(b.Buyer.Address) != 10 || b.Buyer.Address[0] != "Street 1" ||
			b.Buyer.TaxIDs[0] != strings.Repeat("ß", 200) ||
			len(b.Taxes) != 10 || b.Taxes[0].Name != "V AT" || b.Taxes[0].Rate != "2 0" {
			t.Errorf("%+v", b)
		}
	}
}

// A bill of another payment is not stored.
func TestABillThatDoesNotMatch(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*payment.Checkout){
		"other price":     func(c *payment.Checkout) { c.Bill.Subtotal++ },
		"other total":     func(c *payment.Checkout) { c.Bill.Total++ },
		"other order":     func(c *payment.Checkout) { c.Reference = uuid.NewString() },
		"another session": func(c *payment.Checkout) { c.ID = "cs_test_other" },
	} {
		s := newFixture(t)
		provider := s.countCalls(change)
		p := s.unbilled(provider)
		provider.silent.Store(false)
		if r := s.receipt(p); r.Bill != nil {
			t.Errorf("%s: %+v", name, r.Bill)
		}
	}
}

// Stripe's bill: taxes by rate, the company, the receipt.
func TestStripesBill(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{Tax: true, PromotionCodes: true})
	taxes := []members{
		{
			"amount":            int64(160),
			"taxability_reason": "standard_rated",
			"rate": members{
				"display_name":         "VAT",
				"percentage":           20.0,
				"effective_percentage": 20.0,
			},
		},
		{
			"amount":            int64(7),
			"taxability_reason": "standard_rated",
			"rate": members{
				"display_name": "",
				"percentage":   8.875,
				"inclusive":    true,
			},
		},
		{
			"amount":            int64(0),
			"taxability_reason": "not_collecting",
			"rate":              members{"display_name": "GST"},
		},
		{
			"amount":            int64(0),
			"taxability_reason": "reverse_charge",
			"rate":              members{"display_name": "VAT", "percentage": 19.0},
		},
	}
	p := s.order()
	l.pay(p, members{
		"amount_total": int64(960),
		"total_details": members{
			"amount_discount": int64(100),
			"amount_tax":      int64(167),
			"breakdown":       members{"taxes": taxes},
		},
		"customer_details": members{
			"email":         "maya@shop.example",
			"name":          "Maya",
			"business_name": "Maya GmbH",
			"tax_ids":       []members{{"type": "eu_vat", "value": "DE123456789"}},
			"address": members{
				"line1":       "Ufer 1",
				"line2":       nil,
				"postal_code": "10115",
				"city":        "Berlin",
				"country":     "DE",
			},
		},
	})
	s.mustSend(l.newest())
	b := s.wantStatus(p, billing.StatusCompleted).Bill
	if b == nil || b.Discount != 100 || b.Tax != 167 || b.Total != 960 ||
		!strings.HasPrefix(b.ReceiptURL, "https://pay.stripe.test/receipts/pi_") {
		t.Fatalf("%+v", b)
	}
	want := []payment.TaxLine{{
		Name:   "VAT",
		Rate:   "20",
		Amount: 160,
	}, {
		Name:     "Tax",
		Rate:     "8.875",
		Amount:   7,
		Included: true,
	}, {
		Name:    "VAT",
		Rate:    "0",
		Reverse: true,
	}}
	if !slices.Equal(b.Taxes, want) {
		t.Errorf("%+v", b.Taxes)
	}
	if got := b.Buyer; got.Name != "Maya GmbH" || !slices.Equal(got.TaxIDs, []string{"DE123456789"}) ||
		!slices.Equal(got.Address, []string{"Ufer 1", "10115 Berlin", "DE"}) {
		t.Errorf("%+v", got)
	}
	if n := s.Count(`select count(*) from purchase_bills where bill::text like '%maya@%'`); n != 0 {
		t.Error("the e-mail address is kept")
	}
	plain := s.order()
	l.pay(plain, members{"customer_details": members{"address": members{
		"line1":       "1 Main St",
		"city":        "Springfield",
		"state":       "IL",
		"postal_code": "62701",
		"country":     "US",
	}}})
	s.mustSend(l.newest())
	if b := s.wantStatus(plain, billing.StatusCompleted).Bill; b == nil || b.Tax != 0 ||
		!slices.Equal(b.Buyer.Address, []string{"1 Main St", "Springfield, IL 62701", "US"}) {
		t.Errorf("%+v", b)
	}
}
