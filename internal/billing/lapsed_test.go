package billing_test

import (
	"testing"
	"time"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// A refunded pack of which 30 tokens were used and 70 expired: 30 become debt and count as used.
func TestAnExpiredPackWhoseMoneyGoesBack(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	s.Exec("update purchases set lot_expires_days = 5 where id = $1", p.ID)
	if _, err := s.provider.Pay(t.Context(), session(p)); err != nil {
		t.Fatal(err)
	}
	p, err := s.Refresh(t.Context(), p.AccountID, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	s.spend(p, "230") // 200 of the plan
	s.Clock.Advance(6 * 24 * time.Hour)
	if _, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "k", billing.RefundParams{}); err != nil {
		t.Fatal(err)
	}
	s.wantBalance(p, "0 30")
	s.wantBreakdown("all back", p, billing.TokenBreakdown{
		Back:   tokens.MustParse("100"),
		Used:   tokens.MustParse("30"),
		BackAt: s.Clock.Now(),
		Cause:  ledger.CauseRefund,
	})
}
