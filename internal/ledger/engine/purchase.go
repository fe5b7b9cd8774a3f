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

// Purchase finds a credited purchase, to revoke or freeze it. Errors: ErrNoPurchase, kind Unavailable.
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

// Purchase identifies the lot of a purchase. Its methods use the lanes' own connections, so a caller may
// hold a pool connection while it waits.
type Purchase struct {
	ledger  *Engine
	account uuid.UUID
	lot     int64
}

// Lot is the number of the purchase's lot. Tokens refunded after that lot expired are in another one.
func (p *Purchase) Lot() int64 { return p.lot }

// Revoke claws back the tokens of a refunded purchase up to total, over all calls, so that repeating a call
// has no effect. Spent tokens become owed and are taken off the next purchase. reason is optional free
// text. The receipt's Seq is zero if nothing was left to take.
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

// Freeze makes the tokens of a purchase unspendable while its payment is disputed, or spendable again.
func (p *Purchase) Freeze(ctx context.Context, frozen bool) error {
	_, err := p.ledger.submit(ctx, newCall(p.account), &ledger.Freeze{Lot: p.lot, Frozen: frozen})
	return err
}
