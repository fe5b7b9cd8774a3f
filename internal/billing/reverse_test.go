package billing_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
	"pop.store/credits/internal/tokens"
)

// about is an event about a purchase's payment, as Stripe sends it. Events of one second come in any order.
func about(kind string, object members) members {
	return members{
		"id":               "evt_" + uuid.NewString(),
		"object":           "event",
		"api_version":      "2020-08-27",
		"created":          1769851900,
		"livemode":         false,
		"pending_webhooks": 1,
		"type":             kind,
		"data":             members{"object": object},
	}
}

// payOf is the sandbox's id of the payment of a purchase.
func payOf(p billing.Purchase) string { return strings.Replace(session(p), "cs_test_", "pi_", 1) }

// refunded is an event with the total refunded so far.
func refunded(p billing.Purchase, total int64) members {
	return about("charge.refunded", members{
		"id":              "ch_1",
		"object":          "charge",
		"payment_intent":  payOf(p),
		"amount":          p.Price.Minor,
		"amount_refunded": total,
		"currency":        "usd",
	})
}

// dispute is an event about a dispute over the whole payment.
func dispute(kind string, p billing.Purchase, id, status string) members {
	return about("charge.dispute."+kind, members{
		"id":             id,
		"object":         "dispute",
		"payment_intent": payOf(p),
		"charge":         "ch_1",
		"amount":         p.Price.Minor,
		"currency":       "usd",
		"status":         status,
	})
}

// paidOrder is a purchase that is paid at the provider, without an event.
func (s *fixture) paidOrder() billing.Purchase {
	s.T.Helper()
	p := s.order()
	if _, err := s.provider.Pay(s.T.Context(), session(p)); err != nil {
		s.T.Fatal(err)
	}
	return p
}

// completed is a credited purchase.
func (s *fixture) completed() billing.Purchase {
	s.T.Helper()
	p := s.paidOrder()
	got, err := s.Refresh(s.T.Context(), p.AccountID, p.ID)
	if err != nil || got.Status != billing.StatusCompleted {
		s.T.Fatal(got.Status, err)
	}
	return got
}

// spend uses tokens; the plan's allowance of 200 is used before bought ones.
func (s *fixture) spend(p billing.Purchase, amount string) {
	s.T.Helper()
	a := tokens.MustParse(amount)
	if _, err := s.Ledger.Charge(s.T.Context(), p.AccountID, uuid.NewString(),
		ledger.Charge{Feature: "auto_selling", Amount: &a}); err != nil {
		s.T.Fatal(err)
	}
}

// wantBalance compares the account's spendable tokens and its debt: "300 0".
func (s *fixture) wantBalance(p billing.Purchase, want string) {
	s.T.Helper()
	a, err := s.Ledger.Account(s.T.Context(), p.AccountID)
	if got := fmt.Sprint(a.Spendable, a.Owed); err != nil || got != want {
		s.T.Errorf("spendable and owed are %s (%v), want %s", got, err, want)
	}
}

// events maps the words of the tables to events about a purchase of 100 tokens for $9.00.
var eventsByWord = map[string]func(billing.Purchase) members{
	"paid": func(p billing.Purchase) members {
		return checkoutEvent("completed", p, members{"payment_intent": payOf(p)})
	},
	"back 3":   func(p billing.Purchase) members { return refunded(p, 300) },
	"back 6":   func(p billing.Purchase) members { return refunded(p, 600) },
	"back all": func(p billing.Purchase) members { return refunded(p, 900) },
	"back yen": func(p billing.Purchase) members {
		e := refunded(p, 900)
		e["data"].(members)["object"].(members)["currency"] = "jpy"
		return e
	},
	"opened": func(p billing.Purchase) members { return dispute("created", p, "dp_"+session(p), "needs_response") },
	"inquiry": func(p billing.Purchase) members {
		return dispute("created", p, "dp_"+session(p), "warning_needs_response")
	},
	"closed":   func(p billing.Purchase) members { return dispute("closed", p, "dp_"+session(p), "warning_closed") },
	"answered": func(p billing.Purchase) members { return dispute("updated", p, "dp_"+session(p), "under_review") },
	"later": func(p billing.Purchase) members {
		e := dispute("updated", p, "dp_"+session(p), "under_review")
		e["created"] = e["created"].(int) + 60
		return e
	},
	"won":  func(p billing.Purchase) members { return dispute("closed", p, "dp_"+session(p), "won") },
	"lost": func(p billing.Purchase) members { return dispute("closed", p, "dp_"+session(p), "lost") },
	"withdrawn": func(p billing.Purchase) members {
		return dispute("funds_withdrawn", p, "dp_"+session(p), "needs_response")
	},
	"second": func(p billing.Purchase) members { return dispute("created", p, "dp2_"+session(p), "needs_response") },
	"second won": func(p billing.Purchase) members {
		return dispute("closed", p, "dp2_"+session(p), "won")
	},
}

