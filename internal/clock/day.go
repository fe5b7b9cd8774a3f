package clock

import "time"

// Date is the calendar date of an instant in a zone, as midnight UTC of that date.
func Date(at time.Time, zone *time.Location) time.Time {
	year, month, day := at.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// StartOfDay is the first instant of a date in a zone, in UTC. Usually that is midnight. Where
// clocks show midnight twice it is the first one; where they skip it, such as in Santiago in
// September, it is the instant of the change. time.Date may return an instant of the day before in
// that case. The clock time and zone of date are ignored.
func StartOfDay(date time.Time, zone *time.Location) time.Time {
	year, month, day := date.Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	before := atOffsetOf(midnight.AddDate(0, 0, -1), midnight, zone)
	after := atOffsetOf(midnight.AddDate(0, 0, 1), midnight, zone)
	for _, at := range []time.Time{before, after} {
		if shows(at, midnight, zone) {
			return at
		}
	}
	moved, _ := before.In(zone).ZoneBounds()
	return moved.UTC()
}

// atOffsetOf is the instant at which clocks show local, if the zone had the offset that it has at
// other. Local times are written as UTC.
func atOffsetOf(other, local time.Time, zone *time.Location) time.Time {
	_, offset := other.In(zone).Zone()
	return local.Add(-time.Duration(offset) * time.Second)
}

// shows reports whether clocks in the zone show a local time, written as UTC, at an instant.
func shows(at, local time.Time, zone *time.Location) bool {
	_, offset := at.In(zone).Zone()
	return at.Add(time.Duration(offset) * time.Second).Equal(local)
}
