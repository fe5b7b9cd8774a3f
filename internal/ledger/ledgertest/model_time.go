package ledgertest

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// boundary is the k-th period boundary: k months after the anchor, at its local time, on its day or the last day of the
// month.
func (a *modelAccount) boundary(k int) time.Time {
	l := a.anchor.In(a.zone)
	year, month := l.Year(), int(l.Month())+k
	for month > 12 {
		year, month = year+1, month-12
	}
	for month < 1 {
		year, month = year-1, month+12
	}
	for day := l.Day(); ; day-- {
		if at := time.Date(year, time.Month(month), day, l.Hour(), l.Minute(), l.Second(), l.Nanosecond(),
			a.zone); at.Day() == day {
			return at.UTC()
		}
	}
}

// settle applies everything that is due, one instant after the other, with what follows from each.
func (a *modelAccount) settle(now time.Time, prices *catalog.Catalog) {
	for {
		at, first := a.nextDue(now, prices)
		if first == nil {
			return
		}
		a.applyThenReact(at, prices, func() {
			for soon, happen := at, first; happen != nil && soon.Equal(at); soon, happen = a.nextDue(now, prices) {
				happen()
			}
		})
	}
}

// nextDue is what is due first. At the same instant holds expire first, then lots, then a calendar month begins, then a
// period.
func (a *modelAccount) nextDue(now time.Time, prices *catalog.Catalog) (at time.Time, happen func()) {
	consider := func(due time.Time, f func()) {
		if !due.After(now) && (happen == nil || due.Before(at)) {
			at, happen = due, f
		}
	}
	for i := range a.holds {
		if h := &a.holds[i]; h.outcome == "" {
			consider(h.expires, func() { a.expireHold(h) })
		}
	}
	for _, l := range a.burnOrder() {
		if free := a.remaining(l.number) - a.heldOf(l.number); !l.expires.IsZero() && free > 0 {
			consider(l.expires, func() { a.expireLot(l, l.expires) })
		}
	}
	for i := range a.agents {
		if g := &a.agents[i]; g.state == ledger.AgentOverBudget && !a.isClosed() {
			due := a.nextMonth(g.since)
			consider(due, func() { a.resume(g, due) })
		}
	}
	if a.status == ledger.PlanActive && a.period >= 0 && !a.isClosed() {
		due := a.boundary(a.period + 1)
		consider(due, func() { a.beginPeriod(a.period+1, due, prices) })
	}
	return at, happen
}

// expireHold releases a hold that has timed out and emits the event.
func (a *modelAccount) expireHold(h *modelHold) {
	a.endHold(h, "hold_expired", ledger.Release{}, h.expires)
	data := map[string]any{
		"hold":    ledger.EntryID(a.id, h.entry.Seq),
		"feature": h.entry.Feature,
		"amount":  h.entry.HeldDelta.String(),
	}
	if h.entry.Agent != "" {
		data["agent"] = h.entry.Agent
	}
	if h.entry.Reference != "" {
		data["reference"] = h.entry.Reference
	}
	a.emit("hold.expired", h.expires, data)
}

// expireLot expires the part of a lot that is not held.
func (a *modelAccount) expireLot(l *modelLot, at time.Time) {
	free := a.remaining(l.number) - a.heldOf(l.number)
	a.write(ledger.Entry{
		Kind:      ledger.KindExpiry,
		Amount:    -free,
		Contra:    ledger.ContraExpired,
		LotKind:   l.kind,
		Reference: l.source,
		Parts:     []ledger.Part{{Lot: l.number, Amount: -free}},
	}, at)
}

// endHold releases a hold, with the outcome that it has from then on.
func (a *modelAccount) endHold(h *modelHold, how string, r ledger.Release, at time.Time) ledger.Entry {
	h.outcome = how
	e := a.write(ledger.Entry{
		Kind:           ledger.KindRelease,
		HeldDelta:      -h.entry.HeldDelta,
		Feature:        h.entry.Feature,
		Agent:          h.entry.Agent,
		Quantity:       h.entry.Quantity,
		UnitPrice:      h.entry.UnitPrice,
		CatalogVersion: h.entry.CatalogVersion,
		About:          h.entry.Seq,
		Parts:          negated(h.entry.Parts),
		Reference:      firstNonEmpty(r.Reference, h.entry.Reference),
	}, at)
	a.inherit(e.Seq, h.entry.Seq, r.Reason, r.Metadata)
	a.afterHold(h, at)
	return e
}

// afterHold collects what is owed from the freed part of a revoked lot, and expires the freed part of an expired one.
func (a *modelAccount) afterHold(h *modelHold, at time.Time) {
	for _, p := range h.entry.Parts {
		l := a.lot(p.Lot)
		if l.revoked {
			a.collectOwed(l, a.remaining(l.number)-a.heldOf(l.number), at)
		}
		if l.expired(at) && a.remaining(l.number) > a.heldOf(l.number) {
			a.expireLot(l, at)
		}
	}
}

