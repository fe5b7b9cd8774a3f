package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
)

// settle applies everything that has fallen due, in time order, each at its own instant. At one instant,
// holds and lots end before periods begin, and agents and the level are updated last. So a reset does not
// look like an empty balance, and events do not depend on when the account is settled.
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

// Settle writes what is due and nothing else.
type Settle struct{}

// Needs implements Operation.
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
