// Package notice reads the overview of an account that every page and badge poll needs. It decides by the
// level of the balance and a forecast which notice the page shows.
package notice

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/coalesce"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
)

// Kind says which notice stands on every page.
type Kind string

// The kinds. A creator can dismiss each but Empty; it stays away until the next kind, or until
// tokens have come.
const (
	None  Kind = ""
	Soon  Kind = "soon"  // tokens will run out soon, before the next allowance; see forecast.Outlook.Soon
	Low   Kind = "low"   // the level is low
	Empty Kind = "empty" // the level is empty
)

// Overview is an account as its creator sees it: profile, balance, notice.
type Overview struct {
	ledger.Account
	ExternalID  string
	Name        string
	Email       string
	DisplayZone *time.Location // the creator's choice, else the billing zone
	OpenedAt    time.Time      // when the host first sent the account
	Notice      Kind           // None where the notice was dismissed
	// First is what stops first, and when, at the present pace and before the next allowance. It is
	// nil when nothing stops, when no pace is known, and when no notice says it. Pace is the pace it
	// is computed from; with Hurried it is the pace of the last hour.
	First   *forecast.Stop
	Pace    forecast.Pace
	Hurried bool
	// Stopped are the agents that are paused by more than their creator; of an empty account all its
	// agents, since some may still work. It is the zero value where StoppedErr says why it could not be read.
	Stopped    ledger.StoppedAgents
	StoppedErr error

	dismissed bool
}

// Notices reads overviews. It is safe for concurrent use.
type Notices struct {
	pool   *pgxpool.Pool
	ledger *engine.Engine
	prices func() *catalog.Catalog
	pasts  pasts

	overviews *coalesce.Reader[uuid.UUID, Overview]
}

// New makes the Notices of a ledger's accounts.
func New(pool *pgxpool.Pool, l *engine.Engine, prices func() *catalog.Catalog) *Notices {
	n := &Notices{
		pool:   pool,
		ledger: l,
		prices: prices,
		pasts:  pasts{each: map[uuid.UUID]past{}},
	}
	n.overviews = coalesce.New(n.readOverviews)
	return n
}

// Dismiss takes the notice away until the next kind, or until tokens have come. Where there is none,
// as after tokens have come, it does nothing: a creator dismisses what they see. Errors: kind
// Conflict while the balance is empty, those of Overview.
func (n *Notices) Dismiss(ctx context.Context, id uuid.UUID) error {
	o, err := n.Overview(ctx, id)
	if err != nil {
		return err
	}
	switch o.Notice {
	case None:
		return nil
	case Empty:
		return problem.New(problem.Conflict, "balance_empty", "This notice stays until there are tokens again.")
	case Soon, Low:
	}
	_, err = n.pool.Exec(ctx, "update accounts set notice_seen_lot = $2, notice_seen_early = $3 where id = $1",
		id, o.NewestLot, o.Notice == Soon)
	if err != nil {
		return problem.Unavailable(err)
	}
	return nil
}

// seen is the last notice that the creator dismissed.
type seen struct {
	lot   int64 // the account's newest lot of then
	early bool  // it was Soon, so Low still comes
}

// dismisses says whether the notice that a level calls for was dismissed and no tokens have come since.
func (s seen) dismisses(level ledger.Level, newestLot int64) bool {
	switch level {
	case ledger.LevelOK:
		return s.lot >= newestLot
	case ledger.LevelLow:
		return s.lot >= newestLot && !s.early
	case ledger.LevelEmpty:
	}
	return false
}
