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

// flaky is the sandbox, of which some answers do not come.
type flaky struct {
	*sandbox.Provider
	down, noRefund, noCheckout bool
}

var errDown = errors.New("down")

func (f *flaky) Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error) {
	if f.down {
		return payment.Checkout{}, errDown
	}
	return f.Provider.Charge(ctx, c)
}

func (f *flaky) Forget(ctx context.Context, m string) error {
	if f.down {
		return errDown
	}
	return f.Provider.Forget(ctx, m)
}

func (f *flaky) Refund(ctx context.Context, r payment.Refund) error {
	if f.noRefund {
		return errDown
	}
	return f.Provider.Refund(ctx, r)
}

func (f *flaky) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	if f.noCheckout {
		return payment.Checkout{}, errDown
	}
	return f.Provider.Checkout(ctx, id)
}

func flakyDesk(t *testing.T) (*desk, *flaky) {
	d := newDesk(t)
	f := &flaky{Provider: d.provider.Provider}
	log := slog.New(slog.DiscardHandler)
	d.billing = billing.New(d.pool, billing.Options{
		Ledger:         d.books,
		Prices:         d.prices,
		Provider:       f,
		WebhookSecrets: []string{"s"},
		BaseURL:        "http://credits.test",
		Clock:          d.clock.Now,
		Log:            log,
	})
	d.Service = topup.New(d.pool, topup.Options{
		Ledger:  d.books,
		Billing: d.billing,
		Prices:  d.prices,
		Clock:   d.clock.Now,
		Log:     log,
	})
	return d, f
}

func (d *desk) stepped() {
	d.t.Helper()
	_, _, err := d.Step(d.t.Context(), uuid.Nil)
	d.must(err)
}

func (d *desk) bought(id uuid.UUID) []billing.Purchase {
	d.t.Helper()
	list, err := d.billing.Autos(d.t.Context(), d.pool, []uuid.UUID{id}, time.Time{})
	d.must(err)
	return list
}

func TestNothingIsBoughtWhileAPackGoesBack(t *testing.T) {
	t.Parallel()
	d, f := flakyDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 30)
	d.stepped()
	list := d.bought(id)
	if len(list) != 1 || list[0].Status != billing.StatusCompleted {
		t.Fatal(list)
	}
	d.clock.Advance(15 * time.Minute)
	f.noRefund = true
	_, _, err := d.billing.Return(t.Context(), id, list[0].ID, "back")
	if err == nil {
		t.Fatal("the provider gave the money back")
	}
	d.stepped()
	if n := len(d.bought(id)); n != 1 {
		t.Errorf("while a pack was being returned another was bought: %d", n)
	}
}

func TestADisputeStopsItWhateverWasSavedSince(t *testing.T) {
	t.Parallel()
	d, f := flakyDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 30)
	d.stepped()
	list := d.bought(id)
	d.clock.Advance(24 * time.Hour)
	d.save(id) // nothing changed
	d.clock.Advance(24 * time.Hour)
	var session string
	d.must(d.pool.QueryRow(t.Context(), `select provider_session from purchases where id = $1`,
		list[0].ID).Scan(&session))
	d.must(f.OpenDispute(t.Context(), session))
	_, err := d.billing.Reconcile(t.Context())
	d.must(err)
	d.stepped()
	if n := len(d.bought(id)); n != 1 {
		t.Errorf("the disputed card was charged again: %d", n)
	}
	if s, stopped, err := d.Stopped(t.Context(), id); err != nil || !stopped || s.Why != topup.StopReturned {
		t.Errorf("it was not stopped: %+v, %v", s, err)
	}
}

func TestAForgottenCardIsNotCharged(t *testing.T) {
	t.Parallel()
	d, f := flakyDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 30)
	f.down = true
	d.stepped()
	d.must(d.billing.Forget(t.Context(), id))
	d.must(d.TurnOff(t.Context(), id))
	f.down = false
	d.clock.Advance(3 * time.Hour)
	_, err := d.billing.Reconcile(t.Context())
	d.must(err)
	if list := d.bought(id); list[0].Status == billing.StatusCompleted {
		t.Errorf("a card that was forgotten three hours ago was charged")
	}
}

