package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// buy credits a purchase of a hundred tokens.
func (b *books) buy(id uuid.UUID, purchase string) ledger.Receipt {
	b.t.Helper()
	r, err := b.Grant(b.t.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: purchase,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *books) revoke(id uuid.UUID, purchase, total string) ledger.Receipt {
	b.t.Helper()
	r, err := revoke(b.t.Context(), b, id, purchase, tokens.MustParse(total), ledger.CauseRefund, "refunded")
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *books) freeze(id uuid.UUID, purchase string, frozen bool) {
	b.t.Helper()
	if err := freeze(b.t.Context(), b, id, purchase, frozen); err != nil {
		b.t.Fatal(err)
	}
}

func (b *books) wantOwed(id uuid.UUID, want string) {
	b.t.Helper()
	if owed := b.account(id).Owed.String(); owed != want {
		b.t.Errorf("owed are %s, want %s", owed, want)
	}
}

// broke opens an account that has nothing.
func (b *books) broke() uuid.UUID {
	b.t.Helper()
	id := b.open("starter")
	b.charge(id, "auto_selling", "200")
	return id
}

// What is told is the total, so that telling it again, or less, takes nothing more.
func TestRevokingIsCumulative(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	bought := b.buy(id, "p")
	b.grant(id, ledger.LotAdjustment, "7", time.Time{})
	r := b.revoke(id, "p", "30")
	if r.Kind != ledger.KindClawback || r.Amount.String() != "-30" || r.About != bought.Seq ||
		r.Contra != ledger.ContraReturned ||
		r.LotKind != ledger.LotPurchase || r.Reference != "p" {
		t.Errorf("the clawback is %+v", r)
	}
	for _, total := range []string{"30", "10"} {
		if r := b.revoke(id, "p", total); r.Seq != 0 {
			t.Errorf("telling %s again took %v", total, r.Amount)
		}
	}
	b.wantBalance(id, "77 0 77")
	if r := b.revoke(id, "p", "100"); r.Amount.String() != "-70" {
		t.Errorf("the rest is %v", r.Amount)
	}
	b.wantBalance(id, "7 0 7") // other lots are not touched
	b.wantOwed(id, "0")
	for _, total := range []string{"0", "-1", "100.000001"} {
		_, err := revoke(t.Context(), b, id, "p", tokens.MustParse(total), ledger.CauseRefund, "")
		wantRefusal(t, "revoking "+total, err, problem.Unprocessable, "invalid_field")
	}
	for _, purchase := range []string{"", "q", "starter"} {
		_, err := revoke(t.Context(), b, id, purchase, tokens.One, ledger.CauseRefund, "")
		wantRefusal(t, "revoking purchase "+purchase, err, problem.NotFound, "purchase_not_found")
		wantRefusal(t, "freezing purchase "+purchase, freeze(t.Context(), b, id, purchase, true), problem.NotFound,
			"purchase_not_found")
	}
	_, err := revoke(t.Context(), b, b.broke(), "p", tokens.One, ledger.CauseRefund, "")
	wantRefusal(t, "revoking another account's purchase", err, problem.NotFound, "purchase_not_found")
}

// What was spent is owed, and comes off the next purchases with entries of its own. Gifts and
// allowances are left alone, and what can be spent never goes below zero.
func TestWhatWasSpentIsOwed(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.buy(id, "p")
	b.charge(id, "auto_selling", "95")
	if r := b.revoke(id, "p", "100"); r.Amount.String() != "-5" {
		t.Errorf("took %v", r.Amount)
	}
	b.wantOwed(id, "95")
	b.grant(id, ledger.LotPromo, "50", time.Time{})
	b.wantBalance(id, "50 0 50")
	next := b.buy(id, "q")
	if next.Amount.String() != "100" {
		t.Errorf("the purchase is %v", next.Amount)
	}
	b.wantBalance(id, "55 0 55")
	b.wantOwed(id, "0")
	b.wantStory(id, "Jan 31 09:30 clawback -5 = 0", "Jan 31 09:30 grant 50 = 50", "Jan 31 09:30 grant 100 = 150",
		"Jan 31 09:30 clawback -95 = 55")
	b.buy(id, "r")
	b.wantBalance(id, "155 0 155")
	// Two at once: what one purchase cannot pay, the next one does.
	b.charge(id, "auto_selling", "155")
	if r := b.revoke(id, "q", "100"); r.Amount != 0 || r.Seq == 0 {
		t.Errorf("recorded %+v", r)
	}
	b.revoke(id, "r", "60")
	b.wantOwed(id, "160")
	b.buy(id, "s")
	b.wantOwed(id, "60")
	b.wantBalance(id, "0 0 0")
	b.buy(id, "t")
	b.wantOwed(id, "0")
	b.wantBalance(id, "40 0 40")
}

// What comes back to a revoked lot pays what is owed first.
func TestARefundToARevokedLotPaysWhatIsOwed(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.buy(id, "p")
	charge := b.charge(id, "auto_selling", "80")
	b.revoke(id, "p", "50") // 20 were there
	b.wantOwed(id, "30")
	b.refund(id, charge.Seq, "25")
	b.wantOwed(id, "5")
	b.wantBalance(id, "0 0 0")
	b.refund(id, charge.Seq, "25")
	b.wantOwed(id, "0")
	b.wantBalance(id, "20 0 20")
	b.wantStory(id, "Jan 31 09:30 refund 25 = 25", "Jan 31 09:30 clawback -25 = 0", "Jan 31 09:30 refund 25 = 25",
		"Jan 31 09:30 clawback -5 = 20")
}

// So do tokens that come back for a lot which was revoked and has ended since; those of other lots
// stay with the creator.
func TestARefundToARevokedLotThatHasEnded(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.grant(id, ledger.LotPromo, "10", start.Add(time.Hour))
	g := ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    "p",
		ExpiresAt: start.Add(time.Hour),
	}
	if _, err := b.Grant(t.Context(), id, "", g); err != nil {
		t.Fatal(err)
	}
	charge := b.charge(id, "auto_selling", "110")
	b.revoke(id, "p", "100")
	b.wantOwed(id, "100")
	b.clock.Advance(2 * time.Hour)
	b.refund(id, charge.Seq, "30")
	b.wantOwed(id, "70")
	b.wantBalance(id, "0 0 0")
	b.refund(id, charge.Seq, "")
	b.wantOwed(id, "0")
	b.wantBalance(id, "10 0 10")
}

