package engine_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/ledger/ledgertest"
	"pop.store/credits/internal/tokens"
)

func (f *fixture) takeBack(id uuid.UUID, amount string, lot int64) (ledger.Receipt, error) {
	return f.TakeBack(f.T.Context(), id, uuid.NewString(), ledger.TakeBack{
		Amount: tokens.MustParse(amount),
		Lot:    lot,
		Reason: "counted twice",
	})
}

// Tokens are taken back in burn order, all or nothing, and never held ones; the entry is a negative grant.
func TestTakeBackInBurnOrder(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	id := f.MustOpenWith("30")
	later := f.MustGrant(id, ledger.LotAdjustment, "50", ledgertest.Start.AddDate(1, 0, 0)) // burns first, because it expires
	_, err := f.Grant(t.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "bought",
	})
	f.NoError(err)
	f.holdFeature(id, "lip_sync", time.Hour) // 5 of the adjustment
	r, err := f.takeBack(id, "50", 0)
	f.NoError(err)
	if r.Kind != ledger.KindGrant || r.Amount != -50*tokens.One || r.Contra != ledger.ContraIssued ||
		r.LotKind != ledger.LotAdjustment ||
		len(r.Parts) != 2 || r.Parts[0] != (ledger.Part{Lot: later.Seq, Amount: -45 * tokens.One}) ||
		r.Parts[1].Amount != -5*tokens.One {
		t.Errorf("taken back: %+v", r.Entry)
	}
	f.WantSpendable(id, "125")
	_, err = f.takeBack(id, "125.000001", 0)
	f.wantCode("more than can be spent", err, "invalid_field")
	f.WantSpendable(id, "125")
	_, err = f.takeBack(id, "125", 0)
	f.NoError(err)
	f.WantSpendable(id, "0")
	_, err = f.TakeBack(t.Context(), id, "k", ledger.TakeBack{Amount: tokens.One})
	f.wantCode("without a reason", err, "invalid_field")
	page, err := f.History(t.Context(), id, ledger.Filter{Kinds: []ledger.Kind{ledger.KindGrant}}, 0, 1)
	if err != nil || page.Lines[0].Reason != "counted twice" {
		t.Errorf("the history says %+v, %v", page.Lines, err)
	}
	f.wantClean(audit.Options{})
}

// From a lot by its number: its free part, and nothing of a frozen, expired or empty one.
func TestTakeBackFromALot(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	id := f.MustOpenWith("10")
	gift := f.MustGrant(id, ledger.LotPromo, "20", ledgertest.Start.AddDate(0, 0, 1))
	bought, err := f.Grant(t.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "bought",
	})
	f.NoError(err)
	if _, err = f.takeBack(id, "20.5", gift.Seq); err == nil {
		t.Error("more was taken than the lot has")
	}
	_, err = f.takeBack(id, "5", gift.Seq)
	f.NoError(err)
	f.NoError(ledgertest.Freeze(t.Context(), f, id, "bought", true))
	_, err = f.takeBack(id, "1", bought.Seq)
	f.wantCode("a frozen lot", err, "invalid_field")
	f.NoError(ledgertest.Freeze(t.Context(), f, id, "bought", false))
	f.Clock.Advance(25 * time.Hour)
	_, err = f.takeBack(id, "1", gift.Seq)
	f.wantCode("an expired lot", err, "invalid_field")
	_, err = f.takeBack(id, "1", 9_999)
	f.wantCode("no lot", err, "invalid_field")
	f.WantSpendable(id, "110")
	f.wantClean(audit.Options{})
}

// Tokens of a purchase that support took back are not owed when it is refunded later.
func TestWhatWasTakenBackIsNotOwed(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	id := f.MustOpen("starter")
	f.MustCharge(id, "auto_selling", "200")
	bought, err := f.Grant(t.Context(), id, "", ledger.Grant{
		Kind:   ledger.LotPurchase,
		Amount: 100 * tokens.One,
		Source: "bought",
	})
	f.NoError(err)
	f.MustCharge(id, "auto_selling", "20")
	_, err = f.takeBack(id, "30", bought.Seq)
	f.NoError(err)
	_, err = ledgertest.Revoke(t.Context(), f, id, "bought", 100*tokens.One, ledger.CauseRefund, "")
	f.NoError(err)
	a, err := f.Account(t.Context(), id)
	if err != nil || a.Owed != 20*tokens.One || a.Total != 0 {
		t.Errorf("owed %s of total %s (%v), want the 20 that were spent and nothing left", a.Owed, a.Total, err)
	}
	f.wantClean(audit.Options{})
}

// Reserves do not keep support from taking tokens back. Crossing a level emits its event.
func TestTakeBackAndReserves(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	id := f.MustOpenWith("100")
	f.MustPutAgent(id, "scout", "0", "90")
	_, err := f.takeBack(id, "95", 0)
	f.NoError(err)
	f.WantSpendable(id, "5")
	if n := f.count("select count(*) from outbox where account = $1 and kind in ('balance.low', 'balance.empty')",
		id); n == 0 {
		t.Error("there is no event for the low balance")
	}
	f.wantClean(audit.Options{})
}

// A paid purchase is credited however full the account is, and whatever its state.
func TestAPaidPurchaseIsAlwaysCredited(t *testing.T) {
	t.Parallel()
	f, _ := newUnchecked(t)
	id := f.MustOpen("starter")
	f.MustGrant(id, ledger.LotAdjustment, (tokens.Max - 200*tokens.One - tokens.Micro).String(), time.Time{})
	f.WantSpendable(id, "99999999999.999999")
	_, err := f.Grant(t.Context(), id, "gift", ledger.Grant{Kind: ledger.LotPromo, Amount: 2})
	f.wantCode("a gift above the limit", err, "invalid_field")
	for _, source := range []string{"first", "second"} {
		_, err = f.Grant(t.Context(), id, "", ledger.Grant{
			Kind:   ledger.LotPurchase,
			Amount: 100 * tokens.One,
			Source: source,
		})
		f.NoError(err)
	}
	f.WantSpendable(id, "100000000199.999999")
	f.MustCharge(id, "lip_sync", "")
	f.WantSpendable(id, "100000000194.999999")
	f.wantClean(audit.Options{})
}
