package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
)

// settle brings the account to now: everything that fell due since it was last touched happens in
// time order, at the instant at which it fell due. At one instant, what ends comes before what
// begins, and conclusions are drawn from both together: a reset is no empty balance. So who asks at
// the second of a reset is not turned away, and what is told does not depend on when somebody
// looked.
func (s *State) settle(now time.Time, prices *catalog.Catalog) {
	for due := s.nextDue(); !due.IsZero() && !due.After(now); due = s.nextDue() {
		before := s.arrivals(due)
		for next := due; next.Equal(due); next = s.nextDue() {
			if !s.timeOutHolds(due) && !s.expireAt(due) && !s.startMonth(due) {
				s.startPeriod(due, prices)
			}
		}
		s.follow(before, due, prices.At(due))
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
