package ledgertest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

func (a *modelAccount) collectOwed(l *modelLot, atMost tokens.Amount, at time.Time) {
	if amount := min(a.owed, atMost); amount > 0 {
		a.takeBack(l, amount, "", at)
	}
}

func (a *modelAccount) takeBack(l *modelLot, amount tokens.Amount, reason string, at time.Time) ledger.Entry {
	a.owed -= amount
	e := a.write(ledger.Entry{
		Kind:      ledger.KindClawback,
		Amount:    -amount,
		Contra:    ledger.ContraReturned,
		LotKind:   l.kind,
		Reference: l.source,
		About:     l.number,
		Parts:     []ledger.Part{{Lot: l.number, Amount: -amount}},
	}, at)
	a.notes[e.Seq] = ledger.Note{Reason: reason}
	return e
}

// addLot adds a lot and its entry.
func (a *modelAccount) addLot(l modelLot, contra ledger.Contra, prices *catalog.Catalog, at time.Time) ledger.Entry {
	l.number, l.effective = int64(len(a.entries)+1), at
	a.lots = append(a.lots, l)
	e := a.write(ledger.Entry{
		Kind:           ledger.KindGrant,
		Amount:         l.amount,
		Contra:         contra,
		LotKind:        l.kind,
		Reference:      l.source,
		CatalogVersion: prices.Version,
		Parts:          []ledger.Part{{Lot: l.number, Amount: l.amount}},
	}, at)
	kind, data := "grant.created", map[string]any{
		"transaction": e.ID(),
		"kind":        l.kind.String(),
		"amount":      l.amount.String(),
	}
	if l.kind == ledger.LotPurchase {
		kind, data["purchase"] = "purchase.completed", l.source
	}
	a.emit(kind, e.At, data)
	return e
}

// Refund models engine.Refund.
func (m *Model) Refund(id uuid.UUID, key string, r ledger.Refund, now time.Time) Result {
	request := fmt.Sprint("refund", r.Entry, optionalText(r.Amount), r.Reference, "|", r.Reason, r.Metadata)
	return m.execute(id, key, request, "", now, func(a *modelAccount, now time.Time) Result {
		if r.Entry < 1 || r.Entry > int64(len(a.entries)) || a.entries[r.Entry-1].Contra != ledger.ContraSpent ||
			a.entries[r.Entry-1].Amount > 0 {
			return refusedWith(refusal(problem.NotFound, "charge_not_found"))
		}
		charge := a.entries[r.Entry-1]
		// What each lot got back so far is of no interest: tokens come back to the last lot first,
		// so the sum says it all.
		var before tokens.Amount
		for _, e := range a.entries {
			if e.Kind == ledger.KindRefund && e.About == charge.Seq {
				before += e.Amount
			}
		}
		left := -charge.Amount - before
		amount := left
		if r.Amount != nil {
			amount = *r.Amount
		}
		if left == 0 {
			return refusedWith(refusal(problem.Conflict, "already_refunded"))
		}
		if amount < 1 || amount > left {
			return refusedWith(invalid("amount"))
		}
		return Result{Entry: a.refundCharge(charge, before, amount, r, now, m.prices)}
	})
}

