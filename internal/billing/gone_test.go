package billing_test

import (
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/testkit"
)

// customerOf returns an account's customer and method at the provider; both may be empty.
func (s *fixture) customerOf(p billing.Purchase) (customer, method string) {
	s.T.Helper()
	rows, err := s.DB.Pool.Query(s.T.Context(), `select customer, method from payment_customers where account = $1`,
		p.AccountID)
	if err != nil {
		s.T.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&customer, &method); err != nil {
			s.T.Fatal(err)
		}
	}
	return customer, method
}

// returningBuyer is a purchase of an account that Stripe knows and whose card is stored.
func (s *fixture) returningBuyer(l *stripeLike) billing.Purchase {
	s.T.Helper()
	p, _, err := s.Start(s.T.Context(), s.Account(), "first", billing.StartParams{Pack: pack(0).ID, KeepMethod: true})
	if err != nil {
		s.T.Fatal(err)
	}
	l.pay(p, nil)
	s.mustSend(l.newest())
	if customer, method := s.customerOf(p); customer == "" || method == "" {
		s.T.Fatal("no method is stored")
	}
	return p
}

// The customer was deleted at Stripe: the order opens without one, and after the payment there is a new
// customer.
func TestTheCustomerIsGone(t *testing.T) {
	t.Parallel()
	for _, tax := range []bool{false, true} {
		s, l := newStripeFixture(t, stripepay.Options{Tax: tax})
		first := s.returningBuyer(l)
		old, _ := s.customerOf(first)
		l.forget(old)
		order := billing.StartParams{Pack: pack(0).ID}
		p, replayed, err := s.Start(t.Context(), first.AccountID, "next", order)
		if err != nil || replayed || p.CheckoutURL == "" {
			t.Fatalf("tax %t: %q, replayed %t, %v", tax, p.CheckoutURL, replayed, err)
		}
		if again, replayed, err := s.Start(t.Context(), first.AccountID, "next", order); err != nil || !replayed ||
			again.CheckoutURL != p.CheckoutURL {
			t.Errorf("tax %t, again: %q, replayed %t, %v", tax, again.CheckoutURL, replayed, err)
		}
		if customer, method := s.customerOf(first); customer != "" || method != "" {
			t.Errorf("tax %t: %s and %s are still known", tax, customer, method)
		}
		l.pay(p, nil)
		s.mustSend(l.newest())
		s.wantStatus(p, billing.StatusCompleted)
		if customer, _ := s.customerOf(first); customer == "" || customer == old || customer != l.of(p)["customer"] {
			t.Errorf("tax %t: the new customer is %q", tax, customer)
		}
	}
}

// The answer to the second request is lost: the same key continues without the customer and opens one
// checkout.
func TestTheCustomerIsGoneAndAnAnswerIsLost(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	first := s.returningBuyer(l)
	old, _ := s.customerOf(first)
	l.forget(old)
	l.loseAnswers("/v1/checkout/sessions")
	order := billing.StartParams{Pack: pack(0).ID}
	_, _, err := s.Start(t.Context(), first.AccountID, "next", order)
	testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
	if customer, _ := s.customerOf(first); customer != old {
		t.Error("the customer is deleted although Stripe has not answered")
	}
	l.loseAnswers("")
	p, _, err := s.Start(t.Context(), first.AccountID, "next", order)
	if err != nil || p.CheckoutURL == "" {
		t.Fatal(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sessions) != 2 {
		t.Errorf("%d checkouts, want the first and this one", len(l.sessions))
	}
}

// Concurrent orders of a deleted customer all open.
func TestOrdersAtOnceOfACustomerWhoIsGone(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	first := s.returningBuyer(l)
	old, _ := s.customerOf(first)
	l.forget(old)
	testkit.Concurrently(10, func(i int) {
		p, _, err := s.Start(t.Context(), first.AccountID, "next"+string(rune('a'+i%5)),
			billing.StartParams{Pack: pack(0).ID})
		if err != nil || p.CheckoutURL == "" {
			t.Error(err)
		}
	})
	if n := s.Count(`select count(*) from purchases where account = $1 and status = 'pending'`,
		first.AccountID); n != 5 {
		t.Errorf("%d orders", n)
	}
}

// The customer or method of an auto top-up was deleted: the top-up fails for good, and nothing is charged
// to it again.
func TestWhatIsChargedIsGone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tax          bool
		gone         func(customer, method string) string
		keepCustomer bool
	}{
		"the card":               {false, func(_, method string) string { return method }, true},
		"the card, with tax":     {true, func(_, method string) string { return method }, true},
		"the customer":           {false, func(customer, _ string) string { return customer }, false},
		"the customer, with tax": {true, func(customer, _ string) string { return customer }, false},
	} {
		s, l := newStripeFixture(t, stripepay.Options{Tax: c.tax})
		account := s.accountWithMethod("stripe_test", "pm_ok")
		l.forget(c.gone("cus_"+account.String(), "pm_ok"))
		p, err := s.topUp(account, plenty)
		if err != nil || p.Status != billing.StatusFailed || p.Failure != billing.FailureRefused {
			t.Errorf("%s: %s, %q, %v", name, p.Status, p.Failure, err)
		}
		if customer, method := s.customerOf(p); method != "" || (customer != "") != c.keepCustomer {
			t.Errorf("%s: customer %q and method %q are known", name, customer, method)
		}
		if kept, err := s.Kept(t.Context(), account); err != nil || kept.Any {
			t.Errorf("%s: something can be charged: %+v, %v", name, kept, err)
		}
		if _, ok, err := s.orderAuto(account, plenty); ok || err != nil {
			t.Errorf("%s: another is ordered, %v", name, err)
		}
	}
}

