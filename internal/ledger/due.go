package ledger

import "time"

// nextDue is the earliest instant at which settling will have something to do; zero when never.
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

// nextChange is when a state stops being true without anybody's doing: when something is due, or a lot
// comes into effect.
func (s *State) nextChange(now time.Time) time.Time {
	due := s.nextDue()
	for i := range s.lots {
		if l := &s.lots[i]; l.EffectiveAt.After(now) && compareExpiry(l.EffectiveAt, due) < 0 {
			due = l.EffectiveAt
		}
	}
	return due
}

// renews says whether the account gets an allowance with each period.
func (s *State) renews() bool { return s.Exists() && s.PlanStatus == PlanActive && s.ClosedAt.IsZero() }
