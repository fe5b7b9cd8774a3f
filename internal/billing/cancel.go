package billing

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// checkoutLife is how long a checkout can be paid after it was opened. No provider keeps one open for longer.
const checkoutLife = 24 * time.Hour

// The ways in which an open order gets in the way.
var (
	// ErrOpenOrder is the answer to a buyer who has an open order and was not shown it (StartParams.Shown).
	ErrOpenOrder = problem.New(problem.Conflict, "open_order", "You have an order that isn't paid yet.")
	// ErrNoCheckout is the answer to cancelling an auto top-up: it is charged without a checkout.
	ErrNoCheckout = problem.New(problem.Conflict, "no_checkout",
		"An auto top-up has no checkout that could be closed.")
)

// Payable reports whether an order waits for its payment: no payment is known, and its checkout is
// still open.
func (p *Purchase) Payable(now time.Time) bool {
	return p.Status == StatusPending && !p.Auto && p.session != "" && now.Before(p.CreatedAt.Add(checkoutLife))
}

// Lapsed says whether an order was never paid and can no longer be, although the provider has not
// told us yet.
func (p *Purchase) Lapsed(now time.Time) bool {
	return p.Status == StatusPending && !p.Auto && !now.Before(p.CreatedAt.Add(checkoutLife))
}

// MaxOpenOrders bounds the list of OpenOrders.
const MaxOpenOrders = 3

const sqlOpenOrders = `select ` + purchaseColumns + ` from purchases
	where account = $1 and created_at > $2 and status = 'pending' and not auto and provider_session is not null and provider = $3
	order by created_at desc, id desc limit $4`

// OpenOrders lists the newest orders of an account that still wait for their buyer, newest first,
// at most MaxOpenOrders. Error: problem.Unavailable.
func (s *Service) OpenOrders(ctx context.Context, account uuid.UUID) ([]Purchase, error) {
	if s.o.Provider == nil {
		return nil, nil
	}
	return s.query(ctx, sqlOpenOrders, account, s.o.Clock().Add(-checkoutLife), s.o.Provider.Name(), MaxOpenOrders)
}

// checkShown refuses an order of a buyer whose newest open order is not the one that the page has shown.
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

// Cancel closes an unpaid order, so that it can no longer be paid. It returns the order's state: a
// payment that came first counts, and a second cancellation changes nothing. Errors:
// ErrNoPurchase (also for another account's), ErrNoCheckout, ErrNotSetUp (it was ordered from
// another provider), problem.Unavailable.
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
	case !s.ours(&p):
		return p, ErrNotSetUp.Wrap(errors.New("it was ordered from " + p.provider))
	}
	if err := s.closeCheckout(ctx, p); err != nil {
		return p, err
	}
	return s.Get(ctx, account, id)
}

// closeCheckout has the provider close a checkout, and applies how it stands then. A provider
// refuses to close what is over: then we ask.
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
