package engine_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// refund refunds an amount of a charge; empty means the rest.
func (f *fixture) refund(id uuid.UUID, seq int64, amount string) ledger.Receipt {
	f.T.Helper()
	r, err := f.tryRefund(id, seq, amount)
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

func (f *fixture) tryRefund(id uuid.UUID, seq int64, amount string) (ledger.Receipt, error) {
	r := ledger.Refund{Entry: seq, Reason: "test"}
	if amount != "" {
		r.Amount = amountOf(amount)
	}
	return f.Refund(f.T.Context(), id, uuid.NewString(), r)
}

func TestRefundsNeverExceedTheCharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	charge := f.MustCharge(id, "auto_selling", "60")
	for _, amount := range []string{"0", "-1", "60.000001"} {
		_, err := f.tryRefund(id, charge.Seq, amount)
		wantRefusal(t, "a refund of "+amount, err, problem.Unprocessable, "invalid_field")
	}
	r := f.refund(id, charge.Seq, "20")
	if r.Kind != ledger.KindRefund || r.Amount.String() != "20" || r.About != charge.Seq ||
		r.Contra != ledger.ContraSpent || r.Feature != "auto_selling" ||
		r.SpendableAfter.String() != "60" {
		t.Errorf("the refund is %+v", r)
	}
	_, err := f.tryRefund(id, charge.Seq, "40.000001")
	wantRefusal(t, "more than is left", err, problem.Unprocessable, "invalid_field")
	if p := problem.Of(err); p.Details["refundable"] != 40*tokens.One {
		t.Errorf("refundable is %v, want 40", p.Details["refundable"])
	}
	f.refund(id, charge.Seq, "0.000001")
	f.refund(id, charge.Seq, "")
	f.wantBalance(id, "100 0 100")
	for _, amount := range []string{"", "0.000001"} {
		_, err := f.tryRefund(id, charge.Seq, amount)
		wantRefusal(t, "a refund too many", err, problem.Conflict, "already_refunded")
	}
}

// Many callers refund the same charge at once: it is refunded once.
func TestConcurrentRefundsNeverExceedTheCharge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	charge := f.MustCharge(id, "auto_selling", "60")
	var callers sync.WaitGroup
	for i := range 40 {
		callers.Go(func() {
			_, err := f.Refund(t.Context(), id, strconv.Itoa(i),
				ledger.Refund{Entry: charge.Seq, Amount: amountOf("4")})
			if kind := kindOf(err); err != nil && kind != problem.Conflict {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	f.wantBalance(id, "100 0 100")
}

// Refunds return tokens in reverse burn order, in however many parts; a lot that was used up is open again.
func TestRefundsGoBackInReverseBurnOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpen("starter")
	soon := f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.Add(time.Hour))
	bought := f.MustGrant(id, ledger.LotPurchase, "50", time.Time{})
	charge := f.MustCharge(id, "auto_selling", "240") // 10 of soon, 200 of the plan (lot 1), 30 of bought
	f.wantBalance(id, "20 0 20")
	for _, c := range []struct {
		amount string
		want   []ledger.Part
	}{
		{"25", []ledger.Part{{Lot: bought.Seq, Amount: *amountOf("25")}}},
		{"10", []ledger.Part{{Lot: bought.Seq, Amount: *amountOf("5")}, {Lot: 1, Amount: *amountOf("5")}}},
		{"195.5", []ledger.Part{{Lot: 1, Amount: *amountOf("195")}, {Lot: soon.Seq, Amount: *amountOf("0.5")}}},
		{"", []ledger.Part{{Lot: soon.Seq, Amount: *amountOf("9.5")}}},
	} {
		if r := f.refund(id, charge.Seq, c.amount); inText(r.Parts) != inText(c.want) {
			t.Errorf("%s was refunded to %v, want %v", c.amount, r.Parts, c.want)
		}
	}
	f.wantBalance(id, "260 0 260")
	if again := f.MustCharge(id, "auto_selling", "15"); again.Parts[0].Lot != soon.Seq || again.Parts[1].Lot != 1 {
		t.Errorf("burned %v", again.Parts)
	}
}

// Refunded tokens of an expired lot become a lot of their own, for thirty days.
func TestRefundsToALotThatHasEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.MustOpenWith("100")
	f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.Add(time.Hour))
	charge := f.MustCharge(id, "auto_selling", "30")
	f.Clock.Advance(time.Hour)
	r := f.refund(id, charge.Seq, "24") // 20 to the lot that is still there, 4 of the other one
	grace := r.Parts[len(r.Parts)-1]
	if len(r.Parts) != 2 || grace.Lot != r.Seq || grace.Amount.String() != "4" {
		t.Fatalf("refunded to %v", r.Parts)
	}
	lots := f.account(id).Lots
	if l := lots[0]; l.Number != r.Seq || l.Kind != ledger.LotPromo || l.Amount.String() != "4" ||
		!l.ExpiresAt.Equal(ledgertest.Start.Add(time.Hour+30*24*time.Hour)) {
		t.Errorf("the lot of the grace is %+v", l)
	}
	f.wantBalance(id, "104 0 104")
	// A charge paid from such a lot is refunded to it before it expires, and to a new one afterwards.
	second := f.MustCharge(id, "auto_selling", "4")
	f.refund(id, second.Seq, "1")
	f.Clock.Set(ledgertest.Start.Add(time.Hour + 30*24*time.Hour))
	f.account(id)
	third := f.refund(id, second.Seq, "")
	if len(third.Parts) != 1 || third.Parts[0].Lot != third.Seq || third.Amount.String() != "3" {
		t.Errorf("refunded as %+v", third)
	}
	f.wantBalance(id, "303 0 303") // with the allowance of February; the refunded one expired
}

