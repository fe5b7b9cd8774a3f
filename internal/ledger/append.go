package ledger

import "time"

// append gives an entry its number, time and balances, and adds it to the account. Every change of a
// balance goes through here.
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
