package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
)

// PlanStatus says whether the host platform is being paid for the plan.
type PlanStatus string

// The two statuses. While past due no allowance is granted; tokens that are there stay spendable.
const (
	PlanActive  PlanStatus = "active"
	PlanPastDue PlanStatus = "past_due"
)

// SetPlan opens an account or changes its plan. Zero fields stay as they are.
type SetPlan struct {
	Plan   string
	Status PlanStatus
	// Anchor and Zone are set when the account is opened (by default: now, UTC) and can never change afterwards.
	Anchor time.Time
	Zone   string
}

func (p *SetPlan) needs(*catalog.Catalog) needs { return needs{whole: true, opens: true} }

func (p *SetPlan) decide(s *state, now time.Time, prices *catalog.Catalog) (Entry, error) {
	plan, ok := prices.Plan(p.Plan)
	switch {
	case p.Plan != "" && !ok:
		return Entry{}, problem.Invalid("plan", "is not in the catalog")
	case p.Status != "" && p.Status != PlanActive && p.Status != PlanPastDue:
		return Entry{}, problem.Invalid("plan_status", `must be "active" or "past_due"`)
	case s.exists:
		return Entry{}, p.change(s, plan, now, prices)
	case p.Plan == "":
		return Entry{}, problem.Invalid("plan", "is needed for a new account")
	}
	return Entry{}, p.open(s, now, prices)
}

// open sets up a new account. Its first allowance comes at once, for the period that holds now.
func (p *SetPlan) open(s *state, now time.Time, prices *catalog.Catalog) error {
	zone, err := LoadZone(p.Zone)
	if err != nil {
		return problem.Invalid("billing_zone", "must be a time zone such as \"Europe/Paris\"")
	}
	anchor := p.Anchor
	if anchor.IsZero() {
		anchor = now
	}
	if anchor.After(now) || anchor.Before(earliestAnchor) {
		return problem.Invalid("billing_anchor", "must be between %s and now", earliestAnchor.Format(time.DateOnly))
	}
	s.exists, s.changed = true, true
	s.plan, s.status, s.anchor, s.zone = p.Plan, PlanActive, anchor, zone
	if p.Status != "" {
		s.status = p.Status
	}
	s.enterPeriod(now, prices)
	return nil
}

// earliestAnchor is before every creator platform; it only keeps periods countable.
var earliestAnchor = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (p *SetPlan) change(s *state, plan catalog.Plan, now time.Time, prices *catalog.Catalog) error {
	if !p.Anchor.IsZero() && !p.Anchor.Equal(s.anchor) {
		return problem.Invalid("billing_anchor", "cannot change once the account is open")
	}
	if p.Zone != "" && p.Zone != s.zone.String() {
		return problem.Invalid("billing_zone", "cannot change once the account is open")
	}
	if p.Plan != "" {
		s.switchPlan(plan, prices)
	}
	if p.Status != "" {
		s.status = p.Status
	}
	s.changed = true
	s.enterPeriod(now, prices)
	return nil
}

// switchPlan upgrades at once; a downgrade waits for the next boundary.
func (s *state) switchPlan(to catalog.Plan, prices *catalog.Catalog) {
	from, _ := prices.Plan(s.plan)
	if to.Allowance < from.Allowance {
		s.nextPlan = to.ID
		return
	}
	s.plan, s.nextPlan = to.ID, ""
}

// enterPeriod grants, while the plan is paid for, what is still missing of the allowance of the period that holds now. Periods that
// passed while it was not paid for are not made up for.
func (s *state) enterPeriod(now time.Time, prices *catalog.Catalog) {
	if s.status != PlanActive {
		return
	}
	if current := periodAt(s.anchor, s.zone, now); current > s.period {
		s.beginPeriod(current)
	}
	s.grantAllowance(now, prices)
}
