package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Day is the date of an instant in the account's billing zone, as midnight UTC of that date.
func (a *Account) Day(at time.Time) time.Time { return dayIn(at, a.Zone) }

// PeriodStart is the date in the billing zone on which the billing period of an instant began, as
// midnight UTC of that date. The first period began when the account was opened, or at the anchor
// that the host gave.
func (a *Account) PeriodStart(at time.Time) time.Time {
	return dayIn(Boundary(a.Anchor, a.Zone, max(periodAt(a.Anchor, a.Zone, at), 0)), a.Zone)
}

// NextAllowance is what comes at NextReset, of the plan that will be in force then; zero when nothing will.
func (a *Account) NextAllowance(prices *catalog.Catalog) tokens.Amount {
	if a.NextReset.IsZero() {
		return 0
	}
	id := a.Plan
	if a.NextPlan != "" {
		id = a.NextPlan
	}
	plan, _ := prices.Plan(id)
	return plan.Allowance
}

// Resets are the instants at which the next allowances come, soonest first: those before an instant
// and one more. None while the plan is not paid for.
func (a *Account) Resets(before time.Time) []time.Time {
	if a.NextReset.IsZero() {
		return nil
	}
	list := []time.Time{a.NextReset}
	for k := periodAt(a.Anchor, a.Zone, a.NextReset); list[len(list)-1].Before(before); {
		k++
		list = append(list, Boundary(a.Anchor, a.Zone, k))
	}
	return list
}
