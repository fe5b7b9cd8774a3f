package ledger

import (
	"time"

	"pop.store/credits/internal/tokens"
)

// expireLots expires the lots whose time is due and reports whether there were any. Held tokens stay with
// their hold.
func (s *State) expireLots(due time.Time) bool {
	found := false
	for i := range s.lots {
		l := &s.lots[i]
		gone := l.Remaining - l.Held
		if !l.ExpiresAt.Equal(due) || gone == 0 {
			continue
		}
		found = true
		s.expire(l, gone, due)
	}
	return found
}

// expire writes off tokens of a lot. For a purchase that the batch refers to, it adds them to
// PastEntry.Expired.
func (s *State) expire(l *lot, gone tokens.Amount, now time.Time) {
	l.Remaining -= gone
	for _, p := range s.pastEntries {
		if l.Kind == LotPurchase && p.Entry.Kind == KindGrant && p.Entry.Reference == l.Source {
			p.Expired += gone
		}
	}
	s.append(Entry{
		Kind:      KindExpiry,
		Amount:    -gone,
		Contra:    ContraExpired,
		LotKind:   l.Kind,
		Reference: l.Source,
		Parts:     []Part{{Lot: l.Number, Amount: -gone}},
	}, now)
}
