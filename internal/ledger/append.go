package ledger

import "time"

// append numbers an entry, stamps it, and adds it to the books. Everything that changes a balance
// goes through here.
func (s *State) append(e Entry, now time.Time) *Entry {
	s.Seq++
	s.Balance += e.Amount
	s.Held += e.HeldDelta
	if s.LastAt.Before(now) {
		s.LastAt = now
	}
	e.AccountID, e.Seq, e.At = s.AccountID, s.Seq, s.LastAt
	e.BalanceAfter, e.HeldAfter, e.SpendableAfter = s.Balance, s.Held, s.spendable(s.LastAt)
	e.Day = s.rollDay(s.LastAt)
	s.countUsage(&e)
	s.entries = append(s.entries, &e)
	s.changed = true
	return &e
}
