package engine_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
)

// holdForSales holds tokens for a duration, zero for the default.
func (f *fixture) holdForSales(id uuid.UUID, amount string, life time.Duration) int64 {
	f.T.Helper()
	r, err := f.Hold(f.T.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   "auto_selling",
		Amount:    amountOf(amount),
		Agent:     "sales",
		ExpiresIn: life,
	})
	if err != nil {
		f.T.Fatal(err)
	}
	return r.Seq
}

// capture captures an amount of a hold; empty means all.
func (f *fixture) capture(id uuid.UUID, hold int64, amount string) ledger.Receipt {
	f.T.Helper()
	r, err := f.tryCapture(id, hold, amount)
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

func (f *fixture) tryCapture(id uuid.UUID, hold int64, amount string) (ledger.Receipt, error) {
	c := ledger.Capture{Hold: hold}
	if amount != "" {
		c.Amount = amountOf(amount)
	}
	return f.Capture(f.T.Context(), id, uuid.NewString(), c)
}

func (f *fixture) tryRelease(id uuid.UUID, hold int64) (ledger.Receipt, error) {
	return f.Release(f.T.Context(), id, uuid.NewString(), ledger.Release{Hold: hold})
}

func TestAHoldSetsTokensAside(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	r, err := f.Hold(t.Context(), id, "h", ledger.Hold{
		Feature:   "image_generation",
		Agent:     "studio",
		Reference: "job 1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != ledger.KindHold || r.Amount != 0 || r.HeldDelta.String() != "10" ||
		r.HeldAfter.String() != "10" || r.BalanceAfter.String() != "100" ||
		r.SpendableAfter.String() != "90" || r.UnitPrice.String() != "10" || r.Quantity != 1 || r.Contra != 0 ||
		r.Reference != "job 1" {
		t.Errorf("the hold is %+v", r)
	}
	f.wantBalance(id, "90 10 100")
	if a := f.account(id); a.Holds != 1 || a.Lots[0].Held.String() != "10" {
		t.Errorf("%d holds, lots %+v", a.Holds, a.Lots)
	}
	_, err = f.Charge(t.Context(), id, "k", chargeOf("90.000001"))
	wantRefusal(t, "a charge of what is held", err, problem.Insufficient, "insufficient_tokens")
	_, err = f.Hold(t.Context(), id, "h2", ledger.Hold{Feature: "auto_selling", Amount: amountOf("90.000001")})
	wantRefusal(t, "a hold of what is held", err, problem.Insufficient, "insufficient_tokens")
	c := f.capture(id, r.Seq, "")
	if c.Kind != ledger.KindCapture || c.Amount.String() != "-10" || c.HeldDelta.String() != "-10" ||
		c.About != r.Seq || c.Feature != "image_generation" ||
		c.Agent != "studio" || c.UnitPrice.String() != "10" || c.Contra != ledger.ContraSpent ||
		c.SpendableAfter.String() != "90" {
		t.Errorf("the capture is %+v", c)
	}
	f.wantBalance(id, "90 0 90")
}

func TestAPartialCaptureReleasesTheRestAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	hold := f.holdForSales(id, "60", 0)
	for _, amount := range []string{"0", "-1"} {
		_, err := f.tryCapture(id, hold, amount)
		wantRefusal(t, "a capture of "+amount, err, problem.Unprocessable, "invalid_field")
	}
	f.wantBalance(id, "40 60 100")
	f.capture(id, hold, "25.5")
	f.wantBalance(id, "74.5 0 74.5")
	_, err := f.tryCapture(id, hold, "1")
	wantRefusal(t, "a second capture", err, problem.Conflict, "hold_captured")
	_, err = f.tryRelease(id, hold)
	wantRefusal(t, "a release after the capture", err, problem.Conflict, "hold_captured")
}

func TestARelease(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	hold := f.holdForSales(id, "60", 0)
	r, err := f.tryRelease(id, hold)
	if err != nil || r.Kind != ledger.KindRelease || r.Amount != 0 || r.HeldDelta.String() != "-60" ||
		r.About != hold || r.SpendableAfter.String() != "100" {
		t.Errorf("the release is %+v (%v)", r, err)
	}
	f.wantBalance(id, "100 0 100")
	_, err = f.tryRelease(id, hold)
	wantRefusal(t, "a second release", err, problem.Conflict, "hold_released")
	_, err = f.tryCapture(id, hold, "")
	wantRefusal(t, "a capture after the release", err, problem.Conflict, "hold_released")
}

func TestWhatIsNoHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, other := f.MustOpenWith("100"), f.MustOpenWith("100")
	f.holdForSales(other, "1", 0)
	charge := f.MustCharge(id, "lip_sync", "")
	for _, seq := range []int64{0, -1, 1, charge.Seq, 4, 1000} {
		_, err := f.tryCapture(id, seq, "1")
		wantRefusal(t, "a capture of entry "+strconv.FormatInt(seq, 10), err, problem.NotFound, "hold_not_found")
		_, err = f.tryRelease(id, seq)
		wantRefusal(t, "a release of entry "+strconv.FormatInt(seq, 10), err, problem.NotFound, "hold_not_found")
	}
	_, err := f.tryCapture(uuid.New(), 1, "")
	wantRefusal(t, "a capture of an unknown account", err, problem.NotFound, "account_not_found")
	// An id belongs to one account: the id of another account's entry is not found.
	if _, ok := ledger.ParseID(id, ledger.EntryID(other, 4)); ok {
		t.Error("the id of another account's hold was accepted")
	}
}

// A hold lasts 15 minutes unless the request says otherwise, and at most a day. It ends at the very instant.
func TestAHoldTimesOutAtItsInstant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct{ asked, lives time.Duration }{
		{0, 15 * time.Minute},
		{time.Second, time.Second},
		{24 * time.Hour, 24 * time.Hour},
	} {
		f.Clock.Set(ledgertest.Start)
		id := f.MustOpenWith("100")
		hold, last := f.holdForSales(id, "60", c.asked), f.holdForSales(id, "10", c.asked)
		f.Clock.Set(ledgertest.Start.Add(c.lives - time.Microsecond))
		f.wantBalance(id, "30 70 100")
		f.capture(id, last, "10")
		f.Clock.Set(ledgertest.Start.Add(c.lives))
		f.wantBalance(id, "90 0 90")
		_, err := f.tryCapture(id, hold, "")
		wantRefusal(t, "a capture at its instant", err, problem.Conflict, "hold_expired")
		_, err = f.tryRelease(id, hold)
		wantRefusal(t, "a release at its instant", err, problem.Conflict, "hold_expired")
		f.Clock.Advance(time.Hour)
		_, err = f.tryCapture(id, hold, "")
		wantRefusal(t, "a capture later", err, problem.Conflict, "hold_expired")
		page, err := f.History(t.Context(), id, ledger.Filter{Kinds: []ledger.Kind{ledger.KindRelease}}, 0, 10)
		if err != nil || len(page.Lines) != 1 || !page.Lines[0].At.Equal(ledgertest.Start.Add(c.lives)) ||
			page.Lines[0].About != hold {
			t.Errorf("releases: %+v (%v)", page.Lines, err)
		}
	}
	id := f.MustOpenWith("100")
	for _, life := range []time.Duration{-time.Second, time.Millisecond, 24*time.Hour + time.Second} {
		_, err := f.Hold(t.Context(), id, "h", ledger.Hold{Feature: "lip_sync", ExpiresIn: life})
		wantRefusal(t, "a hold for "+life.String(), err, problem.Unprocessable, "invalid_field")
	}
}