// A card that was stored while the old one was refused stays.
func TestANewCardSurvivesTheOldOnesEnd(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	account := s.accountWithMethod("stripe_test", "pm_old")
	id, ok, err := s.orderAuto(account, plenty)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	s.Exec(`update payment_customers set method = 'pm_ok' where account = $1`, account)
	l.forget("pm_old")
	if p, err := s.Charge(t.Context(), account, id); err != nil || p.Status != billing.StatusFailed {
		t.Error(p.Status, err)
	}
	if kept, err := s.Kept(t.Context(), account); err != nil || !kept.Any {
		t.Errorf("the new card is deleted: %v", err)
	}
}

// Stripe no longer knows a checkout. It is asked for until no checkout can be open, does not block others,
// and is then closed. An event of a later payment completes the purchase.
func TestTheCheckoutIsGone(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	s.reconcile()
	p, waiting := s.order(), s.order()
	s.Exec(`update purchases set status = 'processing' where id = $1`, waiting.ID)
	l.forget(session(p), session(waiting))
	s.Clock.Advance(3 * time.Minute)
	behind := s.order()
	l.pay(behind, nil)
	s.Exec(`update purchases set ask_at = $2 where id = $1`, behind.ID, s.Clock.Now())
	s.reconcile()
	s.wantStatus(p, billing.StatusPending)
	s.wantStatus(behind, billing.StatusCompleted)
	s.Clock.Advance(25*time.Hour - 3*time.Minute)
	s.reconcile()
	s.wantStatus(p, billing.StatusPending) // exactly as long as a checkout can be open
	s.Clock.Advance(time.Hour)
	s.reconcile()
	s.wantStatus(p, billing.StatusExpired)
	s.wantStatus(waiting, billing.StatusFailed)
	s.mustSend(checkoutEvent("completed", p, members{"id": session(p)}))
	s.wantStatus(p, billing.StatusCompleted)
	s.wantCredits(p, 1)
}

// Stripe no longer knows the checkout of a purchase with a missing bill: other bills are still fetched, and
// this one is not asked for again.
func TestTheCheckoutOfABillIsGone(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	p, other := s.returningBuyer(l), s.returningBuyer(l)
	s.Exec(`update purchase_bills set bill = null, asked_at = null, ask_at = $2 where purchase = $1`, p.ID,
		s.Clock.Now().Add(-time.Minute))
	s.Exec(`update purchase_bills set bill = null, asked_at = null, ask_at = $2 where purchase = $1`, other.ID,
		s.Clock.Now())
	l.forget(session(p))
	s.reconcile()
	if n := s.Count(`select count(*) from purchase_bills where purchase = $1 and bill is not null`, other.ID); n !=
		1 {
		t.Error("the other purchase has no bill")
	}
	if n := s.Count(`select count(*) from purchase_bills where purchase = $1 and bill is null and ask_at is null`,
		p.ID); n != 1 {
		t.Error("it is asked about again")
	}
	if r := s.receipt(p); r.Bill != nil || r.Paid != p.Price {
		t.Errorf("%+v", r)
	}
}

