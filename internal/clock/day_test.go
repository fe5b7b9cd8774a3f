package clock_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pop.store/credits/internal/clock"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestStartOfDay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, date, want string }{
		{"UTC", "2026-09-06", "2026-09-06T00:00:00Z"},
		{"Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"},
		{"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, // clocks go from 23:59 to 01:00
		{"America/Santiago", "2026-09-07", "2026-09-07T03:00:00Z"},
		{"America/Santiago", "2026-04-05", "2026-04-05T04:00:00Z"}, // 23:00 to 24:00 of the day before comes twice
		{"Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z"},      // midnight is skipped
		{"Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"},     // midnight is skipped
		{"America/Havana", "2026-03-08", "2026-03-08T05:00:00Z"},   // midnight is skipped
		{"America/Havana", "2026-11-01", "2026-11-01T04:00:00Z"},   // the hour from midnight on comes twice
		// the whole day is skipped: it begins where the next one does
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"},
		{"Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00Z"},
		{"America/Toronto", "1919-03-31", "1919-03-31T04:30:00Z"}, // clocks went from 23:30 to 00:30
		{"Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z"},
	} {
		day, err := time.Parse(time.DateOnly, c.date)
		if err != nil {
			t.Fatal(err)
		}
		got := clock.StartOfDay(day, zone(t, c.zone))
		if got.Format(time.RFC3339) != c.want || got.Location() != time.UTC {
			t.Errorf("%s in %s begins at %s, want %s", c.date, c.zone, got, c.want)
		}
	}
}

// The first instant of a day is of that day, and the one before is of an earlier one, in zones that
// move their clocks at or about midnight.
func TestStartOfDayIsTheFirstOfItsDate(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"America/Santiago", "America/Asuncion", "Asia/Beirut", "Africa/Cairo",
		"America/Havana", "Asia/Amman", "America/Sao_Paulo", "Asia/Tehran",
	} {
		z := zone(t, name)
		for day := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2027; day = day.AddDate(0, 0, 1) {
			at := clock.StartOfDay(day, z)
			if got := clock.Date(at, z); !got.Equal(day) {
				t.Errorf("%s begins at %s in %s, which is on %s", day.Format(time.DateOnly), at, name,
					got.Format(time.DateOnly))
			}
			if got := clock.Date(at.Add(-1), z); !got.Before(day) {
				t.Errorf("%s in %s has an instant before its first, %s", day.Format(time.DateOnly), name, at)
			}
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 30, 14, 0, 0, 0, time.UTC)
	if got := clock.Date(at, zone(t, "Pacific/Auckland")); got.Format(time.RFC3339) != "2026-12-01T00:00:00Z" {
		t.Errorf("%s", got)
	}
}