// Refunds and disputes in every order, some twice, before and after the credit.
func TestMoneyThatGoesBack(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, c := range []struct {
		events  string
		want    billing.Status
		balance string // spendable and owed; the allowance is 200, the pack 100
	}{
		{"paid, back 3", billing.StatusCompleted, "266.666667 0"},
		{"paid, back 3, back 3", billing.StatusCompleted, "266.666667 0"},
		{"paid, back 3, back 6", billing.StatusCompleted, "233.333334 0"},
		{"paid, back 6, back 3", billing.StatusCompleted, "233.333334 0"},
		{"paid, back 3, back 6, back all", billing.StatusRefunded, "200 0"},
		{"paid, back all, back all", billing.StatusRefunded, "200 0"},
		{"paid, back all, back 3", billing.StatusRefunded, "200 0"},
		{"back all, back 3, paid", billing.StatusRefunded, "200 0"},
		{"paid, opened, won, later", billing.StatusCompleted, "300 0"},
		{"back all, paid", billing.StatusRefunded, "200 0"},
		{"back 3, paid, paid", billing.StatusCompleted, "266.666667 0"},
		{"back 3", billing.StatusPending, "200 0"},
		{"paid, back yen", billing.StatusCompleted, "300 0"},
		{"paid, opened", billing.StatusDisputed, "200 0"},
		{"paid, opened, opened, answered, withdrawn", billing.StatusDisputed, "200 0"},
		{"opened, paid", billing.StatusDisputed, "200 0"},
		{"paid, opened, won", billing.StatusCompleted, "300 0"},
		{"paid, won, opened", billing.StatusCompleted, "300 0"},
		{"opened, won, paid", billing.StatusCompleted, "300 0"},
		{"paid, inquiry", billing.StatusDisputed, "200 0"},
		{"paid, inquiry, closed", billing.StatusCompleted, "300 0"},
		{"paid, opened, lost", billing.StatusRefunded, "200 0"},
		{"paid, lost, opened, withdrawn", billing.StatusRefunded, "200 0"},
		{"lost, paid", billing.StatusRefunded, "200 0"},
		{"paid, back 3, opened", billing.StatusDisputed, "200 0"},
		{"paid, back 3, opened, won", billing.StatusCompleted, "266.666667 0"},
		{"paid, opened, back 3, won", billing.StatusCompleted, "266.666667 0"},
		{"paid, opened, back all", billing.StatusRefunded, "200 0"},
		{"paid, opened, back all, won", billing.StatusRefunded, "200 0"},
		{"paid, back 6, opened, lost", billing.StatusRefunded, "200 0"},
		{"paid, opened, second, won", billing.StatusDisputed, "200 0"},
		{"paid, opened, second, won, second won", billing.StatusCompleted, "300 0"},
	} {
		t.Run(c.events, func(t *testing.T) {
			p := s.paidOrder()
			for _, name := range strings.Split(c.events, ", ") {
				if err := s.send(eventsByWord[name](p)); err != nil {
					t.Error(name, err)
				}
			}
			s.wantStatus(p, c.want)
			s.wantBalance(p, c.balance)
		})
	}
}

// Spent tokens of a refunded purchase become debt, which is shown before the next payment and deducted from
// it.
func TestWhatWasSpentIsOwedAndNetted(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	s.spend(p, "270")
	s.mustSend(refunded(p, 900))
	s.wantBalance(p, "0 70")
	if owed, err := s.Owed(t.Context(), p.AccountID); err != nil || owed != tokens.MustParse("70") {
		t.Errorf("owed are %s (%v)", owed, err)
	}
	next, _, err := s.Start(t.Context(), p.AccountID, "next", billing.StartParams{Pack: pack(0).ID})
	if err != nil || next.Owed != tokens.MustParse("70") {
		t.Fatal(next.Owed, err)
	}
	if at, err := s.provider.Session(t.Context(), session(next)); err != nil ||
		at.Description != "100 tokens, 70 of them for tokens owed from before" {
		t.Errorf("the payment page says %q (%v)", at.Description, err)
	}
	s.mustSend(checkoutEvent("completed", next, nil))
	s.wantBalance(p, "30 0")
}

