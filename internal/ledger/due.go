package ledger

import "time"

// nextDue is the earliest instant at which settle has something to do; zero for never.
func (s *State) nextDue() time.Time {
	var due time.Time
	if s.renews() {
		due = Boundary(s.Anchor, s.Zone, s.Period+1)
	}
	for i := range s.lots {
		if l := &s.lots[i]; l.Remaining > l.Held && compareExpiry(l.ExpiresAt, due) < 0 {
			due = l.ExpiresAt
		}
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && compareExpiry(h.ExpiresAt, due) < 0 {
			due = h.ExpiresAt
		}
	}
	for i := range s.agents {
		if a := &s.agents[i]; s.waitsForMonth(a) && compareExpiry(s.monthEnd(a), due) < 0 {
			due = s.monthEnd(a)
		}
	}
	return due
}

// nextChange is when the account's balance or state next changes by itself: when something falls due or a
// lot becomes effective.
func (s *State) nextChange(now time.Time) time.Time {
	due := s.nextDue()
	for i := range s.lots {
		if l := &s.lots[i]; l.EffectiveAt.After(now) && compareExpiry(l.EffectiveAt, due) < 0 {
			due = l.EffectiveAt
		}
	}
	return due
}

// renews reports whether each period grants an allowance.
func (s *State) renews() bool { return s.Exists() && s.PlanStatus == PlanActive && s.ClosedAt.IsZero() }