// beginPeriod starts a period: the next plan replaces the current one, and its allowance is granted until the next
// boundary.
func (a *modelAccount) beginPeriod(k int, at time.Time, prices *catalog.Catalog) {
	a.period, a.granted = k, 0
	if a.next != "" {
		a.plan, a.next = a.next, ""
	}
	a.grantAllowance(at, prices)
}

// grantAllowance grants what the plan's allowance exceeds the grants of this period by.
func (a *modelAccount) grantAllowance(at time.Time, prices *catalog.Catalog) {
	more := allowanceOf(prices, a.plan) - a.granted
	if more <= 0 {
		return
	}
	a.granted += more
	a.addLot(modelLot{
		kind:    ledger.LotPlan,
		amount:  more,
		source:  a.plan,
		expires: a.boundary(a.period + 1),
	}, ledger.ContraIssued, prices, at)
}

func allowanceOf(prices *catalog.Catalog, plan string) tokens.Amount {
	for _, p := range prices.Plans {
		if p.ID == plan {
			return p.Allowance
		}
	}
	return -1
}

// SetPlan models engine.SetPlan. It opens an account that is unknown.
func (m *Model) SetPlan(id uuid.UUID, p ledger.SetPlan, now time.Time) Result {
	if p.Plan != "" && allowanceOf(m.prices, p.Plan) < 0 {
		return m.settleAndRefuse(id, now, refusedWith(invalid("plan")))
	}
	if !slices.Contains([]ledger.PlanStatus{"", "active", "past_due", "canceled"}, p.Status) {
		return m.settleAndRefuse(id, now, refusedWith(invalid("plan_status")))
	}
	if m.accounts[id] == nil {
		return m.open(id, p, now)
	}
	return m.execute(id, "", "", "", now, func(a *modelAccount, now time.Time) Result {
		switch {
		case !p.Anchor.IsZero() && !p.Anchor.Equal(a.anchor):
			return refusedWith(invalid("billing_anchor"))
		case p.Zone != "" && p.Zone != a.zone.String():
			return refusedWith(invalid("billing_zone"))
		case p.Stay && p.Plan != "" && p.Plan != a.plan:
			return refusedWith(invalid("next_plan"))
		}
		plan, next, status := a.plan, a.next, a.status
		if p.Stay {
			next = ""
		}
		switch {
		case p.Plan == "" || p.Plan == a.plan: // a plan that is not changed changes nothing
		case allowanceOf(m.prices, p.Plan) < allowanceOf(m.prices, a.plan):
			next = p.Plan
		default:
			plan, next = p.Plan, ""
		}
		if p.Status != "" {
			status = p.Status
		}
		if plan == a.plan && next == a.next && status == a.status {
			return Result{}
		}
		if a.isClosed() {
			return refusedWith(errClosed)
		}
		a.plan, a.next, a.status = plan, next, status
		a.ensurePeriod(now, m.prices)
		return Result{}
	})
}

// settleAndRefuse settles before it refuses, as the ledger does.
func (m *Model) settleAndRefuse(id uuid.UUID, now time.Time, r Result) Result {
	if m.accounts[id] == nil {
		return r
	}
	return m.execute(id, "", "", "", now, func(*modelAccount, time.Time) Result { return r })
}

func (m *Model) open(id uuid.UUID, p ledger.SetPlan, now time.Time) Result {
	zone, err := time.LoadLocation(p.Zone)
	switch {
	case p.Plan == "":
		return refusedWith(invalid("plan"))
	case err != nil:
		return refusedWith(invalid("billing_zone"))
	case p.Anchor.After(now):
		return refusedWith(invalid("billing_anchor"))
	}
	a := &modelAccount{
		id:         id,
		plan:       p.Plan,
		status:     ledger.PlanActive,
		anchor:     p.Anchor,
		zone:       zone,
		period:     -1,
		notes:      map[int64]ledger.Note{},
		balances:   map[int64]ledger.Balance{},
		keys:       map[string]modelKey{},
		references: map[string]int64{},
	}
	if a.anchor.IsZero() {
		a.anchor = now
	}
	if p.Status != "" {
		a.status = p.Status
	}
	m.accounts[id] = a
	a.applyThenReact(now, m.prices, func() { a.ensurePeriod(now, m.prices) })
	return Result{}
}

// ensurePeriod begins the current period and grants its allowance, if the plan is paid.
func (a *modelAccount) ensurePeriod(now time.Time, prices *catalog.Catalog) {
	if a.status != ledger.PlanActive {
		return
	}
	k := 0
	for !now.Before(a.boundary(k + 1)) {
		k++
	}
	if k > a.period {
		a.beginPeriod(k, now, prices)
		return
	}
	a.grantAllowance(now, prices)
}
