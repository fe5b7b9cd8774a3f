package ledger

import (
	"cmp"
	"time"

	"pop.store/credits/internal/tokens"
)

// Lot is a grant's tokens and what is left of them.
type Lot struct {
	Number      int64 // the seq of the entry that granted it
	Kind        LotKind
	Amount      tokens.Amount
	Remaining   tokens.Amount
	Held        tokens.Amount
	EffectiveAt time.Time
	ExpiresAt   time.Time     // zero: never
	Frozen      bool          // its payment is disputed
	Revoked     bool          // its payment went back
	Source      string        // what it came from: a plan's id, a purchase's id, or empty
	TakenBack   tokens.Amount // by support
}

// usable says whether a lot may be spent at an instant.
func (l *Lot) usable(now time.Time) bool {
	return !l.Frozen && !l.EffectiveAt.After(now) && !l.expired(now)
}

// free is what can be spent of a lot at an instant.
func (l *Lot) free(now time.Time) tokens.Amount {
	if !l.usable(now) {
		return 0
	}
	return l.Remaining - l.Held
}

func (l *Lot) expired(now time.Time) bool { return !l.ExpiresAt.IsZero() && !l.ExpiresAt.After(now) }

// burnOrder: priority, then soonest expiry (never last), then older.
func burnOrder(a, b *Lot) int {
	return cmp.Or(
		cmp.Compare(a.Kind.Priority(), b.Kind.Priority()),
		compareExpiry(a.ExpiresAt, b.ExpiresAt),
		cmp.Compare(a.Number, b.Number),
	)
}

func compareExpiry(a, b time.Time) int {
	switch {
	case a.Equal(b):
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}
