package billing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

// reconcile runs the job until no work is left.
func (s *fixture) reconcile() {
	s.T.Helper()
	for more := true; more; {
		var err error
		if more, err = s.Reconcile(s.T.Context()); err != nil {
			s.T.Fatal(err)
		}
	}
}

// Without a returning buyer and without events, the job finds the outcome in time.
func TestReconcilingOpenPurchases(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	paid, free, waiting, left := s.paidOrder(), s.order(), s.order(), s.order()
	for p, card := range map[*billing.Purchase]sandbox.Card{&free: sandbox.Coupon, &waiting: sandbox.BankDebit} {
		if _, err := s.provider.PayWith(t.Context(), session(*p), card); err != nil {
			t.Fatal(err)
		}
	}
	s.Exec(`delete from sandbox_events`) // so that only polling helps
	s.reconcile()
	s.wantStatus(paid, billing.StatusPending) // the buyer may be on the way back
	s.Clock.Advance(3 * time.Minute)
	s.reconcile()
	s.wantStatus(paid, billing.StatusCompleted)
	s.wantCredits(paid, 1)
	s.wantStatus(free, billing.StatusCompleted)
	s.wantCredits(free, 1)
	s.wantStatus(waiting, billing.StatusProcessing)
	s.wantStatus(left, billing.StatusPending)
	if err := s.provider.Bounce(t.Context(), session(waiting)); err != nil {
		t.Fatal(err)
	}
	s.Exec(`delete from sandbox_events`)
	s.Clock.Advance(24 * time.Hour)
	s.reconcile()
	s.wantStatus(waiting, billing.StatusFailed)
	s.wantStatus(left, billing.StatusExpired)
	s.wantCredits(left, 0)
	if n := s.Count(`select count(*) from purchases where ask_at <= $1 and status in ('pending', 'processing')`,
		s.Clock.Now()); n != 0 {
		t.Errorf("%d purchases are still asked about", n)
	}
}

// After days without webhooks the events are fetched, delivered ones are left alone, and nothing happens
// twice.
func TestMissedEventsAreFetched(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.reconcile()
	heard := s.completed()
	var missed []billing.Purchase
	for range 130 { // more than a page of events
		p := s.paidOrder()
		missed = append(missed, p)
		s.Clock.Advance(time.Second)
	}
	s.Exec(`update purchases set ask_at = null`) // so that only events help
	gone := s.completed()
	if err := s.provider.Refund(t.Context(), payment.Refund{
		Key:     "made there",
		Payment: payOf(gone),
		Amount:  money.Amount{Minor: 900, Currency: "USD"},
	}); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(3 * 24 * time.Hour)
	s.reconcile()
	for _, p := range missed {
		s.wantStatus(p, billing.StatusCompleted)
		s.wantCredits(p, 1)
	}
	s.wantCredits(heard, 1)
	s.wantStatus(gone, billing.StatusRefunded)
	s.wantBalance(gone, "200 0")
	if n := s.Count(`select count(*) from payment_events where processed_at is null`); n != 0 {
		t.Errorf("%d events are not handled", n)
	}
	// They are delivered late, in another spelling.
	for _, p := range missed[:3] {
		s.mustSend(checkoutEvent("completed", p, nil))
	}
	s.reconcile()
	s.wantCredits(missed[0], 1)
}

// Webhook, return page and job at once, fifty times.
func TestEverybodyHearsAtOnce(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.paidOrder()
	s.Clock.Advance(3 * time.Minute)
	testkit.Concurrently(150, func(i int) {
		var err error
		switch i % 3 {
		case 0:
			err = s.send(checkoutEvent("completed", p, nil))
		case 1:
			_, err = s.Refresh(t.Context(), p.AccountID, p.ID)
		default:
			_, err = s.Reconcile(t.Context())
		}
		if err != nil {
			t.Error(err)
		}
	})
	s.wantStatus(p, billing.StatusCompleted)
	s.wantCredits(p, 1)
}

// unreachable is a provider that does not answer.
type unreachable struct{ *sandbox.Provider }

func (unreachable) Checkout(context.Context, string) (payment.Checkout, error) {
	return payment.Checkout{}, errors.New("no answer")
}

// A purchase without an answer from the provider does not block the others.
func TestAProviderThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.paidOrder()
	s.Clock.Advance(3 * time.Minute)
	down := s.with(func(o *billing.Options) { o.Provider = unreachable{s.provider} })
	if _, err := down.Reconcile(t.Context()); err == nil {
		t.Error("no error")
	}
	if n := s.Count(`select count(*) from purchases where ask_at > $1`, s.Clock.Now()); n != 1 {
		t.Error("it is asked again at once")
	}
	// An event is enough, but the card is unknown.
	if err := (&fixture{Service: down}).send(checkoutEvent("completed", p, nil)); err != nil {
		t.Error(err)
	}
	s.wantCredits(p, 1)
	if got := s.wantStatus(p, billing.StatusCompleted); got.Card != "" || got.Paid != p.Price {
		t.Errorf("paid %s with %q", got.Paid, got.Card)
	}
}

// Purchases of another provider, or of the same one in another mode, are left alone.
func TestAnotherProvidersPurchases(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.paidOrder()
	s.Exec(`update purchases set provider = 'stripe' where id = $1`, p.ID)
	s.Clock.Advance(time.Hour)
	s.reconcile()
	if got, err := s.Refresh(t.Context(), p.AccountID, p.ID); err != nil || got.Status != billing.StatusPending {
		t.Error(got.Status, err)
	}
	s.mustSend(checkoutEvent("completed", p, nil))
	s.wantStatus(p, billing.StatusPending)
	s.wantCredits(p, 0)
}

// A returning buyer is the same customer at the provider.
func TestACustomerIsKept(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	first, err := s.provider.Session(t.Context(), session(p))
	if err != nil || first.Customer == "" {
		t.Fatal(first.Customer, err)
	}
	next, _, err := s.Start(t.Context(), p.AccountID, "next", billing.StartParams{Pack: pack(0).ID})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.provider.Session(t.Context(), session(next)); err != nil || again.Customer != first.Customer {
		t.Errorf("%s and then %s (%v)", first.Customer, again.Customer, err)
	}
}

// An order whose checkout never opened is closed in the end.
func TestAnOrderWithoutACheckoutIsAbandoned(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	s.Exec(`update purchases set provider_session = null where id = $1`, p.ID)
	s.Clock.Advance(26 * time.Hour)
	s.reconcile()
	s.wantStatus(p, billing.StatusExpired)
}

// The job finds a credit whose note was interrupted.
func TestACreditThatWasNotNoted(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.paidOrder()
	if _, err := s.Ledger.Grant(t.Context(), p.AccountID, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: p.Tokens,
		Source: p.ID.String(),
	}); err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(3 * time.Minute)
	s.reconcile()
	s.wantStatus(p, billing.StatusCompleted)
	s.wantCredits(p, 1)
}
