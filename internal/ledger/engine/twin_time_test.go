package engine_test

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// month is the k-th boundary: as many months after the anchor, on its day or the month's last, at
// its local time.
func (a *twinAccount) month(k int) time.Time {
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

// settle lets everything happen that is due, instant after instant, with all that follows from it.
func (a *twinAccount) settle(now time.Time, prices *catalog.Catalog) {
	for {
		at, first := a.nextThing(now, prices)
		if first == nil {
			return
		}
		a.meanwhile(at, prices, func() {
			for soon, happen := at, first; happen != nil && soon.Equal(at); soon, happen = a.nextThing(now, prices) {
				happen()
			}
		})
	}
}

// nextThing is what is due first: at one instant holds time out, then lots end, then a calendar
// month begins, then a period.
func (a *twinAccount) nextThing(now time.Time, prices *catalog.Catalog) (at time.Time, happen func()) {
	consider := func(due time.Time, f func()) {
		if !due.After(now) && (happen == nil || due.Before(at)) {
			at, happen = due, f
		}
	}
	for i := range a.holds {
		if h := &a.holds[i]; h.ended == "" {
			consider(h.expires, func() { a.timeOut(h) })
		}
	}
	for _, l := range a.burning() {
		if free := a.remaining(l.number) - a.heldOf(l.number); !l.expires.IsZero() && free > 0 {
			consider(l.expires, func() { a.end(l, l.expires) })
		}
	}
	for i := range a.agents {
		if g := &a.agents[i]; g.state == ledger.AgentOverBudget && !a.over() {
			due := a.monthAfter(g.since)
			consider(due, func() { a.resume(g, due) })
		}
	}
	if a.status == ledger.PlanActive && a.period >= 0 && !a.over() {
		due := a.month(a.period + 1)
		consider(due, func() { a.begin(a.period+1, due, prices) })
	}
	return at, happen
}

// timeOut releases a hold whose time is over, and tells.
func (a *twinAccount) timeOut(h *twinHold) {
	a.letGo(h, "hold_expired", ledger.Release{}, h.expires)
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
	a.tell("hold.expired", h.expires, data)
}

// end expires what is free of a lot.
func (a *twinAccount) end(l *twinLot, at time.Time) {
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

// letGo releases a hold.
func (a *twinAccount) letGo(h *twinHold, how string, r ledger.Release, at time.Time) ledger.Entry {
	h.ended = how
	e := a.write(ledger.Entry{
		Kind:           ledger.KindRelease,
		HeldDelta:      -h.entry.HeldDelta,
		Feature:        h.entry.Feature,
		Agent:          h.entry.Agent,
		Quantity:       h.entry.Quantity,
		UnitPrice:      h.entry.UnitPrice,
		CatalogVersion: h.entry.CatalogVersion,
		About:          h.entry.Seq,
		Parts:          negative(h.entry.Parts),
		Reference:      given(r.Reference, h.entry.Reference),
	}, at)
	a.inherit(e.Seq, h.entry.Seq, r.Reason, r.Metadata)
	a.afterHold(h, at)
	return e
}

// afterHold: what came free of a revoked lot pays what is owed; what came free of an ended one then expires.
func (a *twinAccount) afterHold(h *twinHold, at time.Time) {
	for _, p := range h.entry.Parts {
		l := a.lot(p.Lot)
		if l.revoked {
			a.payOwed(l, a.remaining(l.number)-a.heldOf(l.number), at)
		}
		if l.over(at) && a.remaining(l.number) > a.heldOf(l.number) {
			a.end(l, at)
		}
	}
}

// begin starts a period: a waiting plan comes into force, its allowance is granted until the next boundary.
func (a *twinAccount) begin(k int, at time.Time, prices *catalog.Catalog) {
	a.period, a.granted = k, 0
	if a.next != "" {
		a.plan, a.next = a.next, ""
	}
	a.topUp(at, prices)
}

// topUp grants what the plan gives above what was granted in this period.
func (a *twinAccount) topUp(at time.Time, prices *catalog.Catalog) {
	more := allowanceOf(prices, a.plan) - a.granted
	if more <= 0 {
		return
	}
	a.granted += more
	a.fill(twinLot{
		kind:    ledger.LotPlan,
		amount:  more,
		source:  a.plan,
		expires: a.month(a.period + 1),
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

func (w *twin) setPlan(id uuid.UUID, p ledger.SetPlan, now time.Time) result {
	if p.Plan != "" && allowanceOf(w.prices, p.Plan) < 0 {
		return w.settleThen(id, now, refused(invalid("plan")))
	}
	if !slices.Contains([]ledger.PlanStatus{"", "active", "past_due", "canceled"}, p.Status) {
		return w.settleThen(id, now, refused(invalid("plan_status")))
	}
	if w.accounts[id] == nil {
		return w.open(id, p, now)
	}
	return w.do(id, "", "", "", now, func(a *twinAccount, now time.Time) result {
		switch {
		case !p.Anchor.IsZero() && !p.Anchor.Equal(a.anchor):
			return refused(invalid("billing_anchor"))
		case p.Zone != "" && p.Zone != a.zone.String():
			return refused(invalid("billing_zone"))
		case p.Stay && p.Plan != "" && p.Plan != a.plan:
			return refused(invalid("next_plan"))
		}
		plan, next, status := a.plan, a.next, a.status
		if p.Stay {
			next = ""
		}
		switch {
		case p.Plan == "" || p.Plan == a.plan: // a plan that is not changed changes nothing
		case allowanceOf(w.prices, p.Plan) < allowanceOf(w.prices, a.plan):
			next = p.Plan
		default:
			plan, next = p.Plan, ""
		}
		if p.Status != "" {
			status = p.Status
		}
		if plan == a.plan && next == a.next && status == a.status {
			return result{}
		}
		if a.over() {
			return refused(errTwinClosed)
		}
		a.plan, a.next, a.status = plan, next, status
		a.present(now, w.prices)
		return result{}
	})
}

// settleThen: a request that is refused has been settled before all the same.
func (w *twin) settleThen(id uuid.UUID, now time.Time, r result) result {
	if w.accounts[id] == nil {
		return r
	}
	return w.do(id, "", "", "", now, func(*twinAccount, time.Time) result { return r })
}

func (w *twin) open(id uuid.UUID, p ledger.SetPlan, now time.Time) result {
	zone, err := time.LoadLocation(p.Zone)
	switch {
	case p.Plan == "":
		return refused(invalid("plan"))
	case err != nil:
		return refused(invalid("billing_zone"))
	case p.Anchor.After(now):
		return refused(invalid("billing_anchor"))
	}
	a := &twinAccount{
		id:         id,
		plan:       p.Plan,
		status:     ledger.PlanActive,
		anchor:     p.Anchor,
		zone:       zone,
		period:     -1,
		notes:      map[int64]ledger.Note{},
		after:      map[int64]ledger.Balance{},
		keys:       map[string]twinKey{},
		references: map[string]int64{},
	}
	if a.anchor.IsZero() {
		a.anchor = now
	}
	if p.Status != "" {
		a.status = p.Status
	}
	w.accounts[id] = a
	a.meanwhile(now, w.prices, func() { a.present(now, w.prices) })
	return result{}
}

// present makes sure, while the plan is paid for, that the period that holds now has begun and its
// allowance is granted.
func (a *twinAccount) present(now time.Time, prices *catalog.Catalog) {
	if a.status != ledger.PlanActive {
		return
	}
	k := 0
	for !now.Before(a.month(k + 1)) {
		k++
	}
	if k > a.period {
		a.begin(k, now, prices)
		return
	}
	a.topUp(now, prices)
}
