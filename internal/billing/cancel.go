package billing

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// checkoutLife is the longest time that a provider keeps a checkout open.
const checkoutLife = 24 * time.Hour

var (
	// ErrOpenOrder refuses an order while the buyer has an open one that the page did not show
	// (StartParams.Shown).
	ErrOpenOrder = problem.New(problem.Conflict, "open_order", "You have an order that isn't paid yet.")
	// ErrNoCheckout refuses to cancel an auto top-up, which has no checkout.
	ErrNoCheckout = problem.New(problem.Conflict, "no_checkout",
		"An auto top-up has no checkout that could be closed.")
)

// Payable reports whether an order can still be paid: no payment is known, and its checkout is open.
func (p *Purchase) Payable(now time.Time) bool {
	return p.Status == StatusPending && !p.Auto && p.session != "" && now.Before(p.CreatedAt.Add(checkoutLife))
}

// Lapsed reports whether an order can no longer be paid, although the provider has not reported it yet.
func (p *Purchase) Lapsed(now time.Time) bool {
	return p.Status == StatusPending && !p.Auto && !now.Before(p.CreatedAt.Add(checkoutLife))
}

// MaxOpenOrders bounds the list of OpenOrders.
const MaxOpenOrders = 3

const sqlOpenOrders = `select ` + purchaseColumns + ` from purchases
	where account = $1 and created_at > $2 and status = 'pending' and not auto and provider_session is not null and provider = $3
	order by created_at desc, id desc limit $4`

// OpenOrders lists the newest payable orders of an account, newest first, at most MaxOpenOrders. Error:
// problem.Unavailable.
func (s *Service) OpenOrders(ctx context.Context, account uuid.UUID) ([]Purchase, error) {
	if s.o.Provider == nil {
		return nil, nil
	}
	return s.query(ctx, sqlOpenOrders, account, s.o.Clock().Add(-checkoutLife), s.o.Provider.Name(), MaxOpenOrders)
}

// checkShown refuses an order if the buyer's newest open order is not the one that the page has shown.
func (s *Service) checkShown(ctx context.Context, account uuid.UUID, shown *uuid.UUID) error {
	if shown == nil {
		return nil
	}
	open, err := s.OpenOrders(ctx, account)
	if err != nil {
		return err
	}
	if len(open) > 0 && open[0].ID != *shown {
		return ErrOpenOrder
	}
	return nil
}

const sqlDrop = `update purchases set status = 'expired', updated_at = $3
	where account = $1 and id = $2 and status = 'pending' and provider_session is null`

// Cancel closes an unpaid order and returns its state. An earlier payment wins, and a second cancellation
// changes nothing. Errors: ErrNoPurchase (also for another account's), ErrNoCheckout, ErrNotSetUp (it was
// ordered from another provider), problem.Unavailable.
func (s *Service) Cancel(ctx context.Context, account, id uuid.UUID) (Purchase, error) {
	p, err := s.Get(ctx, account, id)
	switch {
	case err != nil || p.Status != StatusPending:
		return p, err
	case p.Auto:
		return p, ErrNoCheckout
	case p.session == "":
		if _, err := s.pool.Exec(ctx, sqlDrop, account, id, s.o.Clock()); err != nil {
			return p, problem.Unavailable(err)
		}
		return s.Get(ctx, account, id)
	case !s.sameProvider(&p):
		return p, ErrNotSetUp.Wrap(errors.New("it was ordered from " + p.provider))
	}
	if err := s.closeCheckout(ctx, p); err != nil {
		return p, err
	}
	return s.Get(ctx, account, id)
}

// closeCheckout has the provider close a checkout and applies the result. A provider refuses to close a
// checkout that has ended; then its state is fetched.
func (s *Service) closeCheckout(ctx context.Context, p Purchase) error {
	checkout, err := s.o.Provider.Close(ctx, p.session)
	if errors.Is(err, payment.ErrRefused) {
		_, err = s.ask(ctx, p)
		return err
	}
	if err != nil {
		return problem.Unavailable(err)
	}
	return s.settle(ctx, p, checkout)
}
