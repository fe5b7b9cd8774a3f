package ledger

import (
	"time"
)

// Boundary is the k-th start of a billing period: anchor + k months in the billing zone, on the
// anchor's day of the month or the month's last day where it has no such day, at the anchor's time
// of day. It is always computed from the anchor, never from the boundary before, so that 31
// January, 28 February, 31 March follow each other. Period 0 begins at the anchor itself, also in
// the hour that clocks show twice.
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

// instantAt is when clocks in a zone show a local time, which is written as if it were UTC. Where
// they show it twice, it is the first of the two; where they skip it, it is when they would have
// shown it had they not been moved. time.Date leaves open which of the zone's two offsets it takes
// there, and in some zones goes back before the gap: a boundary must not depend on that.
func instantAt(local time.Time, zone *time.Location) time.Time {
	before, after := atOffset(local, local.AddDate(0, 0, -1), zone), atOffset(local, local.AddDate(0, 0, 1), zone)
	if !shows(before, local, zone) && shows(after, local, zone) {
		return after
	}
	return before
}

// atOffset is a local time's instant at the offset that a zone has at some other instant.
func atOffset(local, other time.Time, zone *time.Location) time.Time {
	_, offset := other.In(zone).Zone()
	return local.Add(-time.Duration(offset) * time.Second)
}

// shows says whether clocks in a zone show a local time at an instant.
func shows(at, local time.Time, zone *time.Location) bool {
	_, offset := at.In(zone).Zone()
	return at.Add(time.Duration(offset) * time.Second).Equal(local)
}

func daysIn(year int, month time.Month) int {
	return time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// periodAt is the k whose period holds the instant: Boundary(k) <= at < Boundary(k+1). Before the
// anchor it is negative.
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