func TestACardIsKeptLate(t *testing.T) {
	t.Parallel()
	d, f := flakyDesk(t)
	id := d.account("")
	p, _, err := d.billing.Start(t.Context(), id, uuid.NewString(),
		billing.StartParams{Pack: "pack_100", KeepMethod: true})
	d.must(err)
	_, err = f.PayWith(t.Context(), p.CheckoutURL[len("http://credits.test/sandbox/checkout/"):], sandbox.CardGood)
	d.must(err)
	f.noCheckout = true
	_, err = d.billing.Reconcile(t.Context()) // the event, as a webhook would bring it
	if err != nil {
		t.Log("the checkout could not be asked for:", err)
	}
	f.noCheckout = false
	for range 5 {
		d.clock.Advance(2 * time.Minute)
		_, err = d.billing.Reconcile(t.Context())
		d.must(err)
	}
	p, err = d.billing.Get(t.Context(), id, p.ID)
	d.must(err)
	kept, err := d.billing.Kept(t.Context(), id)
	d.must(err)
	if p.Status != billing.StatusCompleted || p.Card != "Visa 4242" || !kept.Any {
		t.Errorf("%s with %q, kept %t", p.Status, p.Card, kept.Any)
	}
}

func TestADisputedCardIsNotCharged(t *testing.T) {
	t.Parallel()
	d, f := flakyDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 90)
	list, _, err := d.billing.List(t.Context(), id, "", 10)
	d.must(err)
	var session string
	d.must(d.pool.QueryRow(t.Context(), `select provider_session from purchases where id = $1`,
		list[0].ID).Scan(&session))
	d.must(f.OpenDispute(t.Context(), session))
	_, err = d.billing.Reconcile(t.Context())
	d.must(err)
	d.stepped()
	if n := len(d.bought(id)); n != 0 {
		t.Errorf("a card in dispute was charged: %d", n)
	}
}

func TestWhatWasNettedIsTold(t *testing.T) {
	t.Parallel()
	d, f := flakyDesk(t)
	id := d.account(sandbox.CardGood) // 200 + 100
	list, _, err := d.billing.List(t.Context(), id, "", 10)
	d.must(err)
	p, _, err := d.billing.Start(t.Context(), id, uuid.NewString(), billing.StartParams{Pack: "pack_100"})
	d.must(err)
	d.spendTo(id, 40) // 60 of the first pack are used
	_, _, err = d.billing.Refund(t.Context(), id, list[0].ID, "r", billing.RefundParams{})
	d.must(err)
	_, err = f.PayWith(t.Context(), p.CheckoutURL[len("http://credits.test/sandbox/checkout/"):], sandbox.CardGood)
	d.must(err)
	p, err = d.billing.Refresh(t.Context(), id, p.ID)
	d.must(err)
	s, err := d.billing.Story(t.Context(), p)
	d.must(err)
	if s.Netted == 0 {
		t.Error("what was netted is not told")
	}
}

func TestAnotherPurchaseKeepsTheCard(t *testing.T) {
	t.Parallel()
	d, f := flakyDesk(t)
	id := d.account("")
	order := func(keep bool) billing.Purchase {
		p, _, err := d.billing.Start(t.Context(), id, uuid.NewString(),
			billing.StartParams{Pack: "pack_100", KeepMethod: keep})
		d.must(err)
		return p
	}
	pay := func(p billing.Purchase) {
		_, err := f.PayWith(t.Context(), p.CheckoutURL[len("http://credits.test/sandbox/checkout/"):],
			sandbox.CardGood)
		d.must(err)
		_, err = d.billing.Refresh(t.Context(), id, p.ID)
		d.must(err)
	}
	a, b := order(false), order(true)
	pay(b)
	pay(a)
	if k, err := d.billing.Kept(t.Context(), id); err != nil || !k.Any {
		t.Error("the kept card is gone")
	}
}
