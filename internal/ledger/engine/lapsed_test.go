package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/tokens"
)

// buyUntil credits a purchase of a hundred tokens that end after an hour.
func (b *books) buyUntil(id uuid.UUID, purchase string) {
	b.t.Helper()
	_, err := b.Grant(b.t.Context(), id, "", ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    purchase,
		ExpiresAt: b.clock.Now().Add(time.Hour),
	})
	b.check(err)
}

// What expired unused is nobody's debt: only what was spent is owed once all the money went back,
// whether the books have seen the expiry yet or not, whether the payment was disputed, and in
// however many parts the money went back.
func TestWhatExpiredIsNotOwed(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
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
			id := b.broke()
			b.buyUntil(id, "p")
			b.charge(id, "auto_selling", "30")
			if c.frozen {
				b.freeze(id, "p", true)
			}
			for i, total := range c.totals {
				if total[0] == '-' { // before it ends
					b.revoke(id, "p", total[1:])
					b.wantOwed(id, c.owed[i])
					continue
				}
				if i == 0 || c.totals[i-1][0] == '-' {
					b.clock.Advance(2 * time.Hour)
				}
				if c.settled {
					b.check(b.Settle(t.Context(), id))
				}
				b.revoke(id, "p", total)
				b.wantOwed(id, c.owed[i])
			}
			b.wantBalance(id, "0 0 0")
			b.buy(id, "q")
			b.wantBalance(id, "70 0 70")
			b.wantOwed(id, "0")
		})
	}
	b.wantClean(audit.Options{})
}

// Tokens that a job held over the end of their lot expire with its release: they are not owed
// either, nor what came back with a grace and expired again. What came back and is there still is
// taken.
func TestWhatExpiredLaterIsNotOwed(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	held := b.broke()
	b.buyUntil(held, "p")
	hold := b.setAside(held, "60", 2*time.Hour)
	b.charge(held, "auto_selling", "10")
	b.clock.Advance(90 * time.Minute) // 30 have expired
	b.revoke(held, "p", "90")
	b.wantOwed(held, "60") // what is held, until it is known what becomes of it
	b.capture(held, hold, "5")
	b.wantOwed(held, "5")
	b.revoke(held, "p", "100")
	b.wantOwed(held, "15")

	back := b.broke()
	b.buyUntil(back, "p")
	charge := b.charge(back, "auto_selling", "30")
	b.clock.Advance(2 * time.Hour)
	b.refund(back, charge.Seq, "20")
	b.wantBalance(back, "20 0 20")
	b.revoke(back, "p", "100")
	b.wantBalance(back, "0 0 0")
	b.wantOwed(back, "10")

	again := b.broke()
	b.buyUntil(again, "p")
	charge = b.charge(again, "auto_selling", "30")
	b.clock.Advance(2 * time.Hour)
	b.refund(again, charge.Seq, "20")
	b.clock.Advance(40 * 24 * time.Hour)
	b.revoke(again, "p", "100")
	b.wantOwed(again, "10")
	b.wantClean(audit.Options{})
}
