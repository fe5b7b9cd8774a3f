package topup_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/topup"
)

// flaky is the sandbox, with some answers missing.
type flaky struct {
	*sandbox.Provider
	down, noRefund, noCheckout bool
}

var errDown = errors.New("down")

func (p *flaky) Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error) {
	if p.down {
		return payment.Checkout{}, errDown
	}
	return p.Provider.Charge(ctx, c)
}

func (p *flaky) Forget(ctx context.Context, m string) error {
	if p.down {
		return errDown
	}
	return p.Provider.Forget(ctx, m)
}

func (p *flaky) Refund(ctx context.Context, r payment.Refund) error {
	if p.noRefund {
		return errDown
	}
	return p.Provider.Refund(ctx, r)
}

func (p *flaky) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	if p.noCheckout {
		return payment.Checkout{}, errDown
	}
	return p.Provider.Checkout(ctx, id)
}

func newFlakyFixture(t *testing.T) (*fixture, *flaky) {
	f := newFixture(t)
	p := &flaky{Provider: f.provider.Provider}
	log := slog.New(slog.DiscardHandler)
	f.billing = billing.New(f.DB.Pool, billing.Options{
		Ledger:   f.Ledger,
		Prices:   f.prices,
		Provider: p,
		BaseURL:  "http://credits.test",
		Clock:    f.Clock.Now,
		Log:      log,
	})
	f.Service = topup.New(f.DB.Pool, topup.Options{
		Ledger:  f.Ledger,
		Billing: f.billing,
		Prices:  f.prices,
		Clock:   f.Clock.Now,
		Log:     log,
	})
	return f, p
}

func (f *fixture) stepped() {
	f.T.Helper()
	_, _, err := f.Step(f.T.Context(), uuid.Nil)
	f.Must(err)
}

func (f *fixture) bought(id uuid.UUID) []billing.Purchase {
	f.T.Helper()
	list, err := f.billing.Autos(f.T.Context(), f.DB.Pool, []uuid.UUID{id}, time.Time{})
	f.Must(err)
	return list
}

func TestNothingIsBoughtWhileAPackGoesBack(t *testing.T) {
	t.Parallel()
	f, p := newFlakyFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 30)
	f.stepped()
	list := f.bought(id)
	if len(list) != 1 || list[0].Status != billing.StatusCompleted {
		t.Fatal(list)
	}
	f.Clock.Advance(15 * time.Minute)
	p.noRefund = true
	_, _, err := f.billing.Return(t.Context(), id, list[0].ID, "back")
	if err == nil {
		t.Fatal("the provider refunded although it had to refuse")
	}
	f.stepped()
	if n := len(f.bought(id)); n != 1 {
		t.Errorf("while a pack was being returned another was bought: %d", n)
	}
}

func TestADisputeStopsItWhateverWasSavedSince(t *testing.T) {
	t.Parallel()
	f, p := newFlakyFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 30)
	f.stepped()
	list := f.bought(id)
	f.Clock.Advance(24 * time.Hour)
	f.save(id) // nothing changed
	f.Clock.Advance(24 * time.Hour)
	var session string
	f.Must(f.DB.Pool.QueryRow(t.Context(), `select provider_session from purchases where id = $1`,
		list[0].ID).Scan(&session))
	f.Must(p.OpenDispute(t.Context(), session))
	_, err := f.billing.Reconcile(t.Context())
	f.Must(err)
	f.stepped()
	if n := len(f.bought(id)); n != 1 {
		t.Errorf("the disputed card was charged again: %d", n)
	}
	if s, stopped, err := f.Stopped(t.Context(), id); err != nil || !stopped || s.Why != topup.StopReturned {
		t.Errorf("it was not stopped: %+v, %v", s, err)
	}
}

func TestAForgottenCardIsNotCharged(t *testing.T) {
	t.Parallel()
	f, p := newFlakyFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 30)
	p.down = true
	f.stepped()
	f.Must(f.billing.Forget(t.Context(), id))
	f.Must(f.TurnOff(t.Context(), id))
	p.down = false
	f.Clock.Advance(3 * time.Hour)
	_, err := f.billing.Reconcile(t.Context())
	f.Must(err)
	if list := f.bought(id); list[0].Status == billing.StatusCompleted {
		t.Errorf("a card that was deleted three hours ago was charged")
	}
}

