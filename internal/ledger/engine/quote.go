package engine

import (
	"context"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// Quote prices a charge against the account's present balance. Errors: ErrNoAccount, ErrClosed, those of
// the price, kind Unavailable.
func (e *Engine) Quote(ctx context.Context, account uuid.UUID, c ledger.Charge) (ledger.Quote, error) {
	a, err := e.Account(ctx, account)
	if err != nil {
		return ledger.Quote{}, err
	}
	if !a.ClosedAt.IsZero() {
		return ledger.Quote{}, ledger.ErrClosed
	}
	price, err := e.prices().At(e.now()).Price(c.Feature, c.Quantity, c.Amount)
	if err != nil {
		return ledger.Quote{}, err
	}
	others := a.Reserved
	if others > 0 {
		if others, err = e.reservedFrom(ctx, a, c.Agent); err != nil {
			return ledger.Quote{}, err
		}
	}
	q := ledger.Quote{
		Price:     price,
		Spendable: max(0, a.Spendable-others),
		Held:      a.Held,
	}
	q.Reserved, q.BalanceAfter, q.Affordable = a.Spendable-q.Spendable, q.Spendable, q.Spendable >= price.Amount
	if q.Affordable {
		q.BalanceAfter -= price.Amount
	} else {
		q.Shortfall = price.Amount + others - a.Spendable
	}
	return q, nil
}

// reservedFrom is what others have reserved, seen from an agent, or from the creator if agent is empty.
func (e *Engine) reservedFrom(ctx context.Context, a ledger.Account, agent string) (tokens.Amount, error) {
	list, own, err := e.Agents(ctx, a.ID)
	if err != nil {
		return 0, err
	}
	others := a.Reserved
	if agent == "" {
		others -= own
	}
	for i := range list {
		if list[i].ID == agent {
			others -= list[i].Reserve
		}
	}
	return max(0, others), nil
}
