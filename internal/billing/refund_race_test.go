package billing_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/testkit"
)

// refundUntilDecided requests 70 cents with one key until the answer is final.
func (s *fixture) refundUntilDecided(p billing.Purchase, key string) error {
	for {
		_, _, err := s.Refund(s.T.Context(), p.AccountID, p.ID, key,
			billing.RefundParams{Amount: &money.Amount{Minor: 70, Currency: "USD"}})
		if problem.Of(err).Kind != problem.KindUnavailable {
			return err
		}
	}
}

// Of $9.00, twenty concurrent refunds of $0.70 succeed twelve times. None is refused for good while the
// money may still be there.
func TestParallelRefundsGiveBackAllThatIsThere(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	var done, refused atomic.Int32
	testkit.Concurrently(20, func(i int) {
		err := s.refundUntilDecided(p, fmt.Sprint("k", i))
		if err == nil {
			done.Add(1)
			return
		}
		refused.Add(1)
		testkit.WantProblem(t, err, problem.Unprocessable, "invalid_field")
	})
	if done.Load() != 12 || refused.Load() != 8 {
		t.Errorf("%d were done and %d refused, want 12 and 8", done.Load(), refused.Load())
	}
	if at, err := s.provider.Session(t.Context(), session(p)); err != nil || at.Refunded != 840 {
		t.Errorf("the provider gave back %d (%v), want 840", at.Refunded, err)
	}
}

// underWay records a refund without executing it.
func (s *fixture) underWay(p billing.Purchase, minor int64) {
	s.T.Helper()
	s.Exec(`insert into purchase_refunds (id, purchase, account, amount_minor, reason, untouched, idempotency_key, fingerprint, created_at)
		values (gen_random_uuid(), $1, $2, $3, '', false, gen_random_uuid(), '', $4)`, p.ID, p.AccountID, minor,
		s.Clock.Now())
}

// Money of a refund under way is uncertain until it is done: it may be in the recorded refunds, and it may
// be refused.
func TestARefundBesideOneUnderWay(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed() // of $9.00
	s.underWay(p, 300)
	ask := func(key string, amount *money.Amount) error {
		_, _, err := s.Refund(t.Context(), p.AccountID, p.ID, key, billing.RefundParams{Amount: amount})
		return err
	}
	usd := func(minor int64) *money.Amount { return &money.Amount{Minor: minor, Currency: "USD"} }
	testkit.WantProblem(t, ask("too much in any case", usd(901)), problem.Unprocessable, "invalid_field")
	testkit.WantProblem(t, ask("too much if the other is done", usd(601)), problem.KindUnavailable, "refund_under_way")
	testkit.WantProblem(t, ask("all", nil), problem.KindUnavailable, "refund_under_way")
	if err := ask("there in any case", usd(600)); err != nil {
		t.Error(err)
	}
	testkit.WantProblem(t, ask("nothing if the other is done", usd(1)), problem.KindUnavailable, "refund_under_way")
	s.Exec(`delete from purchase_refunds where done_at is null`) // it was refused
	if err := ask("nothing if the other is done", usd(1)); err != nil {
		t.Error("the key was bound:", err)
	}
	if err := ask("all", nil); err != nil {
		t.Error(err)
	}
	s.wantStatus(p, billing.StatusRefunded)
}

// The smallest refund is one minor unit.
func TestARefundOfOneCent(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	for _, minor := range []int64{0, -1} {
		_, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "k",
			billing.RefundParams{Amount: &money.Amount{Minor: minor, Currency: "USD"}})
		testkit.WantProblem(t, err, problem.Unprocessable, "invalid_field")
	}
	got, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "k",
		billing.RefundParams{Amount: &money.Amount{Minor: 1, Currency: "USD"}})
	if err != nil || got.Refunded.Minor != 1 {
		t.Errorf("%s, %v", got.Refunded, err)
	}
}

// The provider no longer knows the payment or its checkout: the refund is refused for good, and none stays
// under way.
func TestARefundOfAPaymentThatTheProviderHasForgotten(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	s.Exec(`delete from sandbox_sessions`)
	if _, err := s.provider.Checkout(t.Context(), session(p)); !errors.Is(err, payment.ErrNone) {
		t.Fatal(err)
	}
	for range 2 {
		_, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "k", billing.RefundParams{})
		testkit.WantProblem(t, err, problem.Conflict, "refund_refused")
	}
	if n := s.Count(`select count(*) from purchase_refunds`); n != 0 {
		t.Errorf("%d refunds are under way", n)
	}
	s.wantStatus(p, billing.StatusCompleted)
	s.wantBalance(p, "300 0")
}
