package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
)

// CloseAccount closes an account permanently and releases its holds.
type CloseAccount struct{}

// Needs implements Operation.
func (CloseAccount) Needs(*catalog.Catalog) Needs {
	return Needs{
		Complete:    true,
		BypassCache: true,
		DontCache:   true,
		EndsHolds:   true,
	}
}

func (CloseAccount) decide(s *State, now time.Time, _ *catalog.Catalog) (Outcome, error) {
	if !s.Exists() {
		return Outcome{}, ErrNoAccount
	}
	if !s.ClosedAt.IsZero() {
		return Outcome{}, nil
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.open() {
			s.release(h, KindRelease, details{}, now)
		}
	}
	s.ClosedAt, s.closing, s.NextPlan, s.changed = now, true, "", true
	return Outcome{}, nil
}
