package billing_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/testkit"
)

// A payment is credited once, however many webhooks and return pages process it concurrently.
func TestAPaymentIsCreditedOnce(t *testing.T) {
	t.Parallel()
	for _, times := range []int{5, 50} {
		s := newFixture(t)
		p := s.order()
		if _, err := s.provider.Pay(t.Context(), session(p)); err != nil {
			t.Fatal(err)
		}
		same := checkoutEvent("completed", p, nil)
		testkit.Concurrently(3*times, func(i int) {
			var err error
			switch i % 3 {
			case 0:
				err = s.send(same)
			case 1:
				err = s.send(checkoutEvent("completed", p, nil))
			default:
				_, err = s.Refresh(t.Context(), p.AccountID, p.ID)
			}
			if err != nil {
				t.Error(err)
			}
		})
		got := s.wantStatus(p, billing.StatusCompleted)
		if got.Card != "Visa 4242" || got.Paid != p.Price {
			t.Errorf("paid %s with %q", got.Paid, got.Card)
		}
		s.wantCredits(p, 1)
		if a, err := s.Ledger.Account(t.Context(), p.AccountID); err != nil || a.Spendable != 200_000_000+p.Tokens {
			t.Errorf("spendable is %s (%v)", a.Spendable, err)
		}
	}
}

