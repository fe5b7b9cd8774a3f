package ledger

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// cycleZones have summer time, odd offsets, a skipped day (Apia, 30 December 2011), summer time the
// wrong way round (Casablanca), and none.
var cycleZones = []string{
	"Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Africa/Casablanca",
	"UTC",
}

func drawZone(t *rapid.T) *time.Location {
	zone, err := LoadZone(rapid.SampledFrom(cycleZones).Draw(t, "zone"))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// drawAnchor prefers the days that not every month has, and the hours that not every day has.
func drawAnchor(t *rapid.T, zone *time.Location) time.Time {
	year, month := rapid.IntRange(2003, 2032).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month")
	day := rapid.SampledFrom([]int{28, 29, 30, 31, 31, 1, 15}).Draw(t, "day")
	// clocks are moved at night
	second := rapid.OneOf(rapid.IntRange(0, 24*3600-1), rapid.IntRange(1*3600, 3*3600)).Draw(t, "second of the day")
	return time.Date(year, time.Month(month), day, 0, 0, second, 0, zone).UTC()
}

// instantsOf finds by trial every instant at which clocks in a zone show a local time: none when
// they skip it, two when they show it twice.
func instantsOf(local time.Time, zone *time.Location) []time.Time {
	var found []time.Time
	seen := map[int]bool{}
	for hours := -30; hours <= 30; hours++ {
		_, offset := local.Add(time.Duration(hours) * time.Hour).In(zone).Zone()
		at := local.Add(-time.Duration(offset) * time.Second)
		if wall(at, zone).Equal(local) && !seen[offset] {
			seen[offset] = true
			found = append(found, at)
		}
	}
	return found
}

// wall is what clocks in a zone show at an instant, written as if it were UTC.
func wall(at time.Time, zone *time.Location) time.Time {
	l := at.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
}

// wantWall is the local time of the k-th boundary, found by counting months and days one at a time.
func wantWall(anchor time.Time, zone *time.Location, k int) time.Time {
	a := wall(anchor, zone)
	month := time.Date(a.Year(), a.Month(), 1, 0, 0, 0, 0, time.UTC)
	for range k {
		for m := month.Month(); month.Month() == m; {
			month = month.Add(24 * time.Hour)
		}
	}
	day := month
	for day.Day() < a.Day() && day.Add(24*time.Hour).Month() == month.Month() {
		day = day.Add(24 * time.Hour)
	}
	return day.Add(time.Duration(a.Hour())*time.Hour + time.Duration(a.Minute())*time.Minute +
		time.Duration(a.Second())*time.Second)
}

func TestBoundariesFollowTheAnchor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		anchor := drawAnchor(t, zone)
		if !Boundary(anchor, zone, 0).Equal(anchor) {
			t.Fatalf("period 0 of %v begins at %v", anchor.In(zone), Boundary(anchor, zone, 0).In(zone))
		}
		for k := range 25 {
			from, to := Boundary(anchor, zone, k), Boundary(anchor, zone, k+1)
			if !from.Before(to) || to.Sub(from) < 26*24*time.Hour || to.Sub(from) > 33*24*time.Hour {
				t.Fatalf("period %d of %v is from %v to %v", k, anchor.In(zone), from.In(zone), to.In(zone))
			}
			within := from.Add(time.Duration(rapid.Int64Range(0, int64(to.Sub(from)/time.Microsecond)-1).Draw(t,
				"within")) * time.Microsecond)
			for at, want := range map[time.Time]int{
				from:                        k,
				within:                      k,
				to.Add(-time.Microsecond):   k,
				from.Add(-time.Microsecond): k - 1,
			} {
				if got := periodAt(anchor, zone, at); got != want {
					t.Fatalf("%v is in period %d of %v, want %d", at.In(zone), got, anchor.In(zone), want)
				}
			}
			checkBoundary(t, anchor, zone, k)
		}
	})
}

