package clock

import "time"

// Date is the calendar date of an instant in a zone, as midnight UTC of that date.
func Date(at time.Time, zone *time.Location) time.Time {
	year, month, day := at.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// StartOfDay is the first instant of a date in a zone, in UTC: midnight; the first of two where
// clocks show midnight twice; and where they skip it, the instant at which they are moved, such as
// 01:00 in Santiago in September. The date's own clock time and zone do not matter. time.Date may
// answer an instant of the day before there.
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

// atOffsetOf is when clocks show a local time, written as UTC, at the offset that the zone has at
// about another local time.
func atOffsetOf(other, local time.Time, zone *time.Location) time.Time {
	_, offset := other.In(zone).Zone()
	return local.Add(-time.Duration(offset) * time.Second)
}

// shows says whether clocks in a zone show a local time, written as UTC, at an instant.
func shows(at, local time.Time, zone *time.Location) bool {
	_, offset := at.In(zone).Zone()
	return at.Add(time.Duration(offset) * time.Second).Equal(local)
}
