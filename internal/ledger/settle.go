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
func (s *State) settle(now time.Time, prices *catalog.Catalog) {
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
func (s *State) expireAt(due time.Time) bool {
	found := false
	for i := range s.lots {
		l := &s.lots[i]
		gone := l.Remaining - l.Held
		if !l.ExpiresAt.Equal(due) || gone == 0 {
			continue
		}
		found = true
		s.expire(l, gone, due)
	}
	return found
}

// expire ends some tokens of a lot.
func (s *State) expire(l *lot, gone tokens.Amount, now time.Time) {
	l.Remaining -= gone
	for _, p := range s.pastEntries {
		if l.Kind == LotPurchase && p.Entry.Kind == KindGrant && p.Entry.Reference == l.Source {
			p.Expired += gone
		}
	}
	s.append(Entry{
		Kind:      KindExpiry,
		Amount:    -gone,
		Contra:    ContraExpired,
		LotKind:   l.Kind,
		Reference: l.Source,
		Parts:     []Part{{Lot: l.Number, Amount: -gone}},
	}, now)
}

// startPeriod begins the next billing period: a waiting downgrade takes effect and the allowance is
// granted, as the catalog was when the period began, however long ago that is. A plan that was not
// in it gives nothing.
func (s *State) startPeriod(due time.Time, prices *catalog.Catalog) {
	s.beginPeriod(s.Period + 1)
	s.grantAllowance(due, prices.At(due), false)
}

func (s *State) beginPeriod(k int) {
	s.Period, s.PeriodGranted, s.changed = k, 0, true
	if s.NextPlan != "" {
		s.Plan, s.NextPlan = s.NextPlan, ""
	}
}

// grantAllowance grants what the plan gives above the highest allowance already granted in this
// period: all of it at the start, the difference after an upgrade midway (or the part of it that is
// left of the period, where the catalog says so), nothing after flipping back and forth. The
// permanent reference makes it once only, whatever happens around it; it names the allowance too,
// which the operator may raise within a period.
func (s *State) grantAllowance(now time.Time, prices *catalog.Catalog, midway bool) {
	plan, ok := prices.Plan(s.Plan)
	more := plan.Allowance - s.PeriodGranted
	if !ok || more <= 0 {
		return
	}
	reference := strconv.Itoa(s.Period)
	if s.PeriodGranted > 0 {
		reference += ":" + s.Plan + ":" + plan.Allowance.String()
	}
	ends := Boundary(s.Anchor, s.Zone, s.Period+1)
	if midway && prices.Upgrade == catalog.UpgradeProrated {
		more = prorated(more, ends.Sub(now), ends.Sub(Boundary(s.Anchor, s.Zone, s.Period)))
	}
	// Also when the share is nothing: the next upgrade counts from the allowance that this one came up to.
	if s.PeriodGranted, s.changed = plan.Allowance, true; more == 0 {
		return
	}
	s.grant(Lot{
		Kind:        LotPlan,
		Amount:      more,
		Source:      s.Plan,
		EffectiveAt: now,
		ExpiresAt:   ends,
	}, prices, now)
	s.refs = append(s.refs, PermanentReference{
		Scope:     "period",
		Reference: reference,
		Seq:       s.Seq,
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
func (s *State) grant(l Lot, prices *catalog.Catalog, now time.Time) *Entry {
	l.Number, l.Remaining = s.Seq+1, l.Amount
	s.addLot(lot{Lot: l, added: true})
	s.grants++
	e := s.append(Entry{
		Kind:           KindGrant,
		Amount:         l.Amount,
		Contra:         l.Kind.contra(),
		LotKind:        l.Kind,
		Reference:      l.Source,
		CatalogVersion: prices.Version,
		Parts:          []Part{{Lot: l.Number, Amount: l.Amount}},
	}, now)
	s.tellGrant(e)
	return e
}