// checkBoundary wants the clamped day at the anchor's local time.
func checkBoundary(t *rapid.T, anchor time.Time, zone *time.Location, k int) {
	want := anchor
	if k > 0 {
		want = instantByTrial(wantWall(anchor, zone, k), zone)
	}
	if at := Boundary(anchor, zone, k); !at.Equal(want) {
		t.Fatalf("boundary %d of %v is %v, want %v", k, anchor.In(zone), at.In(zone), want.In(zone))
	}
}

// Clocks in Berlin show 02:30 twice on 25 October 2026. Whoever opens an account in either of those
// hours gets one allowance, for a month.
func TestAnAnchorInTheHourThatComesTwice(t *testing.T) {
	t.Parallel()
	for zoneName, hours := range map[string][]time.Time{
		"Europe/Berlin": {
			time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC),
			time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC),
		},
		"America/New_York": {
			time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC),
			time.Date(2026, 11, 1, 6, 30, 0, 0, time.UTC),
		},
	} {
		zone, err := LoadZone(zoneName)
		if err != nil {
			t.Fatal(err)
		}
		for _, now := range hours {
			s := &State{
				complete: true,
				AccountRow: AccountRow{
					AccountID: uuid.New(),
					Period:    -1,
					Zone:      time.UTC,
				},
			}
			if _, err := s.Apply(&SetPlan{Plan: "starter", Zone: zoneName}, now, catalog.Builtin()); err != nil {
				t.Fatal(err)
			}
			if s.Period != 0 || len(s.refs) != 1 || s.refs[0].Reference != "0" ||
				s.nextDue().Before(now.AddDate(0, 0, 27)) {
				t.Errorf("opened at %v: period %d, %v, due at %v", now.In(zone), s.Period, s.refs,
					s.nextDue().In(zone))
			}
		}
	}
}

// An account that is settled late has the same entries as one that is settled at every boundary.
func TestCatchingUpIsSettlingAtEachBoundary(t *testing.T) {
	t.Parallel()
	prices := catalog.Builtin()
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t)
		anchor := drawAnchor(t, zone)
		opened := anchor.Add(time.Duration(rapid.Int64Range(0, 90*24*3600).Draw(t, "opened")) * time.Second)
		spent := tokens.Amount(rapid.Int64Range(1, int64(200*tokens.One)).Draw(t, "spent"))
		next := rapid.SampledFrom([]string{"starter", "pro"}).Draw(t, "next plan")
		promoDays := rapid.IntRange(1, 120).Draw(t, "promo days")
		prepare := func() *State {
			s := &State{
				complete: true,
				AccountRow: AccountRow{
					AccountID: uuid.UUID{1},
					Period:    -1,
					Zone:      time.UTC,
				},
			}
			for _, op := range []Operation{
				&SetPlan{
					Plan:   "pro",
					Anchor: anchor,
					Zone:   zone.String(),
				}, &Charge{Feature: "auto_selling", Amount: &spent},
				&Grant{
					Kind:      LotPromo,
					Amount:    7 * tokens.One,
					ExpiresAt: opened.AddDate(0, 0, promoDays),
				}, &SetPlan{Plan: next},
			} {
				if _, err := s.Apply(op, opened, prices); err != nil {
					t.Fatal(err)
				}
			}
			return s
		}
		once, each := prepare(), prepare()
		first := periodAt(anchor, zone, opened) + 1
		for k := first; k < first+3; k++ {
			each.settle(Boundary(anchor, zone, k), prices)
		}
		once.settle(Boundary(anchor, zone, first+2), prices)
		if !reflect.DeepEqual(once, each) {
			t.Fatalf("settled at once:\n%+v\nat each boundary:\n%+v", once, each)
		}
		if once.Period != first+2 || once.Plan != next {
			t.Fatalf("period %d, plan %s", once.Period, once.Plan)
		}
	})
}