// The same refund from all sources at once takes the tokens back once.
func TestARefundIsTakenBackOnce(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	same := refunded(p, 300)
	testkit.Concurrently(40, func(i int) {
		event := same
		if i%2 == 1 {
			event = refunded(p, 300)
		}
		if err := s.send(event); err != nil {
			t.Error(err)
		}
	})
	s.wantBalance(p, "266.666667 0")
}

// An interrupted call froze the tokens in the ledger without recording it.
func TestAFreezeThatWasNotNoted(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	bought, err := s.Ledger.Purchase(t.Context(), p.AccountID, p.ID.String())
	if err != nil {
		t.Fatal(err)
	}
	if err := bought.Freeze(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	s.mustSend(eventsByWord["won"](p))
	s.wantStatus(p, billing.StatusCompleted)
	s.wantBalance(p, "300 0")
}

// Two concurrent events about a dispute end in the state of the last.
func TestADisputeThatOpensAndClosesAtOnce(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for range 10 {
		p := s.completed()
		events := []string{"opened", "won", "answered", "withdrawn"}
		testkit.Concurrently(len(events), func(i int) {
			if err := s.send(eventsByWord[events[i]](p)); err != nil {
				t.Error(err)
			}
		})
		s.wantStatus(p, billing.StatusCompleted)
		s.wantBalance(p, "300 0")
	}
}

// The ledger does not answer at a refund: the event fails, and its next delivery completes the reversal.
func TestAReversalThatBrokeOff(t *testing.T) {
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
	event := refunded(p, 900)
	testkit.WantProblem(t, (&fixture{Service: down}).send(event), problem.KindUnavailable, "unavailable")
	s.wantStatus(p, billing.StatusCompleted)
	s.Clock.Advance(2 * 60e9)
	if _, err := s.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.wantStatus(p, billing.StatusRefunded)
	s.wantBalance(p, "200 0")
	s.mustSend(event)
	s.wantBalance(p, "200 0")
}

// Support's refunds: all, a part, another part, and no more than was paid.
func TestRefunds(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	refund := func(key string, minor int64) (billing.Purchase, bool, error) {
		return s.Refund(t.Context(), p.AccountID, p.ID, key,
			billing.RefundParams{Amount: &money.Amount{Minor: minor, Currency: "USD"}, Reason: "r"})
	}
	got, replayed, err := refund("a", 300)
	if err != nil || replayed || got.Status != billing.StatusCompleted || got.Refunded.Minor != 300 {
		t.Errorf("%+v, replayed %t, %v", got, replayed, err)
	}
	s.wantBalance(p, "266.666667 0")
	if got, replayed, err = refund("a", 300); err != nil || !replayed || got.Refunded.Minor != 300 {
		t.Errorf("again: %+v, replayed %t, %v", got, replayed, err)
	}
	_, _, err = refund("a", 301)
	testkit.WantProblem(t, err, problem.Unprocessable, "idempotency_key_reused")
	for _, minor := range []int64{0, -1, 601} {
		_, _, err = refund("b", minor)
		testkit.WantProblem(t, err, problem.Unprocessable, "invalid_field")
	}
	_, _, err = s.Refund(t.Context(), p.AccountID, p.ID, "b",
		billing.RefundParams{Amount: &money.Amount{Minor: 1, Currency: "EUR"}})
	testkit.WantProblem(t, err, problem.Unprocessable, "invalid_field")
	_, _, err = s.Refund(t.Context(), p.AccountID, p.ID, "", billing.RefundParams{})
	testkit.WantProblem(t, err, problem.Malformed, "missing_idempotency_key")
	_, _, err = s.Refund(t.Context(), s.Account(), p.ID, "b", billing.RefundParams{})
	testkit.WantProblem(t, err, problem.NotFound, "purchase_not_found")
	if got, _, err = s.Refund(t.Context(), p.AccountID, p.ID, "b",
		billing.RefundParams{Reason: "the rest"}); err != nil || got.Status != billing.StatusRefunded {
		t.Errorf("the rest: %+v, %v", got, err)
	}
	s.wantBalance(p, "200 0")
	_, _, err = s.Refund(t.Context(), p.AccountID, p.ID, "c", billing.RefundParams{})
	testkit.WantProblem(t, err, problem.Conflict, "already_refunded")
	open := s.order()
	_, _, err = s.Refund(t.Context(), open.AccountID, open.ID, "c", billing.RefundParams{})
	testkit.WantProblem(t, err, problem.Conflict, "purchase_not_paid")
	if at, err := s.provider.Session(t.Context(), session(p)); err != nil || at.Refunded != 900 {
		t.Errorf("the provider gave back %d (%v)", at.Refunded, err)
	}
}

// Concurrent refunds, with one key and with several, refund no more than was paid.
func TestRefundsAtOnce(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	refund := func(i int) {
		_, _, err := s.Refund(t.Context(), p.AccountID, p.ID, fmt.Sprint("k", i%4),
			billing.RefundParams{Amount: &money.Amount{Minor: 400, Currency: "USD"}})
		if e := problem.Of(err); err != nil && e.Kind != problem.Unprocessable &&
			!errors.Is(err, billing.ErrRefundUnderWay) {
			t.Error(err)
		}
	}
	testkit.Concurrently(20, refund)
	for i := range 4 { // a refund under way may have blocked another
		refund(i)
	}
	if at, err := s.provider.Session(t.Context(), session(p)); err != nil || at.Refunded != 800 {
		t.Errorf("the provider gave back %d (%v), want two of 400", at.Refunded, err)
	}
	if got := s.wantStatus(p, billing.StatusCompleted); got.Refunded.Minor != 800 {
		t.Errorf("we say %s", got.Refunded)
	}
}

// A refund is interrupted after the provider returned the money: the reconciling job finishes it, once.
func TestARefundThatBrokeOff(t *testing.T) {
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
	_, _, err := down.Refund(t.Context(), p.AccountID, p.ID, "k", billing.RefundParams{Reason: "r"})
	testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
	s.wantBalance(p, "300 0")
	s.Clock.Advance(2 * 60e9)
	for range 2 {
		if _, err := s.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.wantStatus(p, billing.StatusRefunded)
		s.wantBalance(p, "200 0")
	}
	if at, err := s.provider.Session(t.Context(), session(p)); err != nil || at.Refunded != 900 {
		t.Errorf("the provider gave back %d (%v)", at.Refunded, err)
	}
	if _, replayed, err := s.Refund(t.Context(), p.AccountID, p.ID, "k",
		billing.RefundParams{Reason: "r"}); err != nil || !replayed {
		t.Errorf("replayed %t, %v", replayed, err)
	}
}

// A refund that the provider refuses is deleted, and the provider's own total is recorded.
func TestARefundThatTheProviderRefuses(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	// A refund made elsewhere, whose event is lost.
	s.Exec(`update sandbox_sessions set refunded_minor = 900 where id = $1`, session(p))
	_, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "k", billing.RefundParams{})
	testkit.WantProblem(t, err, problem.Conflict, "refund_refused")
	s.wantStatus(p, billing.StatusRefunded)
	s.wantBalance(p, "200 0")
	if n := s.Count(`select count(*) from purchase_refunds`); n != 0 {
		t.Errorf("%d refunds are kept", n)
	}
	q := s.completed()
	if err := s.provider.OpenDispute(t.Context(), session(q)); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Refund(t.Context(), q.AccountID, q.ID, "k", billing.RefundParams{})
	testkit.WantProblem(t, err, problem.Conflict, "refund_refused")
	s.wantStatus(q, billing.StatusDisputed)
	_, _, err = s.Refund(t.Context(), q.AccountID, q.ID, "k", billing.RefundParams{})
	testkit.WantProblem(t, err, problem.Conflict, "purchase_disputed")
}

