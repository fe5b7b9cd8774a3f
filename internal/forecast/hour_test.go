package forecast_test

import (
	"testing"
	"time"

	"pop.store/credits/internal/forecast"
)

// busy is the work of agents in the last hour.
func busy(tokens string, count int64, since time.Duration) forecast.Recent {
	return forecast.Recent{
		Amount: amount(tokens),
		Count:  count,
		Since:  since,
	}
}

// Ten a day for a week, and now agents spend faster.
func TestTheLastHourCountsWhereTokensAreGoneWithinHours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		hour    forecast.Recent
		left    string
		hurried bool // before this outlook
		want    time.Duration
		hour2   bool // it uses the last hour
	}{
		{"two minutes before empty", busy("150", 3000, hour), "5", false, 2 * time.Minute, true},
		{"six hours", busy("5", 100, hour), "30", false, 6 * hour, true},
		{
			"a little more than six hours", busy("5", 100, hour), "30.01", false,
			72*hour + 86*time.Second + 400*time.Millisecond, false,
		},
		{
			"a little more, once it has been said", busy("5", 100, hour), "30.01", true,
			6*hour + 7*time.Second + 200*time.Millisecond, true,
		},
		{"nine hours, once it has been said", busy("5", 100, hour), "45", true, 9 * hour, true},
		{
			"more than nine hours", busy("5", 100, hour), "45.01", true,
			108*hour + 86*time.Second + 400*time.Millisecond, false,
		},
		{"work that began twenty minutes ago", busy("50", 10, 20*time.Minute), "50", false, 20 * time.Minute, true},
		{
			"work that has only just begun is spread over five minutes", busy("50", 10, time.Second), "100", false,
			10 * time.Minute, true,
		},
		{"work of five minutes", busy("50", 10, 5*time.Minute), "100", false, 10 * time.Minute, true},
		{"nine pieces are no pace", busy("50", 9, time.Minute), "5", false, 12 * hour, false},
		{"all of it came back", busy("0", 100, hour), "5", false, 12 * hour, false},
		{"slower than the past days", busy("0.1", 10, hour), "0.5", false, 72 * time.Minute, false},
	} {
		past := ten()
		past.Hour = c.hour
		o := forecast.Look(forecast.Facts{
			Now:     now,
			Past:    past,
			Lots:    []forecast.Lot{lot(forecast.Bought, c.left, 0)},
			Hurried: c.hurried,
			Prices:  prices(),
		})
		if got := o.RunsOut.Sub(now); got != c.want || o.Hour.Known() != c.hour2 {
			t.Errorf("%s: out in %v, of the hour: %v; want %v, %v", c.name, got, o.Hour.Known(), c.want, c.hour2)
		}
		if o.Pace.PerDay() != amount("10") || len(o.Stops) != 1 {
			t.Errorf("%s: %v a day, %v", c.name, o.Pace.PerDay(), o.Stops)
		}
	}
}

// Without a pace of the past days the last hour's is used. Tokens that expire within the hour are lost.
func TestTheLastHourAlone(t *testing.T) {
	t.Parallel()
	past := forecast.Past{Today: []forecast.Use{use("reply", "20", 400)}, Hour: busy("20", 400, hour)}
	f := forecast.Facts{
		Now:    now,
		Past:   past,
		Lots:   []forecast.Lot{lot(forecast.Gift, "30", 30*time.Minute), lot(forecast.Bought, "10", 0)},
		Prices: prices(),
	}
	o := forecast.Look(f)
	// 10 of the gift in half an hour, and then 10 in another half.
	if !o.RunsOut.Equal(in(hour)) || o.Pace.Known() || o.Hour.PerHour() != amount("20") || !o.Known() ||
		!o.Soon(false) || !o.Soon(true) {
		t.Errorf("%+v", o)
	}
	if first, ok := o.First(); !ok || first.Who() != "" || !first.At.Equal(in(hour-9*time.Second)) { // at 0.05
		t.Errorf("%+v", first)
	}
	if o = forecast.Look(forecast.Facts{Now: now, Prices: prices()}); o.Known() {
		t.Error("a pace is known without data")
	}
}

