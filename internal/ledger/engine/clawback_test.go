package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// buy credits a purchase of a hundred tokens.
func (f *fixture) buy(id uuid.UUID, purchase string) ledger.Receipt {
	f.T.Helper()
	r, err := f.Grant(f.T.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: purchase,
	})
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

func (f *fixture) revoke(id uuid.UUID, purchase, total string) ledger.Receipt {
	f.T.Helper()
	r, err := ledgertest.Revoke(f.T.Context(), f, id, purchase, tokens.MustParse(total), ledger.CauseRefund, "refunded")
	if err != nil {
		f.T.Fatal(err)
	}
	return r
}

func (f *fixture) freeze(id uuid.UUID, purchase string, frozen bool) {
	f.T.Helper()
	if err := ledgertest.Freeze(f.T.Context(), f, id, purchase, frozen); err != nil {
		f.T.Fatal(err)
	}
}

func (f *fixture) wantOwed(id uuid.UUID, want string) {
	f.T.Helper()
	if owed := f.account(id).Owed.String(); owed != want {
		f.T.Errorf("owed are %s, want %s", owed, want)
	}
}

// openSpent opens an account whose tokens are all spent.
func (f *fixture) openSpent() uuid.UUID {
	f.T.Helper()
	id := f.MustOpen("starter")
	f.MustCharge(id, "auto_selling", "200")
	return id
}

// A revocation names the total so far, so repeating it, or naming less, takes nothing more.
func TestRevokingIsCumulative(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	bought := f.buy(id, "p")
	f.MustGrant(id, ledger.LotAdjustment, "7", time.Time{})
	r := f.revoke(id, "p", "30")
	if r.Kind != ledger.KindClawback || r.Amount.String() != "-30" || r.About != bought.Seq ||
		r.Contra != ledger.ContraReturned ||
		r.LotKind != ledger.LotPurchase || r.Reference != "p" {
		t.Errorf("the clawback is %+v", r)
	}
	for _, total := range []string{"30", "10"} {
		if r := f.revoke(id, "p", total); r.Seq != 0 {
			t.Errorf("telling %s again took %v", total, r.Amount)
		}
	}
	f.wantBalance(id, "77 0 77")
	if r := f.revoke(id, "p", "100"); r.Amount.String() != "-70" {
		t.Errorf("the rest is %v", r.Amount)
	}
	f.wantBalance(id, "7 0 7") // other lots are not touched
	f.wantOwed(id, "0")
	for _, total := range []string{"0", "-1", "100.000001"} {
		_, err := ledgertest.Revoke(t.Context(), f, id, "p", tokens.MustParse(total), ledger.CauseRefund, "")
		wantRefusal(t, "revoking "+total, err, problem.Unprocessable, "invalid_field")
	}
	for _, purchase := range []string{"", "q", "starter"} {
		_, err := ledgertest.Revoke(t.Context(), f, id, purchase, tokens.One, ledger.CauseRefund, "")
		wantRefusal(t, "revoking purchase "+purchase, err, problem.NotFound, "purchase_not_found")
		wantRefusal(
			t,
			"freezing purchase "+purchase,
			ledgertest.Freeze(t.Context(), f, id, purchase, true),
			problem.NotFound,
			"purchase_not_found",
		)
	}
	_, err := ledgertest.Revoke(t.Context(), f, f.openSpent(), "p", tokens.One, ledger.CauseRefund, "")
	wantRefusal(t, "revoking another account's purchase", err, problem.NotFound, "purchase_not_found")
}

