package topup_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/tokens"
)

// What a job under way holds may come back, so it counts as there: a job alone buys nothing.
func TestAJobUnderWayBuysNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.spendTo(id, 100)
	held := 70 * tokens.One
	_, err := d.books.Hold(t.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   "auto_selling",
		Amount:    &held,
		ExpiresIn: time.Hour,
	})
	d.must(err)
	d.step()
	d.wantSpendable(id, 30)
	if n := d.count(autos, id); n != 0 {
		t.Errorf("%d packs were bought for a job that may give its tokens back", n)
	}
}

// Auto top-up of a closed account is turned off for good, and its creator is not written to.
func TestAClosedAccountIsTurnedOff(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.account(sandbox.CardGood)
	d.save(id)
	d.must(d.books.CloseAccount(t.Context(), id))
	d.step()
	if n := d.count(`select count(*) from topups where account = $1 and enabled`, id); n != 0 {
		t.Error("auto top-up of a closed account is on")
	}
	if o := d.overview(id); o.On || o.Stopped.Why != "" || len(d.told) != 0 {
		t.Errorf("%+v, told %v", o, d.told)
	}
}