// The held part of a lot that expires can still be captured. What is not captured expires with the release.
func TestALotThatEndsWhileItIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("10")
	f.MustGrant(id, ledger.LotPromo, "20", ledgertest.Start.Add(time.Hour))
	hold, hold2 := f.holdForSales(id, "12", 2*time.Hour), f.holdForSales(id, "5", 2*time.Hour)
	f.Clock.Advance(90 * time.Minute)
	f.wantBalance(id, "10 17 27") // 3 of the lot were free and expired
	f.capture(id, hold, "8")
	f.wantBalance(id, "10 5 15")
	f.Clock.Advance(30 * time.Minute)
	f.wantBalance(id, "10 0 10")
	f.wantHistory(id,
		"Jan 31 09:30 hold 12 = 18", "Jan 31 09:30 hold 5 = 13", "Jan 31 10:30 expiry -3 = 10",
		"Jan 31 11:00 capture -8 = 10",
		"Jan 31 11:00 expiry -4 = 10", "Jan 31 11:30 release -5 = 10", "Jan 31 11:30 expiry -5 = 10")
	_, err := f.tryRelease(id, hold2)
	wantRefusal(t, "a release after the time-out", err, problem.Conflict, "hold_expired")
}

// A hold over two lots is captured from the one that burns first, and refunded to the one that burns last.
func TestACaptureIsRefundedLikeACharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("10")
	soon := f.MustGrant(id, ledger.LotPromo, "20", ledgertest.Start.Add(100*time.Hour))
	late := f.account(id).Lots[1].Number
	capture := f.capture(id, f.holdForSales(id, "26", 0), "24")
	want := []ledger.Part{{Lot: soon.Seq, Amount: *amountOf("-20")}, {Lot: late, Amount: *amountOf("-4")}}
	if inText(capture.Parts) != inText(want) {
		t.Errorf("paid by %v, want %v", capture.Parts, want)
	}
	f.wantBalance(id, "6 0 6")
	r := f.refund(id, capture.Seq, "9")
	if want := []ledger.Part{
		{Lot: late, Amount: *amountOf("4")},
		{Lot: soon.Seq, Amount: *amountOf("5")},
	}; inText(r.Parts) != inText(want) || r.Agent != "sales" {
		t.Errorf("refunded as %+v, want %v", r, want)
	}
	f.refund(id, capture.Seq, "")
	f.wantBalance(id, "30 0 30")
	_, err := f.tryRefund(id, capture.Seq, "1")
	wantRefusal(t, "more than was captured", err, problem.Conflict, "already_refunded")
}

