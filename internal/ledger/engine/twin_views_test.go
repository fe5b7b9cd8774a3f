package engine_test

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
)

// settled is the account as it stands at an instant; nothing is written.
func (w *twin) settled(id uuid.UUID, now time.Time) (*twinAccount, time.Time) {
	a := w.accounts[id].copied()
	a.notes = maps.Clone(a.notes)
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, w.prices)
	return a, now
}

// view is what the account's page shows.
func (w *twin) view(id uuid.UUID, now time.Time) ledger.Account {
	a, now := w.settled(id, now)
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
		Level:       a.levelNow(now, w.prices),
		Threshold:   a.lowBelow(w.prices),
		Agents:      len(a.agents),
		Reserved:    a.reserved(),
	}
	for _, g := range a.agents {
		v.Paused += bit(g.state == ledger.AgentOutOfToken)
		v.OverBudget += bit(g.state == ledger.AgentOverBudget)
	}
	if a.status == ledger.PlanActive && !a.over() {
		v.NextReset = a.month(a.period + 1)
	}
	for _, l := range a.burning() {
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
		v.Holds += bit(h.ended == "")
	}
	return v
}

// write settles for good, as a look into the history does.
func (w *twin) write(id uuid.UUID, now time.Time) *twinAccount {
	a := w.accounts[id]
	if now.Before(a.last) {
		now = a.last
	}
	a.settle(now, w.prices)
	return a
}

// senseless names the field of a filter that nothing can match; empty: there is none.
func (w *twin) senseless(id uuid.UUID, f ledger.Filter) string {
	switch {
	case !f.From.IsZero() && !f.To.IsZero() && !f.From.Before(f.To):
		return "from"
	case f.Agent != "" && w.accounts[id].agent(f.Agent) == nil:
		return "agent"
	}
	return ""
}

func (w *twin) history(id uuid.UUID, f ledger.Filter, now time.Time) (lines []ledger.Entry) {
	for _, e := range slices.Backward(w.write(id, now).entries) {
		if (f.Kinds == nil || slices.Contains(f.Kinds, e.Kind)) &&
			(f.LotKinds == nil || slices.Contains(f.LotKinds, e.LotKind)) &&
			(f.Feature == "" || f.Feature == e.Feature) && (f.Reference == "" || f.Reference == e.Reference) &&
			(f.Agent == "" || f.Agent == e.Agent) &&
			!e.At.Before(f.From) && (f.To.IsZero() || e.At.Before(f.To)) {
			lines = append(lines, e)
		}
	}
	return lines
}

func (w *twin) balanceAt(id uuid.UUID, at, now time.Time) (b ledger.Balance) {
	for _, e := range w.write(id, now).entries {
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

// usage adds up work by day, feature and agent, and what was returned of it, on the day of the work.
func (w *twin) usage(id uuid.UUID, from, to time.Time) []ledger.Usage {
	var list []ledger.Usage
	for _, e := range w.accounts[id].entries {
		work := e
		if e.Kind == ledger.KindRefund {
			work = w.accounts[id].entries[e.About-1]
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

func (w *twin) declinedOn(id uuid.UUID, day time.Time) (list []ledger.Declined) {
	for _, d := range slices.Backward(w.accounts[id].declined) {
		if d.Day.Equal(day) {
			list = append(list, d)
		}
	}
	return list
}
