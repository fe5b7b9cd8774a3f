package engine

import (
	"context"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// OpenHolds lists an account's open holds, newest first, before the given number; zero starts at the
// newest. next is the argument for the following page; zero if there is none. It settles the account first.
func (e *Engine) OpenHolds(ctx context.Context, account uuid.UUID, before int64, limit int) (list []ledger.HoldInfo,
	next int64, err error,
) {
	if limit < 1 || limit > ledger.MaxPage {
		return nil, 0, problem.Invalid("limit", "must be between 1 and %d", ledger.MaxPage)
	}
	if _, err := e.settleIfDue(ctx, account); err != nil {
		return nil, 0, err
	}
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := e.pool.Query(ctx, sqlListHolds, account, before, e.now(), limit+1)
	if err != nil {
		return nil, 0, problem.Unavailable(err)
	}
	list, err = pgx.CollectRows(rows, scanHoldInfo)
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].Number
	}
	return list, next, orUnavailable(err)
}

// HoldInfo reads one hold, open or ended, by the seq of its entry. Errors: ErrNoAccount, ErrNoHold, kind
// Unavailable.
func (e *Engine) HoldInfo(ctx context.Context, account uuid.UUID, number int64) (ledger.HoldInfo, error) {
	if _, err := e.settleIfDue(ctx, account); err != nil {
		return ledger.HoldInfo{}, err
	}
	rows, err := e.pool.Query(ctx, sqlReadHold, account, number)
	if err != nil {
		return ledger.HoldInfo{}, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, scanHoldInfo)
	switch {
	case err != nil:
		return ledger.HoldInfo{}, problem.Unavailable(err)
	case len(list) == 0:
		return ledger.HoldInfo{}, ledger.ErrNoHold
	}
	return list[0], nil
}

// scanHoldInfo reads holdInfoColumns.
func scanHoldInfo(row pgx.CollectableRow) (ledger.HoldInfo, error) {
	var h ledger.HoldInfo
	var lots, amounts []int64
	err := row.Scan(&h.Number, &h.At, &h.ExpiresAt, &h.Outcome, &h.Amount, &h.Feature, &h.Agent, &h.Quantity,
		&h.UnitPrice, &h.CatalogVersion,
		&h.Reference, &lots, &amounts, &h.Reason, &h.Metadata)
	h.At, h.ExpiresAt, h.Parts = h.At.UTC(), h.ExpiresAt.UTC(), partsOf(lots, amounts)
	return h, err
}