// refundCharge returns tokens to the lots that paid, in reverse order. It skips those that earlier refunds have
// returned.
func (a *modelAccount) refundCharge(charge ledger.Entry, before, amount tokens.Amount, r ledger.Refund, now time.Time,
	prices *catalog.Catalog,
) ledger.Entry {
	var parts []ledger.Part
	var grace *modelLot
	var revokedGrace tokens.Amount
	for i := len(charge.Parts) - 1; i >= 0; i-- {
		paid := -charge.Parts[i].Amount
		passed := min(before, paid)
		before -= passed
		back := min(paid-passed, amount)
		amount -= back
		if back == 0 {
			continue
		}
		l := a.lot(charge.Parts[i].Lot)
		if !l.expired(now) {
			parts = append(parts, ledger.Part{Lot: l.number, Amount: back})
			continue
		}
		if grace == nil {
			grace = &modelLot{
				number:    int64(len(a.entries) + 1),
				effective: now,
				expires:   now.AddDate(0, 0, prices.RefundGraceDays),
			}
		}
		// bought tokens stay bought ones
		if grace.amount == 0 || (l.kind == ledger.LotPurchase && grace.kind != ledger.LotPurchase) {
			grace.kind, grace.source = l.kind, l.source
		}
		grace.amount += back
		if l.revoked {
			revokedGrace += back
		}
	}
	if grace != nil {
		a.lots = append(a.lots, *grace)
		parts = append(parts, ledger.Part{Lot: grace.number, Amount: grace.amount})
	}
	var sum tokens.Amount
	for _, p := range parts {
		sum += p.Amount
	}
	e := a.write(ledger.Entry{
		Kind:      ledger.KindRefund,
		Amount:    sum,
		Contra:    ledger.ContraSpent,
		Feature:   charge.Feature,
		Agent:     charge.Agent,
		About:     charge.Seq,
		Parts:     parts,
		Reference: firstNonEmpty(r.Reference, charge.Reference),
	}, now)
	a.inherit(e.Seq, charge.Seq, r.Reason, r.Metadata)
	for _, p := range parts {
		if l := a.lot(p.Lot); l.revoked {
			a.collectOwed(l, a.remaining(l.number)-a.heldOf(l.number), now)
		}
	}
	if grace != nil {
		a.collectOwed(a.lot(grace.number), revokedGrace, now)
	}
	return e
}

// Grant models engine.Grant.
func (m *Model) Grant(id uuid.UUID, key string, g ledger.Grant, now time.Time) Result {
	contra, reference := ledger.ContraIssued, ""
	if g.Kind == ledger.LotPurchase {
		contra, reference = ledger.ContraSold, "purchase "+g.Source
	}
	request := fmt.Sprint("grant", g.Kind, g.Amount, g.ExpiresAt, g.Source, g.Reason, g.Reference, g.Metadata)
	return m.execute(id, key, request, reference, now, func(a *modelAccount, now time.Time) Result {
		bought := g.Kind == ledger.LotPurchase
		switch {
		case a.isClosed() && !bought:
			return refusedWith(errClosed)
		case g.Amount < 1 || (a.balance()+g.Amount > tokens.Max && !bought):
			return refusedWith(invalid("amount"))
		case !g.ExpiresAt.IsZero() && !now.Before(g.ExpiresAt):
			return refusedWith(invalid("expires_at"))
		}
		e := a.addLot(modelLot{
			kind:    g.Kind,
			amount:  g.Amount,
			source:  g.Source,
			expires: g.ExpiresAt,
		}, contra, m.prices, now)
		if g.Source == "" {
			a.entries[e.Seq-1].Reference = g.Reference
			e = a.entries[e.Seq-1]
		}
		a.notes[e.Seq] = ledger.Note{Reason: g.Reason, Metadata: g.Metadata}
		if g.Kind == ledger.LotPurchase {
			a.collectOwed(a.lot(e.Seq), g.Amount, now)
		}
		return Result{Entry: e}
	})
}

