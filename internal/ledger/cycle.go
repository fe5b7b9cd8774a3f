package ledger

import (
	"time"
)

// Boundary is the start of billing period k: anchor + k months in the billing zone, at the anchor's time of
// day. Where the month is too short for the anchor's day, it is the month's last day. Each boundary is
// computed from the anchor and not from the one before, so that 28 February is followed by 31 March for an
// anchor on 31 January. Period 0 begins exactly at the anchor, even in a repeated hour.
func Boundary(anchor time.Time, zone *time.Location, k int) time.Time {
	if k == 0 {
		return anchor.UTC()
	}
	local := anchor.In(zone)
	year, month, day := local.Date()
	first := time.Date(year, month+time.Month(k), 1, 0, 0, 0, 0, time.UTC)
	day = min(day, daysIn(first.Year(), first.Month()))
	hour, minute, second := local.Clock()
	return instantAt(time.Date(first.Year(), first.Month(), day, hour, minute, second, local.Nanosecond(),
		time.UTC), zone)
}

// instantAt converts a local time, given as if it were UTC, to an instant. A repeated local time gives the
// first of the two; a skipped one uses the offset before the change. time.Date does not specify its choice
// in either case, so it is not used.
func instantAt(local time.Time, zone *time.Location) time.Time {
	before, after := atOffset(local, local.AddDate(0, 0, -1), zone), atOffset(local, local.AddDate(0, 0, 1), zone)
	if !shows(before, local, zone) && shows(after, local, zone) {
		return after
	}
	return before
}

// atOffset converts a local time with the offset that the zone has at another instant.
func atOffset(local, other time.Time, zone *time.Location) time.Time {
	_, offset := other.In(zone).Zone()
	return local.Add(-time.Duration(offset) * time.Second)
}

// shows reports whether the local time in a zone at an instant is the given one.
func shows(at, local time.Time, zone *time.Location) bool {
	_, offset := at.In(zone).Zone()
	return at.Add(time.Duration(offset) * time.Second).Equal(local)
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// periodAt is the k with Boundary(k) <= at < Boundary(k+1). Before the anchor it is negative.
func periodAt(anchor time.Time, zone *time.Location, at time.Time) int {
	from, to := anchor.In(zone), at.In(zone)
	k := (to.Year()-from.Year())*12 + int(to.Month()-from.Month())
	for Boundary(anchor, zone, k).After(at) {
		k--
	}
	for !Boundary(anchor, zone, k+1).After(at) {
		k++
	}
	return k
}