// An allowance that comes an hour after the tokens run out deserves a warning; one shortly after does not.
func TestWarningOfTheLastHour(t *testing.T) {
	t.Parallel()
	past := ten()
	past.Hour = busy("60", 1200, hour)
	for reset, want := range map[time.Duration][2]bool{
		90 * time.Minute:             {true, true}, // gone in half an hour
		90*time.Minute - time.Second: {false, true},
		30 * time.Minute:             {false, false},
		0:                            {true, true},
	} {
		f := forecast.Facts{
			Now:    now,
			Past:   past,
			Lots:   []forecast.Lot{lot(forecast.Bought, "30", 0)},
			Prices: prices(),
		}
		if reset > 0 {
			f.Resets = months("200", reset)
		}
		o := forecast.Look(f)
		if o.Soon(false) != want[0] || o.Soon(true) != want[1] {
			t.Errorf("reset after %v: %v, %v", reset, o.Soon(false), o.Soon(true))
		}
	}
}

// Enough must not hide a warning of the last hour's pace.
func TestEnoughKnowsTheLastHour(t *testing.T) {
	t.Parallel()
	past := ten()
	past.Hour = busy("60", 1200, hour)
	for left, want := range map[string]bool{
		"541": true,
		"540": false,
		"539": false,
	} {
		if got := forecast.Enough(past, amount(left)); got != want {
			t.Errorf("%s: %v", left, got)
		}
	}
	if forecast.Enough(ten(), amount("34.9")) || !forecast.Enough(ten(), amount("35")) {
		t.Error("three and a half days are enough, and no less")
	}
}

// Agents stop; creators run tools themselves.
func TestOnlyAgentsStop(t *testing.T) {
	t.Parallel()
	named := by("studio", "pdf", "7", 1)
	named.Name = "Cover maker"
	past := week(use("image", "50", 5), named, use("reply", "7", 140), by("seller", "selling", "6", 2))
	past.Today = []forecast.Use{by("other", "selling", "0.5", 1), by("studio", "pdf", "0.5", 1), use("pdf", "0.5", 1)}
	o := forecast.Look(forecast.Facts{
		Now:    now,
		Past:   past,
		Lots:   []forecast.Lot{lot(forecast.Bought, "100", 0)},
		Prices: prices(),
	})
	got := map[string]forecast.Stop{}
	for _, s := range o.Stops {
		got[s.Feature.ID] = s
	}
	if len(got) != 3 || got["pdf"].Agent != "studio" || got["pdf"].Name != "Cover maker" ||
		got["reply"].Agent != "" || got["selling"].Agent != forecast.Several {
		t.Errorf("%+v", got)
	}
	stop := got["pdf"]
	if stop.Who() != "Cover maker" {
		t.Errorf("%q", stop.Who())
	}
	stop = forecast.Stop{Feature: prices().Features[0]}
	if stop.Feature.Name = "Images"; stop.Who() != "Images" {
		t.Errorf("%q", stop.Who())
	}
}

// At the last hour's pace waiting is not advised, and no pack for a month of it is advised either.
func TestAdviceAndTheLastHour(t *testing.T) {
	t.Parallel()
	f := starter(ten(), "60", 4*day)
	if got, ok := advice(t, f, forecast.Wish{}, forecast.Wait); !ok || !got.InTime {
		t.Errorf("quiet: %+v", got)
	}
	f.Past.Hour = busy("60", 1200, hour)
	if got, ok := advice(t, f, forecast.Wish{}, forecast.Wait); ok {
		t.Errorf("busy: %+v", got)
	}
	if got, ok := advice(t, f, forecast.Wish{}, forecast.Buy); ok {
		t.Errorf("busy: %+v", got)
	}
	f.Lots = []forecast.Lot{lot(forecast.Plan, "10", 4*day)}
	if got, ok := advice(t, f, forecast.Wish{}, forecast.Buy); !ok || got.Pack.ID != "small" || !got.Cover {
		t.Errorf("busy and low: %+v", got)
	}
}