func TestACardIsKeptLate(t *testing.T) {
	t.Parallel()
	f, provider := newFlakyFixture(t)
	id := f.account("")
	p, _, err := f.billing.Start(t.Context(), id, uuid.NewString(),
		billing.StartParams{Pack: "pack_100", KeepMethod: true})
	f.Must(err)
	_, err = provider.PayWith(t.Context(), p.CheckoutURL[len("http://credits.test/sandbox/checkout/"):],
		sandbox.CardGood)
	f.Must(err)
	provider.noCheckout = true
	_, err = f.billing.Reconcile(t.Context()) // the event, as a webhook would bring it
	if err != nil {
		t.Log("the checkout could not be asked for:", err)
	}
	provider.noCheckout = false
	for range 5 {
		f.Clock.Advance(2 * time.Minute)
		_, err = f.billing.Reconcile(t.Context())
		f.Must(err)
	}
	p, err = f.billing.Get(t.Context(), id, p.ID)
	f.Must(err)
	kept, err := f.billing.Kept(t.Context(), id)
	f.Must(err)
	if p.Status != billing.StatusCompleted || p.Card != "Visa 4242" || !kept.Any {
		t.Errorf("%s with %q, stored %t", p.Status, p.Card, kept.Any)
	}
}

func TestADisputedCardIsNotCharged(t *testing.T) {
	t.Parallel()
	f, p := newFlakyFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 90)
	list, _, err := f.billing.List(t.Context(), id, "", 10)
	f.Must(err)
	var session string
	f.Must(f.DB.Pool.QueryRow(t.Context(), `select provider_session from purchases where id = $1`,
		list[0].ID).Scan(&session))
	f.Must(p.OpenDispute(t.Context(), session))
	_, err = f.billing.Reconcile(t.Context())
	f.Must(err)
	f.stepped()
	if n := len(f.bought(id)); n != 0 {
		t.Errorf("a card in dispute was charged: %d", n)
	}
}

func TestWhatWasNettedIsTold(t *testing.T) {
	t.Parallel()
	f, provider := newFlakyFixture(t)
	id := f.account(sandbox.CardGood) // 200 + 100
	list, _, err := f.billing.List(t.Context(), id, "", 10)
	f.Must(err)
	p, _, err := f.billing.Start(t.Context(), id, uuid.NewString(), billing.StartParams{Pack: "pack_100"})
	f.Must(err)
	f.spendTo(id, 40) // 60 of the first pack are used
	_, _, err = f.billing.Refund(t.Context(), id, list[0].ID, "r", billing.RefundParams{})
	f.Must(err)
	_, err = provider.PayWith(t.Context(), p.CheckoutURL[len("http://credits.test/sandbox/checkout/"):],
		sandbox.CardGood)
	f.Must(err)
	p, err = f.billing.Refresh(t.Context(), id, p.ID)
	f.Must(err)
	s, err := f.billing.TokenBreakdown(t.Context(), p)
	f.Must(err)
	if s.Netted == 0 {
		t.Error("the receipt does not name the settled debt")
	}
}

func TestAnotherPurchaseKeepsTheCard(t *testing.T) {
	t.Parallel()
	f, provider := newFlakyFixture(t)
	id := f.account("")
	order := func(keep bool) billing.Purchase {
		p, _, err := f.billing.Start(t.Context(), id, uuid.NewString(),
			billing.StartParams{Pack: "pack_100", KeepMethod: keep})
		f.Must(err)
		return p
	}
	pay := func(p billing.Purchase) {
		_, err := provider.PayWith(t.Context(), p.CheckoutURL[len("http://credits.test/sandbox/checkout/"):],
			sandbox.CardGood)
		f.Must(err)
		_, err = f.billing.Refresh(t.Context(), id, p.ID)
		f.Must(err)
	}
	a, b := order(false), order(true)
	pay(b)
	pay(a)
	if k, err := f.billing.Kept(t.Context(), id); err != nil || !k.Any {
		t.Error("the stored card is gone")
	}
}
