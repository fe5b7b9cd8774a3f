package engine_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
)

// holdAmount holds tokens without an agent, because the first refusal would pause an agent.
func (f *fixture) holdAmount(id uuid.UUID, amount string, life time.Duration) int64 {
	f.T.Helper()
	r, err := f.Hold(f.T.Context(), id, uuid.NewString(), ledger.Hold{
		Feature:   "auto_selling",
		Amount:    amountOf(amount),
		ExpiresIn: life,
	})
	if err != nil {
		f.T.Fatal(err)
	}
	return r.Seq
}

// What a capture takes beyond its hold is paid in burn order. Each lot pays once, and a refund returns first what burns
// last.
func TestACaptureBeyondItsHoldPaysInBurnOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("10")
	late := f.account(id).Lots[0].Number
	hold := f.holdForSales(id, "8", 0)
	soon := f.MustGrant(id, ledger.LotPromo, "3", ledgertest.Start.Add(100*time.Hour)).Seq // burns before the held lot
	c := f.capture(id, hold, "12.5")
	want := []ledger.Part{{Lot: soon, Amount: *amountOf("-3")}, {Lot: late, Amount: *amountOf("-9.5")}}
	if inText(c.Parts) != inText(want) || c.Amount.String() != "-12.5" || c.HeldDelta.String() != "-8" ||
		c.About != hold {
		t.Errorf("the capture is %+v, want parts %v", c, want)
	}
	f.wantBalance(id, "0.5 0 0.5")
	r := f.refund(id, c.Seq, "10")
	if want := []ledger.Part{
		{Lot: late, Amount: *amountOf("9.5")},
		{Lot: soon, Amount: *amountOf("0.5")},
	}; inText(r.Parts) != inText(want) {
		t.Errorf("refunded to %v, want %v", r.Parts, want)
	}
	f.refund(id, c.Seq, "")
	f.wantBalance(id, "13 0 13")
}

// A lot that expired while it was held pays its part; the excess is paid by spendable lots.
func TestACaptureBeyondAnExpiredHold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("10")
	f.MustGrant(id, ledger.LotPromo, "20", ledgertest.Start.Add(time.Hour))
	hold := f.holdAmount(id, "15", 2*time.Hour)
	f.Clock.Advance(90 * time.Minute)
	f.wantBalance(id, "10 15 25")
	_, err := f.tryCapture(id, hold, "25.000001")
	wantRefusal(t, "a capture of more than there is", err, problem.Insufficient, "insufficient_tokens")
	f.wantBalance(id, "10 15 25")
	f.capture(id, hold, "25")
	f.wantBalance(id, "0 0 0")
}

// Captures that exceed their holds race with charges and each other: nothing is spent twice, and a refused capture
// keeps its hold.
func TestCapturesBeyondTheirHoldsNeverOverspend(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	servers := []*engine.Engine{f.Engine, f.NewServer()}
	id := f.MustOpenWith("100")
	holds := make([]int64, 20)
	for i := range holds {
		holds[i] = f.holdAmount(id, "2", 0)
	}
	var captured, charged atomic.Int64
	var callers sync.WaitGroup
	for i, hold := range holds { // 60 are spendable, 80 wanted beyond the holds, and 20 by charges
		callers.Go(func() {
			_, err := servers[i%2].Capture(t.Context(), id, "c"+strconv.Itoa(i),
				ledger.Capture{Hold: hold, Amount: amountOf("6")})
			if err == nil {
				captured.Add(1)
			} else if code := problem.Of(err).Code; code != "insufficient_tokens" {
				t.Errorf("capture %d: %v", i, err)
			}
		})
		callers.Go(func() {
			if _, err := servers[(i+1)%2].Charge(t.Context(), id, "k"+strconv.Itoa(i), chargeOf("1")); err == nil {
				charged.Add(1)
			}
		})
	}
	callers.Wait()
	a := f.account(id)
	if spent := 6*captured.Load() + charged.Load(); int64(a.Total)/1_000_000 != 100-spent ||
		a.Holds != 20-int(captured.Load()) {
		t.Errorf("%d captured and %d charged leave %v and %d holds", captured.Load(), charged.Load(), a.Total,
			a.Holds)
	}
	if captured.Load() < 10 {
		t.Errorf("only %d captures", captured.Load())
	}
	for _, hold := range holds {
		if _, err := f.tryCapture(id, hold, ""); err != nil && problem.Of(err).Code != "hold_captured" {
			t.Errorf("what was refused cannot be captured: %v", err)
		}
	}
}

// A receipt has the balance after everything that the request caused. A replay has the same balance, from the cache,
// from the database, and from another server.
func TestAnAnswerIsAfterItsConsequences(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("10")
	f.MustGrant(id, ledger.LotPromo, "20", ledgertest.Start.Add(time.Hour))
	released, captured := f.holdForSales(id, "12", 2*time.Hour), f.holdForSales(id, "8", 2*time.Hour)
	f.Clock.Advance(90 * time.Minute)
	want := map[string]string{
		"release": "10 8 18",
		"capture": "10 0 10",
		"refund":  "7 0 7",
	}
	send := map[string]func(e *engine.Engine) (ledger.Receipt, error){
		"release": func(e *engine.Engine) (ledger.Receipt, error) {
			return e.Release(t.Context(), id, "release", ledger.Release{Hold: released})
		},
		"capture": func(e *engine.Engine) (ledger.Receipt, error) {
			return e.Capture(t.Context(), id, "capture", ledger.Capture{Hold: captured, Amount: amountOf("3")})
		},
	}
	check := func(e *engine.Engine, name string, replayed bool) {
		t.Helper()
		r, err := send[name](e)
		got := r.Balance.Spendable.String() + " " + r.Balance.Held.String() + " " + r.Balance.Total.String()
		if err != nil || got != want[name] || r.Replayed != replayed {
			t.Errorf("%s answers %s, replayed %v (%v), want %s", name, got, r.Replayed, err, want[name])
		}
	}
	for _, name := range []string{"release", "capture"} {
		check(f.Engine, name, false)
		f.wantBalance(id, want[name])
	}
	// A refund to a revoked purchase pays what is owed first.
	p := ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: *amountOf("10"),
		Source: "p",
	}
	if _, err := f.Grant(t.Context(), id, "", p); err != nil {
		t.Fatal(err)
	}
	charge := f.MustCharge(id, "auto_selling", "16") // ten of the gift and six of the purchase
	if _, err := ledgertest.Revoke(t.Context(), f, id, "p", *amountOf("7"), ledger.CauseRefund, ""); err != nil {
		t.Fatal(err) // four are taken, three owed
	}
	send["refund"] = func(e *engine.Engine) (ledger.Receipt, error) {
		return e.Refund(t.Context(), id, "refund", ledger.Refund{Entry: charge.Seq, Amount: amountOf("10")})
	}
	check(f.Engine, "refund", false) // six come back to the purchase, three of which are owed, and four to the gift
	f.wantBalance(id, want["refund"])
	f.MustCharge(id, "auto_selling", "1")
	for name := range send {
		check(f.Engine, name, true)
		check(f.NewServer(), name, true)
	}
}