// The walk through Stripe's events stopped at one that Stripe no longer knows: it starts again.
func TestTheEventOfAWalkIsGone(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	s.reconcile()
	p := s.order()
	l.pay(p, nil)
	s.Exec(`update purchases set ask_at = null`)
	s.Exec(`update payment_walks set until = $1, after = 'evt_old'`, s.Clock.Now())
	l.forget("evt_old")
	s.reconcile()
	s.wantStatus(p, billing.StatusCompleted)
	if n := s.Count(`select count(*) from payment_walks where until is null and after = ''`); n != 1 {
		t.Error("the walk is not over")
	}
}

// selling sets the price of the first pack.
func (s *fixture) selling(price money.Amount) {
	o := s.options
	o.Prices = func() *catalog.Catalog {
		c := *catalog.Builtin()
		c.Packs = append([]catalog.Pack{}, c.Packs...)
		c.Packs[0].Price = price
		return &c
	}
	s.Service = billing.New(s.DB.Pool, o)
}

// An order that Stripe refuses has failed. It is not sent again with the same key.
func TestAnOrderThatIsRefused(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	for name, price := range map[string]money.Amount{
		"too small":             {Minor: 49, Currency: "USD"},
		"too small in yen":      {Minor: 49, Currency: "JPY"},
		"no multiple of ten":    {Minor: 5124, Currency: "KWD"},
		"of more digits":        {Minor: 100_000_000, Currency: "USD"},
		"a million of shilling": {Minor: 1_000_000, Currency: "UGX"},
	} {
		s.selling(price)
		account, before := s.Account(), l.asked("POST /v1/checkout/sessions")
		for range 3 {
			_, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID})
			testkit.WantProblem(t, err, problem.Conflict, "payment_refused")
		}
		if n := l.asked("POST /v1/checkout/sessions") - before; n > 1 {
			t.Errorf("%s: Stripe was asked %d times", name, n)
		}
		list, _, err := s.List(t.Context(), account, "", 10)
		if err != nil || len(list) != 1 || list[0].Status != billing.StatusFailed ||
			list[0].Failure != billing.FailureRefused {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
		s.selling(pack(0).Price)
		if _, _, err := s.Start(t.Context(), account, "another", billing.StartParams{Pack: pack(0).ID}); err != nil {
			t.Errorf("%s: the next order: %v", name, err)
		}
	}
	if n := s.Count(`select count(*) from purchases where status = 'failed' and ask_at > created_at and provider_session is not null`); n != 0 {
		t.Errorf("%d refused orders have a checkout", n)
	}
}

// A temporary failure of Stripe leaves the order as it is.
func TestAnOrderThatCannotBeAnswered(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	l.fail(true)
	account := s.Account()
	_, _, err := s.Start(t.Context(), account, "k", billing.StartParams{Pack: pack(0).ID})
	testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
	list, _, err := s.List(t.Context(), account, "", 10)
	if err != nil || len(list) != 1 || list[0].Status != billing.StatusPending {
		t.Errorf("%+v, %v", list, err)
	}
}

// The sandbox refuses what Stripe would refuse.
func TestTheSandboxRefusesToo(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.selling(money.Amount{Minor: 49, Currency: "USD"})
	_, _, err := s.Start(t.Context(), s.Account(), "k", billing.StartParams{Pack: pack(0).ID})
	testkit.WantProblem(t, err, problem.Conflict, "payment_refused")
}

// An auto top-up that Stripe refuses for its amount has failed, too.
func TestATopUpThatIsTooSmall(t *testing.T) {
	t.Parallel()
	s, _ := newStripeFixture(t, stripepay.Options{})
	account := s.accountWithMethod("stripe_test", "pm_ok")
	s.selling(money.Amount{Minor: 49, Currency: "USD"})
	p, err := s.topUp(account, plenty)
	if err != nil || p.Status != billing.StatusFailed || p.Failure != billing.FailureRefused {
		t.Error(p.Status, p.Failure, err)
	}
	if kept, err := s.Kept(t.Context(), account); err != nil || !kept.Any {
		t.Error("the card is deleted", err)
	}
}

