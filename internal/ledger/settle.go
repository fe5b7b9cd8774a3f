package ledger

import (
	"math/bits"
	"strconv"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// settle brings the account to now: everything that fell due since it was last touched happens in
// time order, at the instant at which it fell due. At one instant, what ends comes before what
// begins, and conclusions are drawn from both together: a reset is no empty balance. So who asks at
// the second of a reset is not turned away, and what is told does not depend on when somebody
// looked.
func (s *state) settle(now time.Time, prices *catalog.Catalog) {
	for due := s.nextDue(); !due.IsZero() && !due.After(now); due = s.nextDue() {
		before := s.arrivals(due)
		for next := due; next.Equal(due); next = s.nextDue() {
			if !s.timeOutHolds(due) && !s.expireAt(due) && !s.startMonth(due) {
				s.startPeriod(due, prices)
			}
		}
		s.follow(before, due, prices.At(due))
	}
}

// expireAt ends the lots whose time has come at the instant and says whether there were any. What
// is held of a lot stays for the job that holds it.
func (s *state) expireAt(due time.Time) bool {
	found := false
	for i := range s.lots {
		l := &s.lots[i]
		gone := l.remaining - l.held
		if !l.expiresAt.Equal(due) || gone == 0 {
			continue
		}
		found = true
		s.expire(l, gone, due)
	}
	return found
}

// expire ends some tokens of a lot.
func (s *state) expire(l *lot, gone tokens.Amount, now time.Time) {
	l.remaining -= gone
	for _, p := range s.past {
		if l.kind == LotPurchase && p.entry.Kind == KindGrant && p.entry.Reference == l.source {
			p.expired += gone
		}
	}
	s.append(Entry{
		Kind:      KindExpiry,
		Amount:    -gone,
		Contra:    ContraExpired,
		LotKind:   l.kind,
		Reference: l.source,
		Parts:     []Part{{Lot: l.number, Amount: -gone}},
	}, now)
}

// startPeriod begins the next billing period: a waiting downgrade takes effect and the allowance is
// granted, as the catalog was when the period began, however long ago that is. A plan that was not
// in it gives nothing.
func (s *state) startPeriod(due time.Time, prices *catalog.Catalog) {
	s.beginPeriod(s.period + 1)
	s.grantAllowance(due, prices.At(due), false)
}

func (s *state) beginPeriod(k int) {
	s.period, s.periodGranted, s.changed = k, 0, true
	if s.nextPlan != "" {
		s.plan, s.nextPlan = s.nextPlan, ""
	}
}

// grantAllowance grants what the plan gives above the highest allowance already granted in this
// period: all of it at the start, the difference after an upgrade midway (or the part of it that is
// left of the period, where the catalog says so), nothing after flipping back and forth. The
// permanent reference makes it once only, whatever happens around it; it names the allowance too,
// which the operator may raise within a period.
func (s *state) grantAllowance(now time.Time, prices *catalog.Catalog, midway bool) {
	plan, ok := prices.Plan(s.plan)
	more := plan.Allowance - s.periodGranted
	if !ok || more <= 0 {
		return
	}
	reference := strconv.Itoa(s.period)
	if s.periodGranted > 0 {
		reference += ":" + s.plan + ":" + plan.Allowance.String()
	}
	ends := Boundary(s.anchor, s.zone, s.period+1)
	if midway && prices.Upgrade == catalog.UpgradeProrated {
		more = prorated(more, ends.Sub(now), ends.Sub(Boundary(s.anchor, s.zone, s.period)))
	}
	// Also when the share is nothing: the next upgrade counts from the allowance that this one came up to.
	if s.periodGranted, s.changed = plan.Allowance, true; more == 0 {
		return
	}
	s.grant(lot{
		kind:        LotPlan,
		amount:      more,
		source:      s.plan,
		effectiveAt: now,
		expiresAt:   ends,
	}, prices, now)
	s.refs = append(s.refs, permanent{
		scope:     "period",
		reference: reference,
		seq:       s.seq,
	})
}

// prorated is the share of an amount that is left of a period, rounded down to millionths: never
// more than all of it, never less than nothing. The product has 128 bits, so that no amount is too
// large and none is rounded twice.
func prorated(amount tokens.Amount, left, whole time.Duration) tokens.Amount {
	if left <= 0 || whole <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(min(left, whole)))
	share, _ := bits.Div64(high, low, uint64(whole))
	return tokens.Amount(share)
}

// grant adds a lot and its entry. The lot's number is the entry's seq.
func (s *state) grant(l lot, prices *catalog.Catalog, now time.Time) *Entry {
	l.number, l.remaining = s.seq+1, l.amount
	s.addLot(l)
	s.grants++
	e := s.append(Entry{
		Kind:           KindGrant,
		Amount:         l.amount,
		Contra:         l.kind.contra(),
		LotKind:        l.kind,
		Reference:      l.source,
		CatalogVersion: prices.Version,
		Parts:          []Part{{Lot: l.number, Amount: l.amount}},
	}, now)
	s.tellGrant(e)
	return e
}
