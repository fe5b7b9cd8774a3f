package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/tokens"
)

// buyUntil credits a purchase of a hundred tokens that expire after an hour.
func (f *fixture) buyUntil(id uuid.UUID, purchase string) {
	f.T.Helper()
	_, err := f.Grant(f.T.Context(), id, "", ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    purchase,
		ExpiresAt: f.Clock.Now().Add(time.Hour),
	})
	f.NoError(err)
}

// Tokens that expired unused are not owed. After a full refund only the spent ones are: whether the expiry was written
// before or not, whether the payment was disputed, and in however many parts it was refunded.
func TestWhatExpiredIsNotOwed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, c := range map[string]struct {
		totals  []string
		owed    []string
		settled bool
		frozen  bool
	}{
		"all at once": {totals: []string{"100"}, owed: []string{"30"}},
		"settled before": {
			totals:  []string{"100"},
			owed:    []string{"30"},
			settled: true,
		},
		"a dispute": {
			totals: []string{"100"},
			owed:   []string{"30"},
			frozen: true,
		},
		"in parts": {
			totals: []string{"50", "70", "70", "80", "100"},
			owed:   []string{"0", "0", "0", "10", "30"},
		},
		"the first before": {totals: []string{"-40", "80", "100"}, owed: []string{"0", "10", "30"}},
	} {
		t.Run(name, func(t *testing.T) {
			id := f.openSpent()
			f.buyUntil(id, "p")
			f.MustCharge(id, "auto_selling", "30")
			if c.frozen {
				f.freeze(id, "p", true)
			}
			for i, total := range c.totals {
				if total[0] == '-' { // before it ends
					f.revoke(id, "p", total[1:])
					f.wantOwed(id, c.owed[i])
					continue
				}
				if i == 0 || c.totals[i-1][0] == '-' {
					f.Clock.Advance(2 * time.Hour)
				}
				if c.settled {
					f.NoError(f.Settle(t.Context(), id))
				}
				f.revoke(id, "p", total)
				f.wantOwed(id, c.owed[i])
			}
			f.wantBalance(id, "0 0 0")
			f.buy(id, "q")
			f.wantBalance(id, "70 0 70")
			f.wantOwed(id, "0")
		})
	}
	f.wantClean(audit.Options{})
}

// Tokens that were held past the end of their lot expire with the release and are not owed; neither are refunded ones
// that expired after their grace period. Refunded tokens that are still there are taken.
func TestWhatExpiredLaterIsNotOwed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	held := f.openSpent()
	f.buyUntil(held, "p")
	hold := f.holdForSales(held, "60", 2*time.Hour)
	f.MustCharge(held, "auto_selling", "10")
	f.Clock.Advance(90 * time.Minute) // 30 have expired
	f.revoke(held, "p", "90")
	f.wantOwed(held, "60") // the held part, until the hold ends
	f.capture(held, hold, "5")
	f.wantOwed(held, "5")
	f.revoke(held, "p", "100")
	f.wantOwed(held, "15")

	back := f.openSpent()
	f.buyUntil(back, "p")
	charge := f.MustCharge(back, "auto_selling", "30")
	f.Clock.Advance(2 * time.Hour)
	f.refund(back, charge.Seq, "20")
	f.wantBalance(back, "20 0 20")
	f.revoke(back, "p", "100")
	f.wantBalance(back, "0 0 0")
	f.wantOwed(back, "10")

	again := f.openSpent()
	f.buyUntil(again, "p")
	charge = f.MustCharge(again, "auto_selling", "30")
	f.Clock.Advance(2 * time.Hour)
	f.refund(again, charge.Seq, "20")
	f.Clock.Advance(40 * 24 * time.Hour)
	f.revoke(again, "p", "100")
	f.wantOwed(again, "10")
	f.wantClean(audit.Options{})
}
