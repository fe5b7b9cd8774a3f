package ledger

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
)

// SetPlan opens an account or changes its plan. Zero fields stay as they are.
type SetPlan struct {
	Plan   string
	Status PlanStatus
	// Stay cancels a pending downgrade. Sending the present plan does not, so that a host can repeat what
	// it knows.
	Stay bool
	// Anchor and Zone are set when the account is opened (defaults: now and OpeningZone) and cannot change
	// afterwards.
	Anchor time.Time
	Zone   string
	// OpeningZone is the creator's own zone: the billing zone of a new account if Zone is empty. The
	// default is UTC. An open account ignores it.
	OpeningZone string
}

func (p *SetPlan) openingZone() (*time.Location, error) {
	return LoadZone(cmp.Or(p.Zone, p.OpeningZone))
}

// Needs implements Operation.
func (p *SetPlan) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, MayOpen: true} }

func (p *SetPlan) decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	if s.Exists() {
		return Outcome{}, p.change(s, now, prices)
	}
	if err := p.Check(prices, now); err != nil {
		return Outcome{}, err
	}
	if err := p.open(s, now, prices); err != nil {
		return Outcome{}, err
	}
	return Outcome{Opened: true}, nil
}

// Check returns why the request cannot open an account, or nil, for callers that write something first. The
// ledger checks again.
func (p *SetPlan) Check(prices *catalog.Catalog, now time.Time) error {
	if err := p.checkKnown(prices); err != nil {
		return err
	}
	if p.Plan == "" {
		return problem.Invalid("plan", "is needed for a new account")
	}
	if _, err := p.openingZone(); err != nil {
		return problem.Invalid("billing_zone", "must be a time zone such as \"Europe/Paris\"")
	}
	if !p.Anchor.IsZero() && (p.Anchor.After(now) || p.Anchor.Before(earliestAnchor)) {
		return problem.Invalid("billing_anchor", "must be between %s and now", earliestAnchor.Format(time.DateOnly))
	}
	return nil
}

// checkKnown checks what does not depend on the account.
func (p *SetPlan) checkKnown(prices *catalog.Catalog) error {
	if _, ok := prices.Plan(p.Plan); p.Plan != "" && !ok {
		return problem.Invalid("plan", "is not in the catalog")
	}
	if p.Status != "" && !slices.Contains(planStatuses, p.Status) {
		return problem.Invalid("plan_status", `must be "active", "past_due" or "canceled"`)
	}
	return nil
}

// open sets up a new account from a checked request and grants the allowance of the current period.
func (p *SetPlan) open(s *State, now time.Time, prices *catalog.Catalog) error {
	zone, err := p.openingZone()
	if err != nil {
		return err
	}
	anchor := p.Anchor
	if anchor.IsZero() {
		anchor = now
	}
	s.changed = true
	s.Plan, s.PlanStatus, s.Anchor, s.Zone = p.Plan, PlanActive, anchor, zone
	if p.Status != "" {
		s.PlanStatus = p.Status
	}
	s.grantCurrentPeriod(now, prices, false)
	return nil
}

// earliestAnchor limits the number of periods. No platform's billing began earlier.
var earliestAnchor = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// change applies the fields that differ from the account's. The present plan is accepted even if it has
// left the catalog.
func (p *SetPlan) change(s *State, now time.Time, prices *catalog.Catalog) error {
	wanted := *p
	if p.Plan == s.Plan {
		wanted.Plan = ""
	}
	if err := wanted.checkKnown(prices); err != nil {
		return err
	}
	switch {
	case !p.Anchor.IsZero() && !p.Anchor.Equal(s.Anchor):
		return problem.Invalid("billing_anchor", "cannot change once the account is open")
	case p.Zone != "" && p.Zone != s.Zone.String():
		return problem.Invalid("billing_zone", "cannot change once the account is open")
	case wanted.Plan != "" && p.Stay:
		return problem.Invalid("next_plan", "cannot be taken back together with a change of plan")
	}
	from, known := prices.Plan(s.Plan)
	before := s.currentPlan()
	if p.Stay {
		s.NextPlan = ""
	}
	if to, ok := prices.Plan(wanted.Plan); ok {
		s.switchPlan(from, to)
	}
	if p.Status != "" {
		s.PlanStatus = p.Status
	}
	if s.currentPlan() == before {
		return nil
	}
	if !s.ClosedAt.IsZero() {
		s.Plan, s.NextPlan, s.PlanStatus = before.id, before.next, before.status
		return ErrClosed
	}
	s.changed = true
	s.grantCurrentPeriod(now, prices, known && from.Allowance == 0)
	return nil
}

// switchPlan upgrades at once and lets a downgrade wait for the next period. Leaving a plan that is not in
// the catalog, which is the zero Plan, is always an upgrade.
func (s *State) switchPlan(from, to catalog.Plan) {
	if to.Allowance < from.Allowance {
		s.NextPlan = to.ID
		return
	}
	s.Plan, s.NextPlan = to.ID, ""
}