// Holds and charges race for the same tokens, and captures follow: nothing is spent twice.
func TestHeldTokensAreNeverSpentTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	var won atomic.Int64
	var callers sync.WaitGroup
	for i := range 60 {
		callers.Go(func() {
			key := strconv.Itoa(i)
			if i%2 == 0 {
				if _, err := f.Charge(t.Context(), id, key, chargeOf("5")); err == nil {
					won.Add(1)
				}
				return
			}
			h, err := f.Hold(t.Context(), id, key, ledger.Hold{Feature: "auto_selling", Amount: amountOf("5")})
			if err != nil {
				return
			}
			won.Add(1)
			var captured atomic.Int64
			var twice sync.WaitGroup
			for j := range 2 {
				twice.Go(func() {
					if _, err := f.Capture(t.Context(), id, key+"-"+strconv.Itoa(j),
						ledger.Capture{Hold: h.Seq}); err == nil {
						captured.Add(1)
					}
				})
			}
			if twice.Wait(); captured.Load() != 1 {
				t.Errorf("hold %d was captured %d times", h.Seq, captured.Load())
			}
		})
	}
	if callers.Wait(); won.Load() != 20 {
		t.Errorf("%d callers got 5 tokens of 100", won.Load())
	}
	f.wantBalance(id, "0 0 0")
}

// An account with many holds: each ends by itself.
func TestManyHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	holds := make([]int64, 50)
	for i := range holds {
		holds[i] = f.holdForSales(id, "1", time.Duration(i+1)*time.Minute)
	}
	f.wantBalance(id, "50 50 100")
	f.Clock.Advance(20 * time.Minute)
	f.wantBalance(id, "70 30 100")
	for _, hold := range holds[20:30] {
		f.capture(id, hold, "0.5")
	}
	f.wantBalance(id, "75 20 95")
	f.Clock.Advance(time.Hour)
	f.wantBalance(id, "95 0 95")
}
