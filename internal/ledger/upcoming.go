package ledger

import "time"

// Day is the date of an instant in the account's billing zone, as midnight UTC of that date.
func (a *Account) Day(at time.Time) time.Time { return dayIn(at, a.Zone) }

// Resets are the instants at which the next allowances come, soonest first: those before an instant and one more. None while the plan is not
// paid for.
func (a *Account) Resets(before time.Time) []time.Time {
	if a.NextReset.IsZero() {
		return nil
	}
	list := []time.Time{a.NextReset}
	for k := periodAt(a.Anchor, a.Zone, a.NextReset); list[len(list)-1].Before(before); {
		k++
		list = append(list, boundary(a.Anchor, a.Zone, k))
	}
	return list
}
