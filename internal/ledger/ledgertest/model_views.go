package ledgertest

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
)

// settledAt is a copy of the account, settled at an instant. Nothing is written.
func (m *Model) settledAt(id uuid.UUID, now time.Time) (*modelAccount, time.Time) {
	a := m.accounts[id].clone()
	a.notes = maps.Clone(a.notes)
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, m.prices)
	return a, now
}

// Account is what the engine's Account returns.
func (m *Model) Account(id uuid.UUID, now time.Time) ledger.Account {
	a, now := m.settledAt(id, now)
	v := ledger.Account{
		ID:          id,
		Plan:        a.plan,
		NextPlan:    a.next,
		PlanStatus:  a.status,
		ClosedAt:    a.closed,
		Anchor:      a.anchor,
		BillingZone: a.zone,
		Spendable:   a.spendable(now),
		Held:        a.held(),
		Total:       a.balance(),
		Owed:        a.owed,
		Seq:         int64(len(a.entries)),
		LastAt:      a.last,
		Level:       a.levelNow(now, m.prices),
		Threshold:   a.lowThreshold(m.prices),
		Agents:      len(a.agents),
		Reserved:    a.reserved(),
	}
	for _, g := range a.agents {
		v.Paused += countTrue(g.state == ledger.AgentOutOfToken)
		v.OverBudget += countTrue(g.state == ledger.AgentOverBudget)
	}
	if a.status == ledger.PlanActive && !a.isClosed() {
		v.NextReset = a.boundary(a.period + 1)
	}
	for _, l := range a.burnOrder() {
		v.NewestLot = max(v.NewestLot, l.number)
		if remaining := a.remaining(l.number); remaining > 0 {
			v.Lots = append(v.Lots, ledger.Lot{
				Number:      l.number,
				Kind:        l.kind,
				Amount:      l.amount,
				Remaining:   remaining,
				Held:        a.heldOf(l.number),
				EffectiveAt: l.effective,
				ExpiresAt:   l.expires,
				Frozen:      l.frozen,
				Source:      l.source,
			})
		}
	}
	for _, l := range a.lots {
		v.NewestLot = max(v.NewestLot, l.number)
	}
	for _, h := range a.holds {
		v.Holds += countTrue(h.outcome == "")
	}
	return v
}

// Settle writes everything that is due, as a read of the history does.
func (m *Model) Settle(id uuid.UUID, now time.Time) *modelAccount {
	a := m.accounts[id]
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, m.prices)
	return a
}

// invalidFilter is the field of a filter that cannot match anything, empty if there is none.
func (m *Model) invalidFilter(id uuid.UUID, filter ledger.Filter) string {
	switch {
	case !filter.From.IsZero() && !filter.To.IsZero() && !filter.From.Before(filter.To):
		return "from"
	case filter.Agent != "" && m.accounts[id].agent(filter.Agent) == nil:
		return "agent"
	}
	return ""
}

// History lists the entries that match a filter, newest first. It settles first.
func (m *Model) History(id uuid.UUID, filter ledger.Filter, now time.Time) (lines []ledger.Entry) {
	for _, e := range slices.Backward(m.Settle(id, now).entries) {
		if (filter.Kinds == nil || slices.Contains(filter.Kinds, e.Kind)) &&
			(filter.LotKinds == nil || slices.Contains(filter.LotKinds, e.LotKind)) &&
			(filter.Feature == "" || filter.Feature == e.Feature) && (filter.Reference == "" || filter.Reference == e.Reference) &&
			(filter.Agent == "" || filter.Agent == e.Agent) &&
			!e.At.Before(filter.From) && (filter.To.IsZero() || e.At.Before(filter.To)) {
			lines = append(lines, e)
		}
	}
	return lines
}

// BalanceAt is the balance after the last entry before an instant. It settles first.
func (m *Model) BalanceAt(id uuid.UUID, at, now time.Time) (b ledger.Balance) {
	for _, e := range m.Settle(id, now).entries {
		if e.At.Before(at) {
			b = ledger.Balance{
				Spendable: e.SpendableAfter,
				Held:      e.HeldAfter,
				Total:     e.BalanceAfter,
			}
		}
	}
	return b
}

// Usage adds up charges and captures by day, feature and agent. Refunds count on the day of the charge.
func (m *Model) Usage(id uuid.UUID, from, to time.Time) []ledger.Usage {
	var list []ledger.Usage
	for _, e := range m.accounts[id].entries {
		work := e
		if e.Kind == ledger.KindRefund {
			work = m.accounts[id].entries[e.About-1]
		}
		if e.Contra != ledger.ContraSpent || work.Day.Before(from) || !work.Day.Before(to) {
			continue
		}
		i := slices.IndexFunc(list, func(u ledger.Usage) bool {
			return u.Day.Equal(work.Day) && u.Feature == e.Feature && u.Agent == e.Agent
		})
		if i < 0 {
			list = append(list, ledger.Usage{
				Day:     work.Day,
				Feature: e.Feature,
				Agent:   e.Agent,
			})
			i = len(list) - 1
		}
		if e.Kind == ledger.KindRefund {
			list[i].Returned += e.Amount
			continue
		}
		list[i].Amount -= e.Amount
		list[i].Quantity += e.Quantity
		list[i].Count++
	}
	slices.SortFunc(list, func(x, y ledger.Usage) int {
		return cmp.Or(x.Day.Compare(y.Day), cmp.Compare(x.Feature, y.Feature), cmp.Compare(x.Agent, y.Agent))
	})
	return list
}

// DeclinedOn lists the declined attempts of a day, newest first.
func (m *Model) DeclinedOn(id uuid.UUID, day time.Time) (list []ledger.Declined) {
	for _, d := range slices.Backward(m.accounts[id].declined) {
		if d.Day.Equal(day) {
			list = append(list, d)
		}
	}
	return list
}

// OpenHolds lists the open holds, newest first.
func (m *Model) OpenHolds(id uuid.UUID, now time.Time) (list []ledger.HoldInfo) {
	a := m.Settle(id, now)
	for i := range slices.Backward(a.holds) {
		if h := &a.holds[i]; h.outcome == "" {
			list = append(list, a.holdInfo(h))
		}
	}
	return list
}

// HoldInfo is a hold by its seq, open or not.
func (m *Model) HoldInfo(id uuid.UUID, number int64) (ledger.HoldInfo, bool) {
	a := m.accounts[id]
	for i := range a.holds {
		if h := &a.holds[i]; h.entry.Seq == number {
			return a.holdInfo(h), true
		}
	}
	return ledger.HoldInfo{}, false
}

func (a *modelAccount) holdInfo(h *modelHold) ledger.HoldInfo {
	outcomes := map[string]ledger.Kind{
		"hold_captured": ledger.KindCapture,
		"hold_released": ledger.KindRelease,
		"hold_expired":  ledger.KindExpiry,
	}
	e, note := h.entry, a.notes[h.entry.Seq]
	return ledger.HoldInfo{
		Number:         e.Seq,
		At:             e.At,
		ExpiresAt:      h.expires,
		Outcome:        outcomes[h.outcome],
		Amount:         e.HeldDelta,
		Feature:        e.Feature,
		Agent:          e.Agent,
		Quantity:       e.Quantity,
		UnitPrice:      e.UnitPrice,
		CatalogVersion: e.CatalogVersion,
		Reference:      e.Reference,
		Reason:         note.Reason,
		Metadata:       note.Metadata,
		Parts:          e.Parts,
	}
}
