package ledger

import (
	"math/bits"
	"strconv"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// startPeriod begins the next billing period: it applies a pending downgrade and grants the allowance by
// the catalog in force when the period began. A plan missing from that catalog grants nothing.
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

// grantAllowance grants the plan's allowance less the highest one already granted in this period. At the
// start that is all of it; after an upgrade it is the difference, prorated where the catalog says so; after
// switching back and forth it is nothing. The permanent reference prevents a second grant. It includes the
// allowance, since the operator may raise it within a period.
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
	// Set even when the prorated share is zero: the next upgrade counts from this allowance.
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

// prorated is the share of an amount for the rest of a period, rounded down to millionths. It multiplies in
// 128 bits, so it neither overflows nor rounds twice.
func prorated(amount tokens.Amount, left, total time.Duration) tokens.Amount {
	if left <= 0 || total <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(amount), uint64(min(left, total)))
	share, _ := bits.Div64(high, low, uint64(total))
	return tokens.Amount(share)
}

// grantCurrentPeriod grants what is missing of the current period's allowance if the plan is paid for.
// Periods that passed unpaid are not made up for; a pending downgrade takes effect with the first paid one.
// The period is never negative, even if this server's clock is behind that of the server which opened the
// account. fromZeroAllowance says that the previous plan has an allowance of zero, so that an upgrade
// counts as midway.
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