// A refund at the instant at which the lot expires is too late for it.
func TestARefundAtTheInstantAtWhichTheLotEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for offset, own := range map[time.Duration]bool{-time.Microsecond: false, 0: true} {
		f.Clock.Set(ledgertest.Start)
		id := f.MustOpenWith("1")
		f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.Add(time.Hour))
		charge := f.MustCharge(id, "auto_selling", "10")
		f.Clock.Set(ledgertest.Start.Add(time.Hour + offset))
		if r := f.refund(id, charge.Seq, ""); (r.Parts[0].Lot == r.Seq) != own {
			t.Errorf("at %v: %v", offset, r.Parts)
		}
	}
}

func TestWhatCannotBeRefunded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, other := f.MustOpenWith("100"), f.MustOpenWith("100")
	charge := f.MustCharge(id, "auto_selling", "5")
	refund := f.refund(id, charge.Seq, "1")
	hold := f.holdForSales(id, "5", 0)
	release, err := f.tryRelease(id, hold)
	if err != nil {
		t.Fatal(err)
	}
	for name, seq := range map[string]int64{
		"a refund":          refund.Seq,
		"a hold":            hold,
		"a release":         release.Seq,
		"a grant":           1,
		"nothing":           1000,
		"zero":              0,
		"less than nothing": -1,
	} {
		_, err := f.tryRefund(id, seq, "1")
		wantRefusal(t, "a refund of "+name, err, problem.NotFound, "charge_not_found")
	}
	_, err = f.tryRefund(uuid.New(), charge.Seq, "1")
	wantRefusal(t, "a refund to an unknown account", err, problem.NotFound, "account_not_found")
	if _, ok := ledger.ParseID(other, charge.ID()); ok {
		t.Error("the id of another account's charge was accepted")
	}
	if seq, ok := ledger.ParseID(id, charge.ID()); !ok || seq != charge.Seq {
		t.Errorf("the id %s was read as %d", charge.ID(), seq)
	}
}

// Refunds to several expired lots become one lot, which counts as bought if part of it was.
func TestBoughtTokensComeBackAsBoughtOnes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.MustGrant(id, ledger.LotPromo, "1", ledgertest.Start.Add(time.Hour))
	g := ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    "p",
		ExpiresAt: ledgertest.Start.Add(time.Hour),
	}
	if _, err := f.Grant(t.Context(), id, "", g); err != nil {
		t.Fatal(err)
	}
	c := f.MustCharge(id, "auto_selling", "101")
	f.Clock.Advance(2 * time.Hour)
	f.refund(id, c.Seq, "")
	if l := f.account(id).Lots; len(l) != 1 || l[0].Kind != ledger.LotPurchase || l[0].Amount != 101*tokens.One ||
		l[0].Source != "p" {
		t.Errorf("refunded as %+v", l)
	}
}
