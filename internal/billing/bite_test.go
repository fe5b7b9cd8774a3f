package billing_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/stripepay"
	"pop.store/credits/internal/testkit"
)

// asOwner changes the schema as its owner.
func (s *fixture) asOwner(sql string) {
	s.T.Helper()
	owner, err := pgx.Connect(s.T.Context(), s.DB.OwnerURL)
	if err != nil {
		s.T.Fatal(err)
	}
	defer owner.Close(s.T.Context())
	if _, err := owner.Exec(s.T.Context(), sql); err != nil {
		s.T.Fatal(err)
	}
}

// failWrites makes each write to a table fail if the new row satisfies a condition. mend undoes it.
func (s *fixture) failWrites(table, when string) (repair func()) {
	s.T.Helper()
	name := "broken_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.asOwner(`create function ` + name + `() returns trigger language plpgsql as $$ begin
			if ` + when + ` then raise exception 'broken'; end if;
			return new;
		end $$;
		create trigger ` + name + ` before insert or update on ` + table + ` for each row execute function ` +
		name + `()`)
	return func() { s.asOwner(`drop trigger ` + name + ` on ` + table) }
}

func (s *fixture) column(p billing.Purchase, column string) (value *string) {
	s.T.Helper()
	if err := s.DB.Pool.QueryRow(s.T.Context(), `select `+column+`::text from purchases where id = $1`,
		p.ID).Scan(&value); err != nil {
		s.T.Fatal(err)
	}
	return value
}

func (s *fixture) wantColumn(p billing.Purchase, column, want string) {
	s.T.Helper()
	if got := s.column(p, column); got == nil || *got != want {
		s.T.Errorf("%s is not %q", column, want)
	}
}

// An event without payment and customer: the provider is asked, and both are stored.
func TestPaymentAndCustomerAreAskedForWhenMissing(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.paidOrder()
	s.mustSend(checkoutEvent("completed", p, nil))
	s.wantColumn(p, "payment", payOf(p))
	if customer, _ := s.customerOf(p); !strings.HasPrefix(customer, "cus_") {
		t.Errorf("the customer is %q", customer)
	}
}

// noDetails is a provider whose checkouts name neither payment nor customer.
type noDetails struct{ *sandbox.Provider }

func (v noDetails) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	c, err := v.Provider.Checkout(ctx, id)
	c.Payment, c.Customer = "", ""
	return c, err
}

// An event's payment and customer are stored, even if the provider does not return them later.
func TestPaymentAndCustomerOfAnEventAreKept(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.paidOrder()
	s.Service = s.with(func(o *billing.Options) { o.Provider = noDetails{s.provider} })
	s.mustSend(checkoutEvent("completed", p, members{"payment_intent": payOf(p), "customer": "cus_of_the_event"}))
	s.wantColumn(p, "payment", payOf(p))
	if customer, _ := s.customerOf(p); customer != "cus_of_the_event" {
		t.Errorf("the customer is %q", customer)
	}
}

// A refund that arrives before its payment stores the payment's id. Another id does not replace it.
func TestThePaymentIsKeptWithARefundThatComesFirst(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.paidOrder()
	if s.column(p, "payment") != nil {
		t.Fatal("it is known already")
	}
	s.mustSend(refunded(p, 450))
	s.wantColumn(p, "payment", payOf(p))
	s.mustSend(checkoutEvent("completed", p, nil))
	s.wantColumn(p, "payment", payOf(p))
	s.wantBalance(p, "250 0")
	// A checkout has one payment: a known one is not replaced.
	s.Exec(`update purchases set payment = 'pi_known' where id = $1`, p.ID)
	s.mustSend(refunded(p, 900))
	s.wantColumn(p, "payment", "pi_known")
}

// An event cannot give another checkout to an order that a buyer pays for. Only an auto purchase is
// identified by its own id.
func TestOnlyAChargeIsKnownByItsOwnID(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.order()
	s.Exec(`update purchases set provider_session = null, customer = 'cus_1' where id = $1`, p.ID)
	s.mustSend(checkoutEvent("completed", p, members{"id": "cs_of_somebody", "customer": "cus_1"}))
	if s.column(p, "provider_session") != nil {
		t.Error("it took a checkout that we did not open")
	}
	s.wantStatus(p, billing.StatusPending)
	s.wantCredits(p, 0)
}

// A charge with a known payment accepts no other payment.
func TestAChargeHasOnePayment(t *testing.T) {
	t.Parallel()
	s, l := newStripeFixture(t, stripepay.Options{})
	account := s.accountWithMethod("stripe_test", "pm_slow")
	p, err := s.topUp(account, plenty)
	if err != nil || p.Status != billing.StatusProcessing {
		t.Fatal(p.Status, err)
	}
	first := *s.column(p, "provider_session")
	l.intents["pi_second"] = members{
		"id":       "pi_second",
		"object":   "payment_intent",
		"amount":   int64(900),
		"currency": "usd",
		"customer": "cus_" + account.String(),
		"metadata": members{"purchase": p.ID.String()},
		"status":   "succeeded",
	}
	s.mustSend(about("payment_intent.succeeded", l.intents["pi_second"]))
	s.wantColumn(p, "provider_session", first)
	s.wantColumn(p, "payment", first)
	s.wantStatus(p, billing.StatusProcessing)
	s.wantCredits(p, 0)
	// Nor is it charged again.
	before := l.asked("POST /v1/payment_intents?")
	if _, err := s.Charge(t.Context(), account, p.ID); err != nil || l.asked("POST /v1/payment_intents?") != before {
		t.Error("it is charged again", err)
	}
}

// Work of the job is due at its exact time, and not a microsecond before.
func TestTheInstantsOfTheJob(t *testing.T) {
	t.Parallel()
	const micro = time.Microsecond
	for name, c := range map[string]struct {
		wait time.Duration // until it is due
		set  func(s *fixture) billing.Purchase
		done func(s *fixture, p billing.Purchase) bool
	}{
		"an order is asked about": {2 * time.Minute, (*fixture).paidOrder, statusIs(billing.StatusCompleted)},
		"a refund is finished": {time.Minute, func(s *fixture) billing.Purchase {
			p := s.completed()
			s.underWay(p, 300)
			return p
		}, func(s *fixture, p billing.Purchase) bool {
			return s.Count(`select count(*) from purchase_refunds where purchase = $1 and done_at is null`, p.ID) == 0
		}},
		"a reversal is finished": {time.Minute, func(s *fixture) billing.Purchase {
			p := s.completed()
			s.Exec(`update purchases set refunded_minor = 900, version = version + 1, updated_at = $2 where id = $1`, p.ID, s.Clock.Now())
			return p
		}, statusIs(billing.StatusRefunded)},
		"an order without a checkout is closed": {25 * time.Hour, func(s *fixture) billing.Purchase {
			p := s.order()
			s.Exec(`update purchases set provider_session = null where id = $1`, p.ID)
			return p
		}, statusIs(billing.StatusExpired)},
		"a bill is asked for": {time.Minute, func(s *fixture) billing.Purchase {
			p := s.completed()
			s.Exec(`update purchase_bills set bill = null, asked_at = null, ask_at = $2 where purchase = $1`, p.ID,
				s.Clock.Now().Add(time.Minute))
			return p
		}, func(s *fixture, p billing.Purchase) bool {
			return s.Count(`select count(*) from purchase_bills where purchase = $1 and bill is not null`, p.ID) == 1
		}},
	} {
		s := newFixture(t)
		s.reconcile()
		p := c.set(s)
		s.withoutEvents()
		s.Clock.Advance(c.wait - micro)
		s.reconcile()
		if c.done(s, p) {
			t.Errorf("%s: too soon", name)
		}
		s.Clock.Advance(micro)
		s.reconcile()
		if !c.done(s, p) {
			t.Errorf("%s: not at its time", name)
		}
	}
}

// withoutEvents deletes the sandbox's events, so that only polling finds out.
func (s *fixture) withoutEvents() {
	s.T.Helper()
	if _, err := s.DB.Pool.Exec(s.T.Context(), `delete from sandbox_events`); err != nil {
		s.T.Fatal(err)
	}
}

func statusIs(want billing.Status) func(*fixture, billing.Purchase) bool {
	return func(s *fixture, p billing.Purchase) bool {
		got, err := s.Get(s.T.Context(), p.AccountID, p.ID)
		return err == nil && got.Status == want
	}
}

// A charge with an unknown outcome is retried after two minutes and until twenty hours have passed: then
// Stripe may have forgotten its key.
func TestTheInstantsOfACharge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		age   time.Duration
		asked bool
	}{
		"before two minutes":  {2*time.Minute - time.Microsecond, false},
		"at two minutes":      {2 * time.Minute, true},
		"before twenty hours": {20*time.Hour - time.Microsecond, true},
		"at twenty hours":     {20 * time.Hour, false},
	} {
		s, l := newStripeFixture(t, stripepay.Options{})
		l.loseAnswers("/v1/payment_intents")
		p, err := s.topUp(s.accountWithMethod("stripe_test", "pm_ok"), plenty)
		testkit.WantProblem(t, err, problem.KindUnavailable, "unavailable")
		l.loseAnswers("")
		s.Clock.Advance(c.age)
		before := l.asked("POST /v1/payment_intents?")
		l.mu.Lock()
		l.events = nil // only polling helps
		l.mu.Unlock()
		s.reconcile()
		if asked := l.asked("POST /v1/payment_intents?") > before; asked != c.asked {
			t.Errorf("%s: asked %t", name, asked)
		}
		want := billing.StatusPending
		if c.asked {
			want = billing.StatusCompleted
		}
		s.wantStatus(p, want)
	}
}

// A failed write is reported as unavailable, and a retry completes it.
func TestWritesThatFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table, when string
		set         func(s *fixture) billing.Purchase
		do          func(s *fixture, p billing.Purchase) error
		done        func(s *fixture, p billing.Purchase) bool
	}{
		"money that went back": {
			"purchases", "new.refunded_minor > 0", (*fixture).completed,
			func(s *fixture, p billing.Purchase) error { return s.send(refunded(p, 450)) },
			func(s *fixture, p billing.Purchase) bool { return s.spendableIs(p, 250) },
		},
		"a dispute": {
			"purchase_disputes", "true", (*fixture).completed,
			func(s *fixture, p billing.Purchase) error {
				return s.send(dispute("created", p, "dp_1", "needs_response"))
			},
			statusIs(billing.StatusDisputed),
		},
		"what the books agree with": {
			"purchases", "new.applied > old.applied", (*fixture).completed,
			func(s *fixture, p billing.Purchase) error { return s.send(refunded(p, 900)) },
			statusIs(billing.StatusRefunded),
		},
		"that it is completed": {
			"purchases", "new.status = 'completed'", (*fixture).paidOrder,
			func(s *fixture, p billing.Purchase) error { return s.send(checkoutEvent("completed", p, nil)) },
			statusIs(billing.StatusCompleted),
		},
		"that it has failed": {
			"purchases", "new.status = 'failed'", (*fixture).order,
			func(s *fixture, p billing.Purchase) error {
				return s.send(checkoutEvent("async_payment_failed", p, nil))
			},
			statusIs(billing.StatusFailed),
		},
		"who the customer is": {
			"payment_customers", "true", (*fixture).paidOrder,
			func(s *fixture, p billing.Purchase) error { return s.send(checkoutEvent("completed", p, nil)) },
			statusIs(billing.StatusCompleted),
		},
		"that an event is dealt with": {
			"payment_events", "new.processed_at is not null", (*fixture).paidOrder,
			func(s *fixture, p billing.Purchase) error { return s.send(checkoutEvent("completed", p, nil)) },
			func(s *fixture, _ billing.Purchase) bool {
				return s.Count(`select count(*) from payment_events where processed_at is not null`) > 0
			},
		},
		"that an event came": {
			"payment_events", "true", (*fixture).paidOrder,
			func(s *fixture, p billing.Purchase) error { return s.send(checkoutEvent("completed", p, nil)) },
			statusIs(billing.StatusCompleted),
		},
		"a refund that is asked for": {
			"purchase_refunds", "true", (*fixture).completed,
			func(s *fixture, p billing.Purchase) error {
				_, _, err := s.Refund(s.T.Context(), p.AccountID, p.ID, "k", billing.RefundParams{})
				return err
			},
			statusIs(billing.StatusRefunded),
		},
		"that a refund is done": {
			"purchase_refunds", "new.done_at is not null", (*fixture).completed,
			func(s *fixture, p billing.Purchase) error {
				_, _, err := s.Refund(s.T.Context(), p.AccountID, p.ID, "k", billing.RefundParams{})
				return err
			},
			func(s *fixture, _ billing.Purchase) bool {
				return s.Count(`select count(*) from purchase_refunds where done_at is not null`) == 1
			},
		},
		"where the walk is": {
			"payment_walks", "true", (*fixture).paidOrder,
			func(s *fixture, _ billing.Purchase) error { _, err := s.Reconcile(s.T.Context()); return err },
			statusIs(billing.StatusCompleted),
		},
		"when an order is asked about next": {
			"purchases", "new.ask_at <> old.ask_at", func(s *fixture) billing.Purchase {
				p := s.paidOrder()
				s.Exec(`delete from sandbox_events`)
				s.Clock.Advance(3 * time.Minute)
				return p
			},
			func(s *fixture, _ billing.Purchase) error { _, err := s.Reconcile(s.T.Context()); return err },
			statusIs(billing.StatusCompleted),
		},
		"that an order is closed": {
			"purchases", "new.status = 'expired'", func(s *fixture) billing.Purchase {
				p := s.order()
				s.Exec(`update purchases set provider_session = null where id = $1`, p.ID)
				s.Clock.Advance(25 * time.Hour)
				return p
			},
			func(s *fixture, _ billing.Purchase) error { _, err := s.Reconcile(s.T.Context()); return err },
			statusIs(billing.StatusExpired),
		},
	} {
		s := newFixture(t)
		p := c.set(s)
		repair := s.failWrites(c.table, c.when)
		if err := c.do(s, p); problem.Of(err).Kind != problem.KindUnavailable {
			t.Errorf("%s: %v", name, err)
		}
		repair()
		if err := c.do(s, p); err != nil {
			t.Errorf("%s, again: %v", name, err)
		}
		if !c.done(s, p) {
			t.Errorf("%s: the retry did not complete it", name)
		}
	}
}

func (s *fixture) spendableIs(p billing.Purchase, tokens int64) bool {
	a, err := s.Ledger.Account(s.T.Context(), p.AccountID)
	return err == nil && int64(a.Spendable) == tokens*1_000_000
}

// The job logs a reversal that failed, and completes it in its next turn.
func TestTheJobsReversalFails(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	s.Exec(`update purchases set refunded_minor = 900, version = version + 1 where id = $1`, p.ID)
	s.withoutEvents()
	s.Clock.Advance(time.Hour)
	repair := s.failWrites("purchases", "new.applied > old.applied")
	service, log := s.logging()
	if _, err := service.Reconcile(t.Context()); err != nil ||
		!strings.Contains(log.String(), "tokens could not be taken back") {
		t.Errorf("%v, log %q", err, log)
	}
	repair()
	s.reconcile()
	s.wantStatus(p, billing.StatusRefunded)
}

// refusing refuses each refund for good.
type refusing struct{ *sandbox.Provider }

func (refusing) Refund(context.Context, payment.Refund) error { return payment.ErrRefused }

// If a refusal cannot be stored, the refund stays under way.
func TestARefusalThatCannotBeWrittenDown(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	p := s.completed()
	s.Service = s.with(func(o *billing.Options) { o.Provider = refusing{s.provider} })
	repair := s.failWrites("purchases", "new.version > old.version")
	ask := func() error {
		_, _, err := s.Refund(t.Context(), p.AccountID, p.ID, "k",
			billing.RefundParams{Amount: &money.Amount{Minor: 1, Currency: "USD"}})
		return err
	}
	testkit.WantProblem(t, ask(), problem.KindUnavailable, "unavailable")
	repair()
	testkit.WantProblem(t, ask(), problem.Conflict, "refund_refused")
	if err := ask(); !errors.Is(err, billing.ErrRefused) {
		t.Error(err)
	}
}
