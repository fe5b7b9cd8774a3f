package ledger

import (
	"time"

	"pop.store/credits/internal/tokens"
)

// expireLots ends the lots whose time has come at the instant and says whether there were any. What
// is held of a lot stays for the job that holds it.
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

// expire ends some tokens of a lot.
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