// Spent tokens of a revoked purchase are owed. The next purchases pay that with entries of their own; gifts and
// allowances do not, and the spendable balance is never negative.
func TestWhatWasSpentIsOwed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.buy(id, "p")
	f.MustCharge(id, "auto_selling", "95")
	if r := f.revoke(id, "p", "100"); r.Amount.String() != "-5" {
		t.Errorf("took %v", r.Amount)
	}
	f.wantOwed(id, "95")
	f.MustGrant(id, ledger.LotPromo, "50", time.Time{})
	f.wantBalance(id, "50 0 50")
	next := f.buy(id, "q")
	if next.Amount.String() != "100" {
		t.Errorf("the purchase is %v", next.Amount)
	}
	f.wantBalance(id, "55 0 55")
	f.wantOwed(id, "0")
	f.wantHistory(id, "Jan 31 09:30 clawback -5 = 0", "Jan 31 09:30 grant 50 = 50", "Jan 31 09:30 grant 100 = 150",
		"Jan 31 09:30 clawback -95 = 55")
	f.buy(id, "r")
	f.wantBalance(id, "155 0 155")
	// Two debts: the second purchase pays what the first cannot.
	f.MustCharge(id, "auto_selling", "155")
	if r := f.revoke(id, "q", "100"); r.Amount != 0 || r.Seq == 0 {
		t.Errorf("recorded %+v", r)
	}
	f.revoke(id, "r", "60")
	f.wantOwed(id, "160")
	f.buy(id, "s")
	f.wantOwed(id, "60")
	f.wantBalance(id, "0 0 0")
	f.buy(id, "t")
	f.wantOwed(id, "0")
	f.wantBalance(id, "40 0 40")
}

// A refund to a revoked lot pays what is owed first.
func TestARefundToARevokedLotPaysWhatIsOwed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.buy(id, "p")
	charge := f.MustCharge(id, "auto_selling", "80")
	f.revoke(id, "p", "50") // 20 were there
	f.wantOwed(id, "30")
	f.refund(id, charge.Seq, "25")
	f.wantOwed(id, "5")
	f.wantBalance(id, "0 0 0")
	f.refund(id, charge.Seq, "25")
	f.wantOwed(id, "0")
	f.wantBalance(id, "20 0 20")
	f.wantHistory(id, "Jan 31 09:30 refund 25 = 25", "Jan 31 09:30 clawback -25 = 0", "Jan 31 09:30 refund 25 = 25",
		"Jan 31 09:30 clawback -5 = 20")
}

// A refund for a lot that was revoked and has expired since pays what is owed; refunds to other lots stay.
func TestARefundToARevokedLotThatHasEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.MustGrant(id, ledger.LotPromo, "10", ledgertest.Start.Add(time.Hour))
	g := ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    "p",
		ExpiresAt: ledgertest.Start.Add(time.Hour),
	}
	if _, err := f.Grant(t.Context(), id, "", g); err != nil {
		t.Fatal(err)
	}
	charge := f.MustCharge(id, "auto_selling", "110")
	f.revoke(id, "p", "100")
	f.wantOwed(id, "100")
	f.Clock.Advance(2 * time.Hour)
	f.refund(id, charge.Seq, "30")
	f.wantOwed(id, "70")
	f.wantBalance(id, "0 0 0")
	f.refund(id, charge.Seq, "")
	f.wantOwed(id, "0")
	f.wantBalance(id, "10 0 10")
}

// Tokens that are held when their purchase is revoked can still be captured. Released ones pay what is owed.
func TestHeldTokensOfARevokedLot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.buy(id, "p")
	released, captured, timed := f.holdForSales(
		id,
		"30",
		0,
	), f.holdForSales(
		id,
		"20",
		0,
	), f.holdForSales(
		id,
		"10",
		time.Minute,
	)
	if r := f.revoke(id, "p", "100"); r.Amount.String() != "-40" {
		t.Errorf("took %v", r.Amount)
	}
	f.wantBalance(id, "0 60 60")
	f.wantOwed(id, "60")
	if _, err := f.tryRelease(id, released); err != nil {
		t.Fatal(err)
	}
	f.wantOwed(id, "30")
	f.wantBalance(id, "0 30 30")
	f.capture(id, captured, "15") // 5 are released
	f.wantOwed(id, "25")
	f.wantBalance(id, "0 10 10")
	f.Clock.Advance(time.Minute)
	f.wantOwed(id, "15")
	f.wantBalance(id, "0 0 0")
	_, err := f.tryRelease(id, timed)
	wantRefusal(t, "a release after the time-out", err, problem.Conflict, "hold_expired")
}

