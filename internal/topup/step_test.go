package topup_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/tokens"
)

// A running job may return its hold, so the hold counts as available: the job alone buys nothing.
func TestAJobUnderWayBuysNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.spendTo(id, 100)
	held := 70 * tokens.One
	_, err := f.Ledger.Hold(t.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   "auto_selling",
		Amount:    &held,
		ExpiresIn: time.Hour,
	})
	f.Must(err)
	f.step()
	f.wantSpendable(id, 30)
	if n := f.Count(autos, id); n != 0 {
		t.Errorf("%d packs were bought for a job that may return its tokens", n)
	}
}

// Auto top-up of a closed account is turned off for good, without an e-mail.
func TestAClosedAccountIsTurnedOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.account(sandbox.CardGood)
	f.save(id)
	f.Must(f.Ledger.CloseAccount(t.Context(), id))
	f.step()
	if n := f.Count(`select count(*) from topups where account = $1 and enabled`, id); n != 0 {
		t.Error("auto top-up of a closed account is on")
	}
	if o := f.overview(id); o.On || o.Stopped.Why != "" || len(f.stopped) != 0 {
		t.Errorf("%+v, told %v", o, f.stopped)
	}
}