// After a crash between the credit and its note, the next call finishes, and nothing is credited again.
func TestACrashBetweenCreditAndNoteIsHarmless(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	finish := map[string]func(p billing.Purchase) error{
		"webhook": func(p billing.Purchase) error { return s.send(checkoutEvent("completed", p, nil)) },
		"return page": func(p billing.Purchase) error {
			_, err := s.Refresh(t.Context(), p.AccountID, p.ID)
			return err
		},
	}
	for name, hear := range finish {
		p := s.order()
		if _, err := s.provider.Pay(t.Context(), session(p)); err != nil {
			t.Fatal(err)
		}
		s.mustSend(checkoutEvent("completed", p, nil))
		s.Exec(`update purchases set status = 'pending', paid_minor = null, completed_at = null where id = $1`, p.ID)
		if err := hear(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		s.wantStatus(p, billing.StatusCompleted)
		s.wantCredits(p, 1)
	}
}

// The database itself prevents a second credit, even past the ledger's code.
func TestTheGuardIsInTheDatabase(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	_, err := s.DB.Pool.Exec(t.Context(), `insert into permanent_references (account, scope, reference, seq)
		select account, scope, reference, seq + 1 from permanent_references where account = $1 and scope = 'purchase'`,
		p.AccountID)
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "23505" {
		t.Errorf("a purchase can be credited twice: %v", err)
	}
}

// The ledger does not answer when the event arrives: the webhook fails, and the next delivery completes the
// purchase.
func TestAnEventThatCouldNotBeHandledIsHandledNextTime(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	stopped := engine.New(s.DB.Pool, engine.Options{
		Clock:  s.Clock.Now,
		Prices: catalog.Builtin,
		Log:    s.options.Log,
	})
	stopped.Close()
	down := s.with(func(o *billing.Options) { o.Ledger = stopped })
	event := checkoutEvent("completed", p, nil)
	testkit.WantProblem(t, (&fixture{Service: down}).send(event), problem.KindUnavailable, "unavailable")
	s.wantStatus(p, billing.StatusPending)
	s.mustSend(event)
	s.wantStatus(p, billing.StatusCompleted)
	s.wantCredits(p, 1)
}

// The return page trusts the provider, not the browser.
func TestTheReturnPageAsksTheProvider(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	refresh := func(want billing.Status) {
		t.Helper()
		if got, err := s.Refresh(t.Context(), p.AccountID, p.ID); err != nil || got.Status != want {
			t.Errorf("is %s (%v), want %s", got.Status, err, want)
		}
	}
	refresh(billing.StatusPending)
	s.wantCredits(p, 0)
	if err := s.provider.Decline(t.Context(), session(p)); err != nil {
		t.Fatal(err)
	}
	refresh(billing.StatusPending)
	s.Exec(`update sandbox_sessions set status = 'complete' where id = $1`,
		session(p)) // the money is still on its way
	refresh(billing.StatusProcessing)
	s.wantCredits(p, 0)
	s.Exec(`update sandbox_sessions set payment_status = 'paid' where id = $1`, session(p))
	refresh(billing.StatusCompleted)
	s.wantCredits(p, 1)
}

func TestAnAbandonedCheckoutExpires(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	s.Clock.Advance(25 * 60 * 60 * 1e9)
	if got, err := s.Refresh(t.Context(), p.AccountID, p.ID); err != nil || got.Status != billing.StatusExpired {
		t.Errorf("is %s (%v)", got.Status, err)
	}
	s.wantCredits(p, 0)
}

// Tokens of an expiring pack last from the credit on, whatever the catalog says by then.
func TestPacksWithAnEnd(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	prices := *catalog.Builtin()
	prices.Packs = []catalog.Pack{{
		ID:          "short",
		Tokens:      pack(0).Tokens,
		Price:       pack(0).Price,
		ExpiresDays: 30,
	}}
	account := s.Account()
	p, _, err := s.with(func(o *billing.Options) { o.Prices = func() *catalog.Catalog { return &prices } }).
		Start(t.Context(), account, "k", billing.StartParams{Pack: "short"})
	if err != nil {
		t.Fatal(err)
	}
	s.mustSend(checkoutEvent("completed", p, nil))
	a, err := s.Ledger.Account(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	for _, lot := range a.Lots {
		if lot.Kind == ledger.LotPurchase && !lot.ExpiresAt.Equal(s.Clock.Now().AddDate(0, 0, 30)) {
			t.Errorf("expires at %s", lot.ExpiresAt)
		}
	}
	s.wantCredits(p, 1)
}

func TestPurchasesAreTheirAccountsOwn(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p, other := s.order(), s.Account()
	_, err := s.Get(t.Context(), other, p.ID)
	testkit.WantProblem(t, err, problem.NotFound, "purchase_not_found")
	_, err = s.Refresh(t.Context(), other, p.ID)
	testkit.WantProblem(t, err, problem.NotFound, "purchase_not_found")
	if list, _, err := s.List(t.Context(), other, "", 10); err != nil || len(list) != 0 {
		t.Errorf("another account sees %d purchases (%v)", len(list), err)
	}
}

// Pages have no gaps or repeats, also for purchases of the same instant.
func TestPagesOfPurchases(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	account := s.Account()
	for i := range 7 {
		if _, _, err := s.Start(t.Context(), account, uuid.NewString(),
			billing.StartParams{Pack: pack(0).ID}); err != nil {
			t.Fatal(err)
		}
		if i%3 == 2 {
			s.Clock.Advance(1e9)
		}
	}
	seen := map[uuid.UUID]bool{}
	var last billing.Purchase
	for from := billing.Cursor(""); ; {
		list, next, err := s.List(t.Context(), account, from, 3)
		if err != nil || len(list) == 0 {
			t.Fatal(len(list), err)
		}
		for _, p := range list {
			if seen[p.ID] || (last.ID != uuid.Nil && p.CreatedAt.After(last.CreatedAt)) {
				t.Errorf("%s comes twice or out of order", p.ID)
			}
			seen[p.ID], last = true, p
		}
		if from = next; from == "" {
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("saw %d of 7 purchases", len(seen))
	}
	for _, bad := range []billing.Cursor{"x", "AAAA", "//////////////////////////////////////////"} {
		if _, _, err := s.List(t.Context(), account, bad, 3); problem.Of(err).Field != "cursor" {
			t.Errorf("cursor %q: %v", bad, err)
		}
	}
	for _, limit := range []int{0, -1, billing.MaxPage + 1} {
		if _, _, err := s.List(t.Context(), account, "", limit); problem.Of(err).Field != "limit" {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}
