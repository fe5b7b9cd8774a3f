package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
)

// closing is the operation of Ledger.CloseAccount.
type CloseAccount struct{}

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
			s.release(h, KindRelease, ending{}, now)
		}
	}
	s.ClosedAt, s.closing, s.NextPlan, s.changed = now, true, "", true
	return Outcome{}, nil
}

// mustBeOpen says why an account takes no request that spends, adds or changes something; nil when it does.
func (s *State) mustBeOpen() error {
	switch {
	case !s.Exists():
		return ErrNoAccount
	case !s.ClosedAt.IsZero():
		return ErrClosed
	}
	return nil
}
