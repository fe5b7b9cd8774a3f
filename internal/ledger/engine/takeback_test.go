package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/tokens"
)

func (b *books) takeBack(id uuid.UUID, amount string, lot int64) (ledger.Receipt, error) {
	return b.TakeBack(b.t.Context(), id, uuid.NewString(), ledger.TakeBack{
		Amount: tokens.MustParse(amount),
		Lot:    lot,
		Reason: "counted twice",
	})
}

// Tokens are taken back in burn order, all or nothing, and never what is held; the entry is a grant
// below zero.
func TestTakeBackInBurnOrder(t *testing.T) {
	t.Parallel()
	b, _ := verified(t)
	id := b.openWith("30")
	later := b.grant(id, ledger.LotAdjustment, "50", start.AddDate(1, 0, 0)) // burns first: it ends
	_, err := b.Grant(t.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "bought",
	})
	b.check(err)
	b.hold(id, "lip_sync", time.Hour) // 5 of the adjustment
	r, err := b.takeBack(id, "50", 0)
	b.check(err)
	if r.Kind != ledger.KindGrant || r.Amount != -50*tokens.One || r.Contra != ledger.ContraIssued ||
		r.LotKind != ledger.LotAdjustment ||
		len(r.Parts) != 2 || r.Parts[0] != (ledger.Part{Lot: later.Seq, Amount: -45 * tokens.One}) ||
		r.Parts[1].Amount != -5*tokens.One {
		t.Errorf("taken back: %+v", r.Entry)
	}
	b.wantSpendable(id, "125")
	_, err = b.takeBack(id, "125.000001", 0)
	b.wantCode("more than can be spent", err, "invalid_field")
	b.wantSpendable(id, "125")
	_, err = b.takeBack(id, "125", 0)
	b.check(err)
	b.wantSpendable(id, "0")
	_, err = b.TakeBack(t.Context(), id, "k", ledger.TakeBack{Amount: tokens.One})
	b.wantCode("without a reason", err, "invalid_field")
	page, err := b.History(t.Context(), id, ledger.Filter{Kinds: []ledger.Kind{ledger.KindGrant}}, 0, 1)
	if err != nil || page.Lines[0].Reason != "counted twice" {
		t.Errorf("the history says %+v, %v", page.Lines, err)
	}
	b.wantClean(audit.Options{})
}

// A lot by its number: what is free of it, and nothing of a frozen, an expired or an empty one.
func TestTakeBackFromALot(t *testing.T) {
	t.Parallel()
	b, _ := verified(t)
	id := b.openWith("10")
	gift := b.grant(id, ledger.LotPromo, "20", start.AddDate(0, 0, 1))
	bought, err := b.Grant(t.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "bought",
	})
	b.check(err)
	if _, err = b.takeBack(id, "20.5", gift.Seq); err == nil {
		t.Error("more was taken than the lot has")
	}
	_, err = b.takeBack(id, "5", gift.Seq)
	b.check(err)
	b.check(freeze(t.Context(), b, id, "bought", true))
	_, err = b.takeBack(id, "1", bought.Seq)
	b.wantCode("a frozen lot", err, "invalid_field")
	b.check(freeze(t.Context(), b, id, "bought", false))
	b.clock.Advance(25 * time.Hour)
	_, err = b.takeBack(id, "1", gift.Seq)
	b.wantCode("an expired lot", err, "invalid_field")
	_, err = b.takeBack(id, "1", 9_999)
	b.wantCode("no lot", err, "invalid_field")
	b.wantSpendable(id, "110")
	b.wantClean(audit.Options{})
}

// A purchase's tokens that support took back are no debt when its money goes back later.
func TestWhatWasTakenBackIsNotOwed(t *testing.T) {
	t.Parallel()
	b, _ := verified(t)
	id := b.open("starter")
	b.charge(id, "auto_selling", "200")
	bought, err := b.Grant(t.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "bought",
	})
	b.check(err)
	b.charge(id, "auto_selling", "20")
	_, err = b.takeBack(id, "30", bought.Seq)
	b.check(err)
	_, err = revoke(t.Context(), b, id, "bought", 100*tokens.One, ledger.CauseRefund, "")
	b.check(err)
	a, err := b.Account(t.Context(), id)
	if err != nil || a.Owed != 20*tokens.One || a.Total != 0 {
		t.Errorf("owed %s of total %s (%v), want the 20 that were spent and nothing left", a.Owed, a.Total, err)
	}
	b.wantClean(audit.Options{})
}

// Agents that reserve tokens do not keep support from taking them back; a level that is crossed is told.
func TestTakeBackAndReserves(t *testing.T) {
	t.Parallel()
	b, _ := verified(t)
	id := b.openWith("100")
	b.put(id, "scout", "0", "90")
	_, err := b.takeBack(id, "95", 0)
	b.check(err)
	b.wantSpendable(id, "5")
	if n := b.count("select count(*) from outbox where account = $1 and kind in ('balance.low', 'balance.empty')",
		id); n == 0 {
		t.Error("nobody was told of the low balance")
	}
	b.wantClean(audit.Options{})
}

// A purchase that was paid is credited however full the account is, and whatever became of it (M8).
func TestAPaidPurchaseIsAlwaysCredited(t *testing.T) {
	t.Parallel()
	b, _ := verified(t)
	id := b.open("starter")
	b.grant(id, ledger.LotAdjustment, (tokens.Max - 200*tokens.One - tokens.Micro).String(), time.Time{})
	b.wantSpendable(id, "99999999999.999999")
	_, err := b.Grant(t.Context(), id, "gift", ledger.Grant{Kind: ledger.LotPromo, Amount: 2})
	b.wantCode("a gift above the limit", err, "invalid_field")
	for _, source := range []string{"first", "second"} {
		_, err = b.Grant(t.Context(), id, "", ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: 100 * tokens.One,
			Source: source,
		})
		b.check(err)
	}
	b.wantSpendable(id, "100000000199.999999")
	b.charge(id, "lip_sync", "")
	b.wantSpendable(id, "100000000194.999999")
	b.wantClean(audit.Options{})
}