// Tokens that are held when their purchase is revoked stay good for the job; those that come free
// pay what is owed.
func TestHeldTokensOfARevokedLot(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.buy(id, "p")
	released, captured, timed := b.setAside(id, "30", 0), b.setAside(id, "20", 0), b.setAside(id, "10", time.Minute)
	if r := b.revoke(id, "p", "100"); r.Amount.String() != "-40" {
		t.Errorf("took %v", r.Amount)
	}
	b.wantBalance(id, "0 60 60")
	b.wantOwed(id, "60")
	if _, err := b.tryRelease(id, released); err != nil {
		t.Fatal(err)
	}
	b.wantOwed(id, "30")
	b.wantBalance(id, "0 30 30")
	b.capture(id, captured, "15") // 5 come free
	b.wantOwed(id, "25")
	b.wantBalance(id, "0 10 10")
	b.clock.Advance(time.Minute)
	b.wantOwed(id, "15")
	b.wantBalance(id, "0 0 0")
	_, err := b.tryRelease(id, timed)
	wantRefusal(t, "a release after the time-out", err, problem.Conflict, "hold_expired")
}

// While a payment is disputed its tokens are there and cannot be spent. A dispute that was won thaws them.
func TestFrozenTokensCannotBeSpent(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.buy(id, "p")
	b.grant(id, ledger.LotPromo, "10", time.Time{})
	charge := b.charge(id, "auto_selling", "50") // 10 of the gift, 40 of the purchase
	hold := b.setAside(id, "5", 0)
	b.freeze(id, "p", true)
	b.wantBalance(id, "0 5 60")
	_, err := b.Charge(t.Context(), id, "k", spends("0.000001"))
	wantRefusal(t, "a charge", err, problem.Insufficient, "insufficient_tokens")
	_, err = b.Hold(t.Context(), id, "h", ledger.Hold{Feature: "auto_selling", Amount: parsed("1")})
	wantRefusal(t, "a hold", err, problem.Insufficient, "insufficient_tokens")
	b.freeze(id, "p", true)
	b.refund(id, charge.Seq, "45") // 40 to the frozen lot, 5 to the gift
	b.wantBalance(id, "5 5 105")
	b.charge(id, "auto_selling", "5")
	b.capture(id, hold, "2") // the job had them before the dispute
	b.wantBalance(id, "0 0 98")
	b.freeze(id, "p", false)
	b.wantBalance(id, "98 0 98")
	b.charge(id, "auto_selling", "98")
}

