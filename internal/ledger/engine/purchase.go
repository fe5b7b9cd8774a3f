package engine

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Purchase finds a purchase that was credited, to take it back or freeze it. NotFound when it was
// not, kind Unavailable.
func (e *Engine) Purchase(ctx context.Context, account uuid.UUID, purchase string) (*Purchase, error) {
	p := &Purchase{ledger: e, account: account}
	err := e.pool.QueryRow(ctx, sqlPurchaseLot, account, ledger.ScopePurchase, purchase).Scan(&p.lot)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, ledger.ErrNoPurchase
	case err != nil:
		return nil, problem.Unavailable(err)
	}
	return p, nil
}

// Purchase is the lot of a purchase, which never changes. Its calls use the lanes' own connections, so a
// caller may hold a connection of the pool while it waits.
type Purchase struct {
	ledger  *Engine
	account uuid.UUID
	lot     int64
}

// Lot is the number of the lot that the purchase filled. What came back to it after it had expired
// is in another lot.
func (p *Purchase) Lot() int64 { return p.lot }

// Revoke takes the tokens of a purchase back because its money went back: total of them in all, so
// that telling it twice takes them once. What was spent already is owed and will be taken off the
// next purchase. reason is free text, and may be empty. The receipt's Seq is zero when nothing was
// left to take.
func (p *Purchase) Revoke(
	ctx context.Context,
	total tokens.Amount,
	cause ledger.Cause,
	reason string,
) (ledger.Receipt, error) {
	a, err := p.ledger.submit(ctx, newCall(p.account), &ledger.Revoke{
		Lot:    p.lot,
		Total:  total,
		Cause:  cause,
		Reason: reason,
	})
	return a.receipt(), err
}

// Freeze keeps the tokens of a purchase from being spent while its payment is disputed, or thaws them again.
func (p *Purchase) Freeze(ctx context.Context, frozen bool) error {
	_, err := p.ledger.submit(ctx, newCall(p.account), &ledger.Freeze{Lot: p.lot, Frozen: frozen})
	return err
}
