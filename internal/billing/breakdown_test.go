package billing_test

import (
	"testing"
	"time"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

func (s *fixture) breakdown(p billing.Purchase) billing.TokenBreakdown {
	s.T.Helper()
	now, err := s.Get(s.T.Context(), p.AccountID, p.ID)
	if err != nil {
		s.T.Fatal(err)
	}
	breakdown, err := s.TokenBreakdown(s.T.Context(), now)
	if err != nil {
		s.T.Fatal(err)
	}
	return breakdown
}

func (s *fixture) wantBreakdown(what string, p billing.Purchase, want billing.TokenBreakdown) {
	s.T.Helper()
	if got := s.breakdown(p); got != want {
		s.T.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

// clawbacks lists the causes and reasons of an account's clawbacks, newest first.
func (s *fixture) clawbacks(p billing.Purchase) (causes []string) {
	s.T.Helper()
	page, err := s.Ledger.History(s.T.Context(), p.AccountID,
		ledger.Filter{Kinds: []ledger.Kind{ledger.KindClawback}}, 0, ledger.MaxPage)
	if err != nil {
		s.T.Fatal(err)
	}
	for i := range page.Lines {
		causes = append(causes, page.Lines[i].Amount.String()+" "+string(page.Lines[i].Cause)+": "+page.Lines[i].Reason)
	}
	return causes
}

func (s *fixture) wantClawbacks(p billing.Purchase, want ...string) {
	s.T.Helper()
	got := s.clawbacks(p)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			s.T.Errorf("taken back %q, want %q", got, want)
			return
		}
	}
}

func (s *fixture) refund(p billing.Purchase, key string, minor int64, reason string) {
	s.T.Helper()
	params := billing.RefundParams{Amount: &money.Amount{Minor: minor, Currency: "USD"}, Reason: reason}
	if _, _, err := s.Refund(s.T.Context(), p.AccountID, p.ID, key, params); err != nil {
		s.T.Fatal(err)
	}
}

// What was taken back, when, why, and how much of it was used.
func TestTheTokenBreakdownOfAPurchase(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	s.wantBreakdown("as it was paid", p, billing.TokenBreakdown{})
	paid := s.Clock.Now()
	s.Clock.Advance(time.Hour)
	s.spend(p, "270")
	s.refund(p, "a", 225, "a video failed")
	s.wantBreakdown("a quarter back", p, billing.TokenBreakdown{
		Back:   tokens.MustParse("25"),
		Left:   tokens.MustParse("5"),
		BackAt: paid.Add(time.Hour),
		Cause:  ledger.CauseRefund,
		Reason: "a video failed",
	})
	s.Clock.Advance(time.Hour)
	s.refund(p, "b", 675, "")
	s.wantBreakdown("all back", p, billing.TokenBreakdown{
		Back:   tokens.MustParse("100"),
		Used:   tokens.MustParse("70"),
		BackAt: paid.Add(2 * time.Hour),
		Cause:  ledger.CauseRefund,
	})

	next, _, err := s.Start(t.Context(), p.AccountID, "next", billing.StartParams{Pack: pack(0).ID})
	if err != nil {
		t.Fatal(err)
	}
	s.mustSend(checkoutEvent("completed", next, nil))
	s.wantBreakdown("what is owed comes off the next", next,
		billing.TokenBreakdown{Netted: tokens.MustParse("70"), Left: tokens.MustParse("30")})
	if r := s.receipt(next); r.Netted != tokens.MustParse("70") {
		t.Errorf("its receipt says that %s were owed", r.Netted)
	}
	s.wantBreakdown("and changes nothing of the first", p, billing.TokenBreakdown{
		Back:   tokens.MustParse("100"),
		Used:   tokens.MustParse("70"),
		BackAt: paid.Add(2 * time.Hour),
		Cause:  ledger.CauseRefund,
	})

	disputed := s.completed()
	s.spend(disputed, "220")
	s.mustSend(eventsByWord["opened"](disputed))
	s.wantBreakdown("in dispute", disputed, billing.TokenBreakdown{Left: tokens.MustParse("80")})
	s.mustSend(eventsByWord["lost"](disputed))
	s.wantBreakdown("lost", disputed, billing.TokenBreakdown{
		Back:   tokens.MustParse("100"),
		Used:   tokens.MustParse("20"),
		BackAt: s.Clock.Now(),
		Cause:  ledger.CauseDispute,
	})
	s.Exec(`delete from entry_notes where account = $1`, disputed.AccountID)
	if got := s.breakdown(disputed).Cause; got != ledger.CauseDispute {
		t.Errorf("without notes it was taken back for a %s", got)
	}
}

// Each clawback has the cause of its own refund, whether it is applied by a call or an event.
func TestWhyTokensWereTakenBack(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	s.refund(p, "a", 300, "first reason")
	s.mustSend(refunded(p, 300)) // the provider's event about it changes nothing
	s.Exec(`update sandbox_sessions set refunded_minor = 600 where id = $1`, session(p))
	s.mustSend(refunded(p, 600)) // made at the provider
	s.refund(p, "b", 300, "second reason")
	s.wantClawbacks(p, "-33.333334 refund: second reason", "-33.333333 refund: ", "-33.333333 refund: first reason")

	returned := s.completed()
	if _, _, err := s.Return(t.Context(), returned.AccountID, returned.ID, "k"); err != nil {
		t.Fatal(err)
	}
	s.wantClawbacks(returned, "-100 return: ")
	if got := s.breakdown(returned); got.Cause != ledger.CauseReturn || got.Used != 0 {
		t.Errorf("returned: %+v", got)
	}

	lost := s.completed()
	s.refund(lost, "k", 300, "a part before")
	s.mustSend(eventsByWord["lost"](lost))
	s.wantClawbacks(lost, "-66.666667 dispute: ", "-33.333333 refund: a part before")
}

// The provider's event arrives while a refund is under way, or before it is marked as done: the reason is
// kept.
func TestTheReasonOfARefundThatBrokeOff(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	stopped := engine.New(s.DB.Pool, engine.Options{
		Clock:  s.Clock.Now,
		Prices: s.options.Prices,
		Log:    s.options.Log,
	})
	stopped.Close()
	down := s.with(func(o *billing.Options) { o.Ledger = stopped })
	if _, _, err := down.Refund(t.Context(), p.AccountID, p.ID, "k",
		billing.RefundParams{Reason: "a reason"}); err == nil {
		t.Fatal("refunded without a ledger")
	}
	s.mustSend(refunded(p, 900))
	s.wantClawbacks(p, "-100 refund: a reason")
	s.Clock.Advance(2 * time.Minute)
	if _, err := s.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wantStatus(p, billing.StatusRefunded)
	s.wantClawbacks(p, "-100 refund: a reason")
	if n := s.Count(`select count(*) from purchase_refunds where done_at is null`); n != 0 {
		t.Errorf("%d refunds are open", n)
	}
}
