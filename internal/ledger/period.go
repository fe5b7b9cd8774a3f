package ledger

import (
	"math/bits"
	"strconv"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// startPeriod begins the next billing period: a waiting downgrade takes effect and the allowance is
// granted, as the catalog was when the period began, however long ago that is. A plan that was not
// in it gives nothing.
func (s *State) startPeriod(due time.Time, prices *catalog.Catalog) {
	s.setPeriod(s.Period + 1)
	s.grantAllowance(due, prices.At(due), false)
}

func (s *State) setPeriod(k int) {
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
func prorated(amount tokens.Amount, left, total time.Duration) tokens.Amount {
	if left <= 0 || total <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(min(left, total)))
	share, _ := bits.Div64(high, low, uint64(total))
	return tokens.Amount(share)
}

// grantCurrentPeriod grants, while the plan is paid for, what is still missing of the allowance of the
// period that holds now. Periods that passed while it was not paid for are not made up for, and a
// downgrade that waits takes effect with the period that is paid at last. An account has no period
// before its first, even for a server whose clock is behind that of the one which opened it.
// gaveNothing says that the plan until now has an allowance of zero: of that, everything was
// granted.
func (s *State) grantCurrentPeriod(now time.Time, prices *catalog.Catalog, fromZeroAllowance bool) {
	if s.PlanStatus != PlanActive {
		return
	}
	midway := s.PeriodGranted > 0 || fromZeroAllowance
	if current := max(periodAt(s.Anchor, s.Zone, now), 0); current > s.Period {
		s.setPeriod(current)
		midway = false
	}
	s.grantAllowance(now, prices, midway)
}