// A free purchase is given back without money.
func TestARefundOfWhatWasFree(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	if _, err := s.provider.PayWith(t.Context(), session(p), sandbox.Coupon); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Refresh(t.Context(), p.AccountID, p.ID); err != nil || got.Status != billing.StatusCompleted ||
		got.Paid.Minor != 0 {
		t.Fatal(got.Status, got.Paid, err)
	}
	s.wantBalance(p, "300 0")
	for _, want := range []bool{false, true} {
		got, replayed, err := s.Refund(t.Context(), p.AccountID, p.ID, "k", billing.RefundParams{})
		if err != nil || replayed != want || got.Status != billing.StatusRefunded {
			t.Errorf("%s, replayed %t, %v", got.Status, replayed, err)
		}
	}
	s.wantBalance(p, "200 0")
}

// A creator can return an unused pack for two weeks.
func TestReturningAPack(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	until, ok, err := s.Returnable(t.Context(), p)
	if err != nil || !ok || !until.Equal(p.CompletedAt.AddDate(0, 0, 14)) {
		t.Errorf("returnable until %s: %t, %v", until, ok, err)
	}
	s.spend(p, "200") // the allowance, not the pack
	got, _, err := s.Return(t.Context(), p.AccountID, p.ID, "k")
	if err != nil || got.Status != billing.StatusRefunded || got.Refunded != got.Paid {
		t.Errorf("%+v, %v", got, err)
	}
	s.wantBalance(p, "0 0")
	if _, replayed, err := s.Return(t.Context(), p.AccountID, p.ID, "k"); err != nil || !replayed {
		t.Error("again:", replayed, err)
	}

	used := s.completed()
	s.spend(used, "200.05")
	_, _, err = s.Return(t.Context(), used.AccountID, used.ID, "k")
	testkit.WantProblem(t, err, problem.Conflict, "purchase_used")
	s.wantStatus(used, billing.StatusCompleted)
	s.wantBalance(used, "99.95 0")
	s.spend(used, "99.95") // no longer frozen
	if _, ok, err := s.Returnable(t.Context(), used); ok || err != nil {
		t.Error("what was used is returnable", err)
	}

	held := s.completed()
	s.spend(held, "200")
	amount := tokens.One
	if _, err := s.Ledger.Hold(t.Context(), held.AccountID, "h", ledger.Hold{
		Feature:   "auto_selling",
		Amount:    &amount,
		ExpiresIn: ledger.DefaultHold,
	}); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Return(t.Context(), held.AccountID, held.ID, "k")
	testkit.WantProblem(t, err, problem.Conflict, "purchase_held")

	late := s.completed()
	s.Clock.Set(late.CompletedAt.AddDate(0, 0, 14))
	_, _, err = s.Return(t.Context(), late.AccountID, late.ID, "k")
	testkit.WantProblem(t, err, problem.Conflict, "return_too_late")
	s.wantStatus(late, billing.StatusCompleted)
}

