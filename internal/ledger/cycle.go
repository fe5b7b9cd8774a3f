package ledger

import (
	"time"
)

// boundary is the k-th start of a billing period: anchor + k months in the billing zone, on the anchor's day of the month or the month's
// last day where it has no such day, at the anchor's time of day. It is always computed from the anchor, never from the boundary before,
// so that 31 January, 28 February, 31 March follow each other. Period 0 begins at the anchor itself, also in the hour that clocks show twice.
func boundary(anchor time.Time, zone *time.Location, k int) time.Time {
	if k == 0 {
		return anchor.UTC()
	}
	local := anchor.In(zone)
	year, month, day := local.Date()
	first := time.Date(year, month+time.Month(k), 1, 0, 0, 0, 0, time.UTC)
	day = min(day, daysIn(first.Year(), first.Month()))
	hour, minute, second := local.Clock()
	return time.Date(first.Year(), first.Month(), day, hour, minute, second, local.Nanosecond(), zone).UTC()
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// periodAt is the k whose period holds the instant: boundary(k) <= at < boundary(k+1). Before the anchor it is negative.
func periodAt(anchor time.Time, zone *time.Location, at time.Time) int {
	from, to := anchor.In(zone), at.In(zone)
	k := (to.Year()-from.Year())*12 + int(to.Month()-from.Month())
	for boundary(anchor, zone, k).After(at) {
		k--
	}
	for !boundary(anchor, zone, k+1).After(at) {
		k++
	}
	return k
}
