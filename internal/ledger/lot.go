package ledger

import (
	"cmp"
	"time"

	"pop.store/credits/internal/burnorder"
	"pop.store/credits/internal/tokens"
)

// Lot is a grant of tokens and what remains of it.
type Lot struct {
	Number      int64 // the seq of the entry that granted it
	Kind        LotKind
	Amount      tokens.Amount
	Remaining   tokens.Amount
	Held        tokens.Amount
	EffectiveAt time.Time
	ExpiresAt   time.Time     // zero: never
	Frozen      bool          // its payment is disputed
	Revoked     bool          // its payment was refunded
	Source      string        // plan id, purchase id, or empty
	TakenBack   tokens.Amount // by support
}

func (l *Lot) usable(now time.Time) bool {
	return !l.Frozen && !l.EffectiveAt.After(now) && !l.expired(now)
}

// free is the spendable amount of a lot at an instant.
func (l *Lot) free(now time.Time) tokens.Amount {
	if !l.usable(now) {
		return 0
	}
	return l.Remaining - l.Held
}

func (l *Lot) expired(now time.Time) bool { return !l.ExpiresAt.IsZero() && !l.ExpiresAt.After(now) }

// burnOrder is the order in which lots are spent: that of package burnorder, then older lots first.
func burnOrder(a, b *Lot) int {
	return cmp.Or(
		burnorder.Compare(a.Kind == LotPurchase, b.Kind == LotPurchase, a.ExpiresAt, b.ExpiresAt),
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