// A dispute that was lost takes the frozen tokens; what is left of a part that was lost is thawed
// by whoever knows.
func TestRevokingAFrozenLot(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	b.buy(id, "p")
	b.charge(id, "auto_selling", "30")
	b.freeze(id, "p", true)
	b.revoke(id, "p", "50")
	b.wantBalance(id, "0 0 20")
	b.wantOwed(id, "0")
	b.freeze(id, "p", false)
	b.wantBalance(id, "20 0 20")
	b.freeze(id, "p", true)
	b.revoke(id, "p", "100")
	b.wantBalance(id, "0 0 0")
	b.wantOwed(id, "30")
	// The lot is thawed with the end of the dispute: what comes back to it is spendable once nothing is owed.
	b.buy(id, "q")
	b.wantBalance(id, "70 0 70")
}

// A frozen lot ends at its time like any other.
func TestAFrozenLotEnds(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	g := ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    "p",
		ExpiresAt: start.Add(time.Hour),
	}
	if _, err := b.Grant(t.Context(), id, "", g); err != nil {
		t.Fatal(err)
	}
	b.freeze(id, "p", true)
	b.clock.Advance(time.Hour)
	b.wantBalance(id, "0 0 0")
	b.freeze(id, "p", false)
	b.wantBalance(id, "0 0 0")
}

// purchases is a ledger, or what has one.
type purchases interface {
	Purchase(ctx context.Context, account uuid.UUID, purchase string) (*engine.Purchase, error)
}

func revoke(ctx context.Context, l purchases, id uuid.UUID, purchase string, total tokens.Amount,
	cause ledger.Cause, reason string,
) (ledger.Receipt, error) {
	p, err := l.Purchase(ctx, id, purchase)
	if err != nil {
		return ledger.Receipt{}, err
	}
	return p.Revoke(ctx, total, cause, reason)
}

func freeze(ctx context.Context, l purchases, id uuid.UUID, purchase string, frozen bool) error {
	p, err := l.Purchase(ctx, id, purchase)
	if err != nil {
		return err
	}
	return p.Freeze(ctx, frozen)
}

// What comes free in a lot that was revoked and has ended meanwhile pays what is owed, before the
// rest expires.
func TestHeldTokensOfARevokedLotThatHasEnded(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := b.broke()
	g := ledger.Grant{
		Kind:      ledger.LotPurchase,
		Amount:    100 * tokens.One,
		Source:    "p",
		ExpiresAt: start.Add(time.Hour),
	}
	if _, err := b.Grant(t.Context(), id, "", g); err != nil {
		t.Fatal(err)
	}
	hold := b.setAside(id, "30", 2*time.Hour)
	b.revoke(id, "p", "90")
	b.wantOwed(id, "20") // 70 were free
	b.clock.Advance(90 * time.Minute)
	if _, err := b.tryRelease(id, hold); err != nil {
		t.Fatal(err)
	}
	b.wantBalance(id, "0 0 0")
	b.wantOwed(id, "0")
}