// Revoke models the Revoke of a purchase.
func (m *Model) Revoke(id uuid.UUID, purchase string, total tokens.Amount, reason string, now time.Time) Result {
	a := m.accounts[id]
	if a == nil || a.references["purchase "+purchase] == 0 {
		return refusedWith(refusal(problem.NotFound, "purchase_not_found"))
	}
	return m.execute(id, "", "", "", now, func(a *modelAccount, now time.Time) Result {
		l := a.lot(a.references["purchase "+purchase])
		if total < 1 || total > l.amount {
			return refusedWith(invalid("amount"))
		}
		l.revoked = true
		if total == l.amount {
			l.frozen = false
		}
		more := min(total, l.amount-a.takenBackFrom(l.number)) - a.calledBack(purchase)
		if more <= 0 {
			return Result{}
		}
		a.references["revoked "+purchase] += int64(more)
		there := min(more, a.remaining(l.number)-a.heldOf(l.number))
		// unused, so not owed
		gone := min(more-there, a.expiredOf(purchase)-tokens.Amount(a.references["lapsed "+purchase]))
		a.references["lapsed "+purchase] += int64(gone)
		a.owed += more - gone
		e := a.takeBack(l, there, reason, now)
		a.emit("purchase.refunded", e.At, map[string]any{
			"transaction": e.ID(),
			"kind":        l.kind.String(),
			"amount":      more.String(),
			"purchase":    l.source,
		})
		for left := more - there - gone; left > 0; { // what had come back of it in lots of their own, as it burns
			part := tokens.Amount(0)
			for _, other := range a.burnOrder() {
				if other.kind != ledger.LotPurchase || other.source != purchase || other.number == l.number {
					continue
				}
				other.revoked = true
				if part = min(left, a.remaining(other.number)-a.heldOf(other.number)); part > 0 {
					a.takeBack(other, part, reason, now)
					break
				}
			}
			if left -= part; part == 0 {
				break
			}
		}
		return Result{Entry: e}
	})
}

// takenBackFrom is how many tokens of a lot support has taken back, as negative grants.
func (a *modelAccount) takenBackFrom(lot int64) (sum tokens.Amount) {
	for _, e := range a.entries {
		for _, p := range e.Parts {
			if e.Kind == ledger.KindGrant && p.Amount < 0 && p.Lot == lot {
				sum -= p.Amount
			}
		}
	}
	return sum
}

// expiredOf is how many tokens of a purchase have expired, in whatever lot they were.
func (a *modelAccount) expiredOf(purchase string) (sum tokens.Amount) {
	for _, e := range a.entries {
		if e.Kind == ledger.KindExpiry && e.LotKind == ledger.LotPurchase && e.Reference == purchase {
			sum -= e.Amount
		}
	}
	return sum
}

// TakeBack models engine.TakeBack.
func (m *Model) TakeBack(id uuid.UUID, key string, t ledger.TakeBack, now time.Time) Result {
	return m.execute(id, key, fmt.Sprint("take back", t.Amount, t.Lot, t.Reason, t.Reference, t.Metadata), "", now,
		func(a *modelAccount, now time.Time) Result {
			if a.isClosed() {
				return refusedWith(errClosed)
			}
			there := a.spendable(now)
			if t.Lot != 0 {
				l := a.lot(t.Lot)
				if l == nil || a.remaining(t.Lot) == 0 {
					return refusedWith(invalid("lot"))
				}
				there = a.spendableOf(l, now)
			}
			switch {
			case t.Reason == "":
				return refusedWith(invalid("reason"))
			case t.Amount < 1 || t.Amount > there:
				return refusedWith(invalid("amount"))
			}
			parts := []ledger.Part{{Lot: t.Lot, Amount: t.Amount}}
			if t.Lot == 0 {
				parts = a.pay(t.Amount, now)
			}
			e := a.write(ledger.Entry{
				Kind:           ledger.KindGrant,
				Amount:         -t.Amount,
				Contra:         ledger.ContraIssued,
				LotKind:        ledger.LotAdjustment,
				CatalogVersion: m.prices.Version,
				Reference:      t.Reference,
				Parts:          negated(parts),
			}, now)
			a.notes[e.Seq] = ledger.Note{Reason: t.Reason, Metadata: t.Metadata}
			return Result{Entry: e}
		})
}

// calledBack is how many tokens of a purchase were revoked so far.
func (a *modelAccount) calledBack(purchase string) tokens.Amount {
	return tokens.Amount(a.references["revoked "+purchase])
}

// Freeze models the Freeze of a purchase.
func (m *Model) Freeze(id uuid.UUID, purchase string, frozen bool, now time.Time) Result {
	a := m.accounts[id]
	if a == nil || a.references["purchase "+purchase] == 0 {
		return refusedWith(refusal(problem.NotFound, "purchase_not_found"))
	}
	return m.execute(id, "", "", "", now, func(a *modelAccount, _ time.Time) Result {
		a.lot(a.references["purchase "+purchase]).frozen = frozen
		return Result{}
	})
}