// While a payment is disputed its tokens are frozen: they count in the total and cannot be spent. A won dispute
// unfreezes them.
func TestFrozenTokensCannotBeSpent(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.buy(id, "p")
	f.MustGrant(id, ledger.LotPromo, "10", time.Time{})
	charge := f.MustCharge(id, "auto_selling", "50") // 10 of the gift, 40 of the purchase
	hold := f.holdForSales(id, "5", 0)
	f.freeze(id, "p", true)
	f.wantBalance(id, "0 5 60")
	_, err := f.Charge(t.Context(), id, "k", chargeOf("0.000001"))
	wantRefusal(t, "a charge", err, problem.Insufficient, "insufficient_tokens")
	_, err = f.Hold(t.Context(), id, "h", ledger.Hold{Feature: "auto_selling", Amount: amountOf("1")})
	wantRefusal(t, "a hold", err, problem.Insufficient, "insufficient_tokens")
	f.freeze(id, "p", true)
	f.refund(id, charge.Seq, "45") // 40 to the frozen lot, 5 to the gift
	f.wantBalance(id, "5 5 105")
	f.MustCharge(id, "auto_selling", "5")
	f.capture(id, hold, "2") // they were held before the dispute
	f.wantBalance(id, "0 0 98")
	f.freeze(id, "p", false)
	f.wantBalance(id, "98 0 98")
	f.MustCharge(id, "auto_selling", "98")
}

// A lost dispute takes the frozen tokens. What remains after a partial loss stays frozen until the caller unfreezes it.
func TestRevokingAFrozenLot(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	f.buy(id, "p")
	f.MustCharge(id, "auto_selling", "30")
	f.freeze(id, "p", true)
	f.revoke(id, "p", "50")
	f.wantBalance(id, "0 0 20")
	f.wantOwed(id, "0")
	f.freeze(id, "p", false)
	f.wantBalance(id, "20 0 20")
	f.freeze(id, "p", true)
	f.revoke(id, "p", "100")
	f.wantBalance(id, "0 0 0")
	f.wantOwed(id, "30")
	// The end of the dispute unfreezes the lot: refunds to it are spendable once nothing is owed.
	f.buy(id, "q")
	f.wantBalance(id, "70 0 70")
}

// A frozen lot expires at its time like any other.
func TestAFrozenLotEnds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	g := ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    "p",
		ExpiresAt: ledgertest.Start.Add(time.Hour),
	}
	if _, err := f.Grant(t.Context(), id, "", g); err != nil {
		t.Fatal(err)
	}
	f.freeze(id, "p", true)
	f.Clock.Advance(time.Hour)
	f.wantBalance(id, "0 0 0")
	f.freeze(id, "p", false)
	f.wantBalance(id, "0 0 0")
}

// Tokens that a hold frees in a revoked and expired lot pay what is owed first; the rest expires.
func TestHeldTokensOfARevokedLotThatHasEnded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := f.openSpent()
	g := ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    "p",
		ExpiresAt: ledgertest.Start.Add(time.Hour),
	}
	if _, err := f.Grant(t.Context(), id, "", g); err != nil {
		t.Fatal(err)
	}
	hold := f.holdForSales(id, "30", 2*time.Hour)
	f.revoke(id, "p", "90")
	f.wantOwed(id, "20") // 70 were free
	f.Clock.Advance(90 * time.Minute)
	if _, err := f.tryRelease(id, hold); err != nil {
		t.Fatal(err)
	}
	f.wantBalance(id, "0 0 0")
	f.wantOwed(id, "0")
}
