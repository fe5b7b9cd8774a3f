package ledger

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// HoldInfo is a hold as it stands.
type HoldInfo struct {
	Number         int64 // the seq of its entry
	At             time.Time
	ExpiresAt      time.Time // as of the newest extension
	Outcome        Kind      // 0 while it is open; KindCapture, KindRelease, or KindExpiry when its time was over
	Amount         tokens.Amount
	Feature        string
	Agent          string
	Quantity       int64
	UnitPrice      tokens.Amount // zero when the caller sent the amount
	CatalogVersion string
	Reference      string
	Reason         string
	Metadata       map[string]string
	Parts          []Part // what it reserves of which lot
}

// OpenHolds lists an account's open holds, newest first, from before the given number; zero begins
// at the newest. next is where the following page begins; zero when there is none. What is due is
// written first.
func (l *Ledger) OpenHolds(ctx context.Context, account uuid.UUID, before int64, limit int) (list []HoldInfo,
	next int64, err error,
) {
	if limit < 1 || limit > MaxPage {
		return nil, 0, problem.Invalid("limit", "must be between 1 and %d", MaxPage)
	}
	if _, err := l.settleIfDue(ctx, account); err != nil {
		return nil, 0, err
	}
	if before == 0 {
		before = math.MaxInt64
	}
	rows, err := l.pool.Query(ctx, sqlListHolds, account, before, l.now(), limit+1)
	if err != nil {
		return nil, 0, ErrUnavailable.Wrap(err)
	}
	list, err = pgx.CollectRows(rows, scanHoldInfo)
	if len(list) > limit {
		list = list[:limit]
		next = list[limit-1].Number
	}
	return list, next, orUnavailable(err)
}

// HoldInfo reads one hold, open or ended, by the seq of its entry. NotFound when there is none.
func (l *Ledger) HoldInfo(ctx context.Context, account uuid.UUID, number int64) (HoldInfo, error) {
	if _, err := l.settleIfDue(ctx, account); err != nil {
		return HoldInfo{}, err
	}
	rows, err := l.pool.Query(ctx, sqlReadHold, account, number)
	if err != nil {
		return HoldInfo{}, ErrUnavailable.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanHoldInfo)
	switch {
	case err != nil:
		return HoldInfo{}, ErrUnavailable.Wrap(err)
	case len(list) == 0:
		return HoldInfo{}, errNoHold
	}
	return list[0], nil
}

// scanHoldInfo reads holdInfoColumns.
func scanHoldInfo(row pgx.CollectableRow) (HoldInfo, error) {
	var h HoldInfo
	var lots, amounts []int64
	err := row.Scan(&h.Number, &h.At, &h.ExpiresAt, &h.Outcome, &h.Amount, &h.Feature, &h.Agent, &h.Quantity,
		&h.UnitPrice, &h.CatalogVersion,
		&h.Reference, &lots, &amounts, &h.Reason, &h.Metadata)
	h.At, h.ExpiresAt, h.Parts = h.At.UTC(), h.ExpiresAt.UTC(), partsOf(lots, amounts)
	return h, err
}
