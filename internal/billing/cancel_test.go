package billing_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/testkit"
)

// wantOpen checks the open orders of an account, newest first.
func (s *fixture) wantOpen(account uuid.UUID, want ...billing.Purchase) {
	s.T.Helper()
	got, err := s.OpenOrders(s.T.Context(), account)
	if err != nil || len(got) != len(want) {
		s.T.Fatalf("%d open orders (%v), want %d", len(got), err, len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID || !got[i].Payable(s.Clock.Now()) {
			s.T.Errorf("open order %d is %s, payable %t, want %s", i, got[i].ID, got[i].Payable(s.Clock.Now()),
				want[i].ID)
		}
	}
}

func (s *fixture) orderOf(account uuid.UUID) billing.Purchase {
	s.T.Helper()
	p, _, err := s.Start(s.T.Context(), account, uuid.NewString(), billing.StartParams{Pack: pack(0).ID})
	if err != nil {
		s.T.Fatal(err)
	}
	return p
}

// An unpaid order is listed as open. It is no longer open when it is paid, cancelled, or older than any
// checkout.
func TestOpenOrders(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	first := s.order()
	account := first.AccountID
	s.Clock.Advance(time.Minute)
	second := s.orderOf(account)
	s.wantOpen(account, second, first)
	s.wantOpen(s.Account())
	for range billing.MaxOpenOrders + 1 {
		s.Clock.Advance(time.Minute)
		second = s.orderOf(account)
	}
	if list, err := s.OpenOrders(t.Context(), account); err != nil || len(list) != billing.MaxOpenOrders ||
		list[0].ID != second.ID {
		t.Errorf("%d open orders (%v)", len(list), err)
	}

	got, err := s.Refresh(t.Context(), account, first.ID)
	if err != nil || !got.Open || got.Status != billing.StatusPending {
		t.Errorf("an unpaid order is %s, open %t (%v)", got.Status, got.Open, err)
	}
	if _, err := s.provider.Pay(t.Context(), session(first)); err != nil {
		t.Fatal(err)
	}
	got, err = s.Refresh(t.Context(), account, first.ID)
	if err != nil || got.Open || got.Status != billing.StatusCompleted {
		t.Errorf("a paid order is %s, open %t (%v)", got.Status, got.Open, err)
	}
	other := s.order()
	s.Clock.Advance(24*time.Hour - time.Second)
	s.wantOpen(other.AccountID, other)
	s.Clock.Advance(time.Second)
	s.wantOpen(other.AccountID)
	if got := s.wantStatus(other, billing.StatusPending); got.Payable(s.Clock.Now()) || !got.Lapsed(s.Clock.Now()) {
		t.Error("an order that can no longer be paid is listed as open")
	}
}

// Cancelling closes the checkout at the provider, so that it cannot be paid. It is idempotent and returns
// the state.
func TestCancellingAnOrder(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	_, err := s.Cancel(t.Context(), s.Account(), p.ID)
	testkit.WantProblem(t, err, problem.NotFound, "purchase_not_found")
	s.wantStatus(p, billing.StatusPending)
	for range 2 {
		if got, err := s.Cancel(t.Context(), p.AccountID, p.ID); err != nil || got.Status != billing.StatusExpired {
			t.Errorf("a cancelled order is %s (%v)", got.Status, err)
		}
	}
	if _, err := s.provider.Pay(t.Context(), session(p)); err == nil {
		t.Error("a cancelled order was paid")
	}
	if n := s.Count(`select count(*) from sandbox_events where body::jsonb->>'type' = 'checkout.session.expired'`); n != 1 {
		t.Errorf("the provider sent %d events", n)
	}
	s.wantOpen(p.AccountID)

	paid := s.order()
	if _, err := s.provider.Pay(t.Context(), session(paid)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Cancel(t.Context(), paid.AccountID, paid.ID); err != nil || got.Status != billing.StatusCompleted {
		t.Errorf("an order that was paid first is %s (%v)", got.Status, err)
	}
	s.wantCredits(paid, 1)
}

// Concurrent cancellations and payments: what was paid is credited, the rest is closed, nothing is both.
func TestCancellingWhilePaying(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for range 10 {
		p := s.order()
		var paid bool
		testkit.Concurrently(4, func(i int) {
			if i == 0 {
				_, err := s.provider.Pay(t.Context(), session(p))
				paid = err == nil
				return
			}
			if _, err := s.Cancel(t.Context(), p.AccountID, p.ID); err != nil {
				t.Error(err)
			}
		})
		got, err := s.Refresh(t.Context(), p.AccountID, p.ID)
		want, credits := billing.StatusExpired, 0
		if paid {
			want, credits = billing.StatusCompleted, 1
		}
		if err != nil || got.Status != want {
			t.Errorf("paid: %t, and the order is %s (%v)", paid, got.Status, err)
		}
		s.wantCredits(p, credits)
	}
}

// An order whose checkout never opened is closed. An auto top-up cannot be cancelled by the buyer.
func TestCancellingWithoutACheckout(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	s.Exec(`update purchases set provider_session = null, checkout_url = '' where id = $1`, p.ID)
	if got, err := s.Cancel(t.Context(), p.AccountID, p.ID); err != nil || got.Status != billing.StatusExpired {
		t.Errorf("it is %s (%v)", got.Status, err)
	}
	auto := s.order()
	s.Exec(`update purchases set auto = true where id = $1`, auto.ID)
	_, err := s.Cancel(t.Context(), auto.AccountID, auto.ID)
	testkit.WantProblem(t, err, problem.Conflict, "no_checkout")
	other := s.order()
	s.Exec(`update purchases set provider = 'another' where id = $1`, other.ID)
	_, err = s.Cancel(t.Context(), other.AccountID, other.ID)
	testkit.WantProblem(t, err, problem.Conflict, "payments_not_set_up")
	for _, p := range []billing.Purchase{auto, other} {
		s.wantStatus(p, billing.StatusPending)
	}
}

// A buyer with an open order in another tab gets a warning before a second one. A known key continues,
// whatever the page showed.
func TestAnOrderThatTheBuyerDoesNotKnowOf(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	account, none := s.Account(), uuid.Nil
	start := func(key string, shown *uuid.UUID) (billing.Purchase, error) {
		p, _, err := s.Start(t.Context(), account, key, billing.StartParams{Pack: pack(0).ID, Shown: shown})
		return p, err
	}
	first, err := start("first", &none)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start("second", &none); !errors.Is(err, billing.ErrOpenOrder) {
		t.Errorf("a second tab gets %v", err)
	}
	if n := s.Count(`select count(*) from purchases`); n != 1 {
		t.Errorf("%d orders", n)
	}
	if again, err := start("first", &none); err != nil || again.ID != first.ID {
		t.Errorf("the same form again: %v", err)
	}
	if _, err := start("second", &first.ID); err != nil {
		t.Errorf("a buyer who was shown the open order gets %v", err)
	}
	if _, err := start("a program's", nil); err != nil {
		t.Errorf("a program gets %v", err)
	}
}

// At Stripe, an open checkout is expired, and a paid one is found to be paid.
func TestCancellingAtStripe(t *testing.T) {
	t.Parallel()
	s, stripe := newStripeFixture(t, stripepay.Options{})
	p, paid, down := s.order(), s.order(), s.order()
	if got, err := s.Cancel(t.Context(), p.AccountID, p.ID); err != nil || got.Status != billing.StatusExpired ||
		stripe.of(p)["status"] != "expired" {
		t.Errorf("it is %s (%v), at Stripe %v", got.Status, err, stripe.of(p)["status"])
	}
	stripe.pay(paid, nil)
	if got, err := s.Cancel(t.Context(), paid.AccountID, paid.ID); err != nil || got.Status != billing.StatusCompleted {
		t.Errorf("what was paid is %s (%v)", got.Status, err)
	}
	s.wantCredits(paid, 1)
	stripe.fail(true)
	_, err := s.Cancel(t.Context(), down.AccountID, down.ID)
	testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
	s.wantStatus(down, billing.StatusPending)
	stripe.fail(false)
	if got, err := s.Cancel(t.Context(), down.AccountID, down.ID); err != nil || got.Status != billing.StatusExpired {
		t.Errorf("after a lost answer it is %s (%v)", got.Status, err)
	}
}