// A pack that was used before it expired counts as used, even after a refund of work returned tokens in a
// lot of its own.
func TestReturningAUsedPackThatHasExpired(t *testing.T) {
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
	s.spend(p, "299")
	one := tokens.One
	last, err := s.Ledger.Charge(t.Context(), p.AccountID, "last", ledger.Charge{Feature: "auto_selling", Amount: &one})
	if err != nil {
		t.Fatal(err)
	}
	s.Clock.Advance(6 * 24 * time.Hour)
	if _, err := s.Ledger.Refund(t.Context(), p.AccountID, "back",
		ledger.Refund{Entry: last.Seq, Reason: "it failed"}); err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Return(t.Context(), p.AccountID, p.ID, "k")
	testkit.WantProblem(t, err, problem.Conflict, "purchase_used")
	s.wantBalance(p, "1 0")
}

// A pack cannot be spent while it is returned. After any interruption either the money is refunded or the
// tokens stay.
func TestReturningWhileSpending(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for range 10 {
		p := s.completed()
		s.spend(p, "200")
		testkit.Concurrently(6, func(i int) {
			amount := tokens.One
			if i%2 == 0 {
				_, _, err := s.Return(t.Context(), p.AccountID, p.ID, fmt.Sprint("k", i))
				if e := problem.Of(err); err != nil && e.Kind != problem.Conflict &&
					!errors.Is(err, billing.ErrRefundUnderWay) {
					t.Error(err)
				}
				return
			}
			_, err := s.Ledger.Charge(t.Context(), p.AccountID, uuid.NewString(),
				ledger.Charge{Feature: "auto_selling", Amount: &amount})
			if e := problem.Of(err); err != nil && e.Kind != problem.Insufficient {
				t.Error(err)
			}
		})
		a, err := s.Ledger.Account(t.Context(), p.AccountID)
		if err != nil || a.Owed != 0 {
			t.Fatalf("returned what was spent: %s owed (%v)", a.Owed, err)
		}
	}
}

// half requests half of a purchase's money.
func half(p billing.Purchase) billing.RefundParams {
	return billing.RefundParams{
		Amount: &money.Amount{Minor: p.Price.Minor / 2, Currency: p.Price.Currency},
		Reason: "half of it",
	}
}
