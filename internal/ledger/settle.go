package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
)

// settle applies everything that fell due since the account was last settled, in time order, each at
// the instant at which it fell due. At one instant, endings come before beginnings, and levels and
// pauses are decided after both: a reset is no empty balance. So a request at the second of a reset is
// not refused, and events do not depend on when the account was settled.
func (s *State) settle(now time.Time, prices *catalog.Catalog) {
	for due := s.nextDue(); !due.IsZero() && !due.After(now); due = s.nextDue() {
		before := s.headroom(due)
		for next := due; next.Equal(due); next = s.nextDue() {
			if !s.expireHolds(due) && !s.expireLots(due) && !s.resumeForNewMonth(due) {
				s.startPeriod(due, prices)
			}
		}
		s.afterChange(before, due, prices.At(due))
	}
}

// Settle is the operation that does only what is due.
type Settle struct{}

// Needs is part of Operation.
func (Settle) Needs(*catalog.Catalog) Needs {
	return Needs{
		Complete:    true,
		BypassCache: true,
		DontCache:   true,
	}
}

func (Settle) decide(s *State, _ time.Time, _ *catalog.Catalog) (Outcome, error) {
	if !s.Exists() {
		return Outcome{}, ErrNoAccount
	}
	return Outcome{}, nil
}
