// Package burnorder defines the order in which lots of tokens are spent. The ledger uses it, and the
// forecast assumes it.
package burnorder

import (
	"cmp"
	"time"
)

// Compare orders two lots: bought tokens last, then by expiry, soonest first. A zero expiry means
// never and comes after all others. It returns 0 for lots that only their age tells apart.
func Compare(aBought, bBought bool, aExpires, bExpires time.Time) int {
	return cmp.Or(cmp.Compare(rank(aBought), rank(bBought)), compareExpiry(aExpires, bExpires))
}

func rank(bought bool) int {
	if bought {
		return 1
	}
	return 0
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
