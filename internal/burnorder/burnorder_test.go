package burnorder_test

import (
	"testing"
	"time"

	"pop.store/credits/internal/burnorder"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	soon := time.Date(2026, time.December, 1, 0, 0, 0, 0, time.UTC)
	later := soon.Add(time.Hour)
	for name, c := range map[string]struct {
		aBought, bBought   bool
		aExpires, bExpires time.Time
		want               int
	}{
		"bought comes last":           {true, false, soon, time.Time{}, 1},
		"soonest first":               {false, false, soon, later, -1},
		"soonest bought first":        {true, true, later, soon, 1},
		"never after all others":      {false, false, time.Time{}, later, 1},
		"the same instant":            {false, false, soon, soon.Local(), 0},
		"neither expires, not bought": {false, false, time.Time{}, time.Time{}, 0},
	} {
		if got := burnorder.Compare(c.aBought, c.bBought, c.aExpires, c.bExpires); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
		if got := burnorder.Compare(c.bBought, c.aBought, c.bExpires, c.aExpires); got != -c.want {
			t.Errorf("%s, the other way round: %d, want %d", name, got, -c.want)
		}
	}
}