// Prices are converted to Stripe's units and back: order, bill, partial refund, dispute, auto purchase.
func TestCurrenciesInStripesUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		price   money.Amount
		asked   string
		refund  int64
		tax     int64 // 19 percent of the price
		charged string
	}{
		{money.Amount{Minor: 33000, Currency: "UGX"}, "3300000", 11000, 6270, "3927000"},
		{money.Amount{Minor: 1300, Currency: "ISK"}, "130000", 650, 247, "154700"},
		{money.Amount{Minor: 5000, Currency: "KWD"}, "5000", 2500, 950, "5950"},
		{money.Amount{Minor: 1300, Currency: "JPY"}, "1300", 650, 247, "1547"},
		{money.Amount{Minor: 130_000_000, Currency: "IDR"}, "130000000", 65_000_000, 24_700_000, "154700000"},
	} {
		s, l := newStripeFixture(t, stripepay.Options{})
		s.selling(c.price)
		p, _, err := s.Start(t.Context(), s.Account(), "k", billing.StartParams{Pack: pack(0).ID})
		if err != nil {
			t.Fatal(c.price, err)
		}
		if l.asked("POST /v1/checkout/sessions") != 1 ||
			!strings.Contains(l.requests[0], "unit_amount%5D="+c.asked+"&") {
			t.Errorf("%s: Stripe was asked %s", c.price, l.requests[0])
		}
		l.pay(p, nil)
		s.mustSend(l.newest())
		if got := s.wantStatus(p, billing.StatusCompleted); got.Paid != c.price || got.Bill == nil ||
			got.Bill.Subtotal != c.price.Minor || got.Bill.Total != c.price.Minor {
			t.Errorf("%s: paid %s, bill %+v", c.price, got.Paid, got.Bill)
		}
		s.wantCredits(p, 1)
		part := billing.RefundParams{Amount: &money.Amount{Minor: c.refund, Currency: c.price.Currency}}
		if got, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "r", part); err != nil ||
			got.Refunded.Minor != c.refund {
			t.Errorf("%s: %s went back, %v", c.price, got.Refunded, err)
		}
		s.mustSend(l.newest())
		if got := s.wantStatus(p, billing.StatusCompleted); got.Refunded.Minor != c.refund {
			t.Errorf("%s: by the event %s went back", c.price, got.Refunded)
		}
		s.chargeInUnits(c.price, c.tax, c.charged)
	}
}

// chargeInUnits makes an auto purchase with tax, and checks the amount that Stripe is asked for.
func (s *fixture) chargeInUnits(price money.Amount, tax int64, charged string) {
	s.T.Helper()
	auto, l := newStripeFixture(s.T, stripepay.Options{Tax: true})
	auto.selling(price)
	account := auto.accountWithMethod("stripe_test", "pm_ok")
	id, ok, err := auto.orderAutoAt(account, price, price.Minor+tax)
	if err != nil || !ok {
		s.T.Fatal(price, ok, err)
	}
	p, err := auto.Charge(s.T.Context(), account, id)
	if err != nil || p.Status != billing.StatusCompleted || p.Paid.Minor != price.Minor+tax || p.Bill == nil ||
		p.Bill.Tax != tax {
		s.T.Errorf("%s: charged %s, %s, %+v, %v", price, p.Paid, p.Status, p.Bill, err)
	}
	if n := l.asked("POST /v1/payment_intents?amount=" + charged + "&"); n != 1 {
		s.T.Errorf("%s: Stripe was not asked for %s", price, charged)
	}
}

// An amount with a fraction that the currency lacks does not match the order.
func TestAFractionIsNotOurPrice(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	s.selling(money.Amount{Minor: 33000, Currency: "UGX"})
	p := s.order()
	l.pay(p, members{"amount_subtotal": int64(3_300_050)})
	s.mustSend(l.newest())
	s.wantStatus(p, billing.StatusPending)
	s.wantCredits(p, 0)
}

// A partial refund that cannot be paid is the request's mistake.
func TestARefundOfAFractionThatCannotBePaid(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	s.selling(money.Amount{Minor: 5000, Currency: "KWD"})
	p := s.order()
	l.pay(p, nil)
	s.mustSend(l.newest())
	_, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "r",
		billing.RefundParams{Amount: &money.Amount{Minor: 1234, Currency: "KWD"}})
	testkit.WantProblem(t, err, problem.Unprocessable, "invalid_field")
	if got, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "r",
		billing.RefundParams{Amount: &money.Amount{Minor: 1230, Currency: "KWD"}}); err != nil ||
		got.Refunded.Minor != 1230 {
		t.Error(got.Refunded, err)
	}
}
