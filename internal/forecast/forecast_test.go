package forecast_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// A Sunday noon, the origin of all times below.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	day  = 24 * time.Hour
	hour = time.Hour
)

func in(d time.Duration) time.Time { return now.Add(d) }

func amount(text string) tokens.Amount { return tokens.MustParse(text) }

func dollars(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "USD"} }

func euros(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }

// prices are a catalog of the tests' own, independent of the built-in one.
func prices() *catalog.Catalog {
	return &catalog.Catalog{
		Plans: []catalog.Plan{
			{
				ID:        "starter",
				Allowance: amount("200"),
				Price:     dollars(1000),
			},
			{
				ID:        "pro",
				Allowance: amount("400"),
				Price:     dollars(2400),
			},
			{
				ID:        "star",
				Allowance: amount("1000"),
				Price:     dollars(6000),
			},
		},
		Features: []catalog.Feature{
			{
				ID:      "image",
				Pricing: catalog.Fixed,
				Price:   amount("10"),
			},
			{
				ID:      "pdf",
				Pricing: catalog.Fixed,
				Price:   amount("75"),
			},
			{
				ID:      "reply",
				Pricing: catalog.Default,
				Price:   amount("0.05"),
				Agent:   true,
			},
			{
				ID:      "selling",
				Pricing: catalog.Metered,
				Agent:   true,
			},
		},
		Packs: []catalog.Pack{
			{
				ID:     "small",
				Tokens: amount("100"),
				Price:  dollars(900),
			},
			{
				ID:     "medium",
				Tokens: amount("500"),
				Price:  dollars(3900),
			},
			{
				ID:     "large",
				Tokens: amount("1000"),
				Price:  dollars(6900),
			},
		},
	}
}

func use(feature, tokens string, count int64) forecast.Use {
	return forecast.Use{
		Feature:  feature,
		Amount:   amount(tokens),
		Quantity: count,
		Count:    count,
	}
}

// by is the use of an agent.
func by(agent, feature, tokens string, count int64) forecast.Use {
	u := use(feature, tokens, count)
	u.Agent = agent
	return u
}

// week is a whole week with spending on every day.
func week(uses ...forecast.Use) forecast.Past {
	return forecast.Past{
		Days:   7,
		Active: 7,
		Uses:   uses,
	}
}

func withToday(p forecast.Past, uses ...forecast.Use) forecast.Past {
	p.Today = uses
	return p
}

func TestPace(t *testing.T) {
	t.Parallel()
	seventy := use("reply", "70", 1400)
	for _, c := range []struct {
		name   string
		past   forecast.Past
		perDay string // empty: none
		days   int
	}{
		{"nothing at all", forecast.Past{}, "", 0},
		{"nothing spent in a week", forecast.Past{Days: 7}, "", 0},
		{"one day of history", forecast.Past{
			Days:   1,
			Active: 1,
			Uses:   []forecast.Use{seventy},
		}, "", 0},
		{"the first day is over, and more was spent today", withToday(forecast.Past{
			Days:   1,
			Active: 1,
			Uses:   []forecast.Use{seventy},
		}, use("reply", "1", 20)), "", 0},
		{"a week with one day of use", forecast.Past{
			Days:   7,
			Active: 1,
			Uses:   []forecast.Use{seventy},
		}, "", 0},
		{"that day and today", withToday(forecast.Past{
			Days:   7,
			Active: 1,
			Uses:   []forecast.Use{seventy},
		}, use("reply", "1", 20)), "10", 7},
		{"today alone, however much", withToday(forecast.Past{Days: 7}, use("pdf", "75", 1)), "", 0},
		{"two days", forecast.Past{
			Days:   2,
			Active: 2,
			Uses:   []forecast.Use{seventy},
		}, "35", 2}, // 70 / 2
		{"a week", week(seventy), "10", 7}, // 70 / 7
		// 100 / 7 = 14.2857142..., up
		{"not a whole millionth", week(use("reply", "100", 1)), "14.285715", 7},
		// (70 + 10) / 8 is no more than 70 / 7
		{"today is an average day so far", withToday(week(seventy), use("reply", "10", 1)), "10", 7},
		{"today is worse", withToday(week(seventy), use("image", "90", 9)), "20", 8}, // (70 + 90) / 8
		{"more days than there are in a week", forecast.Past{
			Days:   30,
			Active: 7,
			Uses:   []forecast.Use{seventy},
		}, "10", 7}, // Uses is never about more
	} {
		p := forecast.PaceOf(c.past)
		if p.Known() != (c.perDay != "") || (p.Known() && (p.PerDay() != amount(c.perDay) || p.Days != c.days)) {
			t.Errorf("%s: %v a day on %d days, want %q on %d", c.name, p.PerDay(), p.Days, c.perDay, c.days)
		}
	}
}

func TestAPaceSaysWhatItRestsOn(t *testing.T) {
	t.Parallel()
	p := forecast.PaceOf(withToday(week(use("reply", "20", 400), use("image", "50", 5)), use("reply", "60", 1200),
		use("selling", "40", 2)))
	want := []forecast.Use{use("reply", "80", 1600), use("image", "50", 5), use("selling", "40", 2)}
	if !p.Today || p.Days != 8 || p.CompleteDays() != 7 || p.Spent != amount("170") || !slices.Equal(p.Uses, want) {
		t.Errorf("got %+v", p)
	}
}

func lot(source forecast.Source, text string, until time.Duration) forecast.Lot {
	l := forecast.Lot{Source: source, Amount: amount(text)}
	if until != 0 {
		l.Until = in(until)
	}
	return l
}

func resets(text string, after ...time.Duration) []forecast.Reset {
	var list []forecast.Reset
	for _, d := range after {
		list = append(list, forecast.Reset{At: in(d), Amount: amount(text)})
	}
	return list
}

// months are boundaries 30 days apart to beyond the horizon.
func months(text string, first time.Duration) []forecast.Reset {
	return resets(text, first, first+30*day, first+60*day, first+90*day)
}

func TestWhenTokensRunOut(t *testing.T) {
	t.Parallel()
	ten := week(use("reply", "70", 1400)) // 10 a day
	for _, c := range []struct {
		name   string
		past   forecast.Past
		lots   []forecast.Lot
		resets []forecast.Reset
		want   time.Duration // -1: not within the horizon, or unknown
	}{
		{"no pace", forecast.Past{}, []forecast.Lot{lot(forecast.Bought, "1", 0)}, nil, -1},
		{"nothing left", ten, nil, nil, 0},
		{"45 at 10 a day", ten, []forecast.Lot{lot(forecast.Bought, "45", 0)}, nil, 4*day + 12*hour},
		{"12.5 are 30 hours", ten, []forecast.Lot{lot(forecast.Bought, "12.5", 0)}, nil, 30 * hour},
		{"900 are just the horizon", ten, []forecast.Lot{lot(forecast.Bought, "900", 0)}, nil, -1},
		// 89.9 days
		{"899 are not", ten, []forecast.Lot{lot(forecast.Bought, "899", 0)}, nil, 89*day + 21*hour + 36*time.Minute},
		// 10 spent, 10 lost, then 30 / 10
		{
			"the gift expires half spent", ten,
			[]forecast.Lot{lot(forecast.Gift, "20", day), lot(forecast.Bought, "30", 0)},
			nil, 4 * day,
		},
		// (20 + 30) / 10
		{
			"the gift is spent in time", ten,
			[]forecast.Lot{lot(forecast.Gift, "20", 3*day), lot(forecast.Bought, "30", 0)},
			nil, 5 * day,
		},
		// the other way round 20 of 40 would be lost
		{
			"what expires first is spent first", ten,
			[]forecast.Lot{lot(forecast.Gift, "20", 9*day), lot(forecast.Plan, "20", 2*day)},
			nil, 4 * day,
		},
		// 20 of the gift, and the bought ones expire
		{
			"bought with an expiry is spent last all the same", ten,
			[]forecast.Lot{lot(forecast.Bought, "20", 2*day), lot(forecast.Gift, "20", 9*day)},
			nil, 2 * day,
		},
		{
			"out before the reset", ten,
			[]forecast.Lot{lot(forecast.Plan, "25", 3*day)},
			months("200", 3*day),
			2*day + 12*hour,
		},
		// 15 lost on day 3, then 200 / 10
		{
			"the reset comes in time", ten,
			[]forecast.Lot{lot(forecast.Plan, "45", 3*day)},
			months("200", 3*day),
			23 * day,
		},
		// 300 each 30 days at 10 a day
		{"every month again", ten, []forecast.Lot{lot(forecast.Plan, "45", 3*day)}, months("300", 3*day), -1},
		// day 3 to 23: the plan's 200; then 9.9 days
		{
			"bought tokens survive the reset", ten,
			[]forecast.Lot{lot(forecast.Plan, "45", 3*day), lot(forecast.Bought, "99", 0)},
			months("200", 3*day),
			32*day + 21*hour + 36*time.Minute,
		},
		// 1 is left on day 33, to 53: 200; 0.1 day
		{
			"and every reset", ten,
			[]forecast.Lot{lot(forecast.Plan, "45", 3*day), lot(forecast.Bought, "101", 0)},
			months("200", 3*day), 53*day + 2*hour + 24*time.Minute,
		},
		{"an arrival later today", ten, []forecast.Lot{lot(forecast.Bought, "5", 0), {
			Source: forecast.Gift,
			Amount: amount("10"),
			From:   in(6 * hour),
		}}, nil, 36 * hour}, // 5 + 10, the second in time
		{"an arrival too late", ten, []forecast.Lot{lot(forecast.Bought, "5", 0), {
			Source: forecast.Gift,
			Amount: amount("10"),
			From:   in(13 * hour),
		}}, nil, 12 * hour},
		{"just at the reset", ten, []forecast.Lot{lot(forecast.Plan, "30", 3*day)}, resets("10", 3*day), 4 * day},
		// half a day: 5; 300 of 450; 100; half a day: 5
		{
			"a plan's tokens do not roll over", ten,
			[]forecast.Lot{lot(forecast.Bought, "10", 0)},
			[]forecast.Reset{
				{At: in(12 * hour), Amount: amount("450")},
				{At: in(30*day + 12*hour), Amount: amount("100")},
			},
			41 * day,
		},
		// half a day: 5; 28 days of the plan's; half a day: 5
		{
			"the last known allowance lives 28 days", ten,
			[]forecast.Lot{lot(forecast.Bought, "10", 0)},
			resets("900", 12*hour), 29 * day,
		},
	} {
		o := forecast.Look(forecast.Facts{
			Now:    now,
			Past:   c.past,
			Lots:   c.lots,
			Resets: c.resets,
			Prices: prices(),
		})
		want := time.Time{}
		if c.want >= 0 {
			want = in(c.want)
		}
		if !o.RunsOut.Equal(want) {
			t.Errorf("%s: runs out at %v (%v), want %v", c.name, o.RunsOut, o.RunsOut.Sub(now), want)
		}
	}
}

func TestWhatStopsFirst(t *testing.T) {
	t.Parallel()
	// 140 in a week: 20 a day. Selling took 30 in 4 charges: 7.5 each.
	past := week(use("reply", "20", 400), by("studio", "image", "90", 9), use("selling", "30", 4),
		by("studio", "retired", "0", 1))
	for _, c := range []struct {
		name, left string
		stops      []string
		after      []time.Duration
	}{
		// (50 - 10) / 20 = 2 days; (50 - 7.5) / 20 = 2.125 days; (50 - 0.05) / 20 = 2.4975 days
		{
			"all three", "50",
			[]string{"image", "selling", "reply"},
			[]time.Duration{2 * day, 51 * hour, 59*hour + 56*time.Minute + 24*time.Second},
		},
		// 9.5: no image any more. (9.5 - 7.5) / 20 = 0.1 days
		{
			"one has stopped already", "9.5",
			[]string{"selling", "reply"},
			[]time.Duration{2*hour + 24*time.Minute, 11*hour + 20*time.Minute + 24*time.Second},
		},
		{
			"one more image, now", "10",
			[]string{"image", "selling", "reply"},
			[]time.Duration{0, 3 * hour, 11*hour + 56*time.Minute + 24*time.Second},
		},
		{"all have stopped", "0.04", nil, nil},
	} {
		o := forecast.Look(forecast.Facts{
			Now:    now,
			Past:   past,
			Lots:   []forecast.Lot{lot(forecast.Bought, c.left, 0)},
			Prices: prices(),
		})
		if len(o.Stops) != len(c.stops) {
			t.Errorf("%s: %+v", c.name, o.Stops)
			continue
		}
		for i, s := range o.Stops {
			if s.Feature.ID != c.stops[i] || !s.At.Equal(in(c.after[i])) {
				t.Errorf("%s: %s stops after %v, want %s after %v", c.name, s.Feature.ID, s.At.Sub(now),
					c.stops[i], c.after[i])
			}
		}
	}
}

func TestTheAverageOfMeteredWorkIsRoundedUp(t *testing.T) {
	t.Parallel()
	// 70 in 3 charges: 23.333333...
	o := forecast.Look(forecast.Facts{
		Now:    now,
		Past:   week(use("selling", "70", 3)),
		Lots:   []forecast.Lot{lot(forecast.Bought, "50", 0)},
		Prices: prices(),
	})
	if first, ok := o.First(); !ok || first.Unit != amount("23.333334") {
		t.Errorf("got %+v", first)
	}
	// Fully refunded work has no average and does not stop.
	o = forecast.Look(forecast.Facts{
		Now:    now,
		Past:   week(use("reply", "70", 1), use("selling", "3", 0)),
		Lots:   []forecast.Lot{lot(forecast.Bought, "50", 0)},
		Prices: prices(),
	})
	if len(o.Stops) != 1 || o.Stops[0].Feature.ID != "reply" {
		t.Errorf("got %+v", o.Stops)
	}
}

func TestAnExpiryStopsWhatTheRestDoesNotPayFor(t *testing.T) {
	t.Parallel()
	// 10 a day. After a day the gift's other 70 expire and leave 40, too little for a PDF; without the
	// expiry it would be (120 - 75) / 10 = 4.5 days.
	o := forecast.Look(forecast.Facts{
		Now:    now,
		Past:   week(by("studio", "pdf", "70", 1)),
		Prices: prices(),
		Lots:   []forecast.Lot{lot(forecast.Gift, "80", day), lot(forecast.Bought, "40", 0)},
	})
	if first, ok := o.First(); !ok || !first.At.Equal(in(day)) || first.Unit != amount("75") ||
		!o.RunsOut.Equal(in(5*day)) {
		t.Errorf("%+v, out at %v", first, o.RunsOut)
	}
}

func TestWhatStopsAfterTheResetIsNotFirst(t *testing.T) {
	t.Parallel()
	// 10 a day: the PDF stops after (95 - 75) / 10 = 2 days.
	for reset, want := range map[time.Duration]bool{
		2 * day:             false,
		2*day + time.Minute: true,
		day:                 false,
		0:                   true,
	} {
		f := forecast.Facts{
			Now:    now,
			Past:   week(by("studio", "pdf", "70", 1)),
			Prices: prices(),
			Lots:   []forecast.Lot{lot(forecast.Bought, "95", 0)},
		}
		if reset > 0 {
			f.Resets = months("200", reset)
		}
		o := forecast.Look(f)
		if _, ok := o.First(); ok != want {
			t.Errorf("reset after %v: %v, want %v", reset, ok, want)
		}
	}
}

func TestWarning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		left, reset time.Duration // 10 tokens a day; reset 0: none
		fresh       bool          // without a warning before
		stays       bool          // after a warning
	}{
		{"gone", 0, 0, true, true},
		{"a minute less than three days", 3*day - time.Minute, 0, true, true},
		{"three days", 3 * day, 0, false, true},
		{"a minute less than three and a half", 84*hour - time.Minute, 0, false, true},
		{"three and a half", 84 * hour, 0, false, false},
		{"the reset is later", 2 * day, 9 * day, true, true},
		{"the reset is six hours later", 2 * day, 2*day + 6*hour, true, true},
		{"a little less", 2 * day, 2*day + 6*hour - time.Minute, false, true},
		{"the reset comes at once", 2 * day, 2 * day, false, false},
		{"the reset comes first", 2 * day, 47 * hour, false, false},
	} {
		f := forecast.Facts{
			Now:    now,
			Past:   week(use("reply", "70", 1400)),
			Prices: prices(),
		}
		f.Lots = []forecast.Lot{{
			Source: forecast.Bought,
			Amount: amount("10") * tokens.Amount(c.left/time.Minute) / (24 * 60),
		}}
		if c.reset > 0 {
			f.Resets = months("200", c.reset)
		}
		o := forecast.Look(f)
		// A minute at 10 a day is 0.00694444... tokens: rounding down makes it a little shorter.
		if late := in(c.left).Sub(o.RunsOut); !o.RunsOut.IsZero() && o.RunsOut.Before(in(6*day)) &&
			(late < 0 || late > time.Second) {
			t.Fatalf("%s: out at %v", c.name, o.RunsOut)
		}
		if o.Soon(false) != c.fresh || o.Soon(true) != c.stays {
			t.Errorf("%s: %v for the first time, %v after a warning; want %v, %v", c.name, o.Soon(false),
				o.Soon(true), c.fresh, c.stays)
		}
		if forecast.Enough(f.Past, f.Lots[0].Amount) && (o.Soon(false) || o.Soon(true)) {
			t.Errorf("%s: a warning although it is enough", c.name)
		}
	}
	// 20 last two days, and the 5 that arrive half a day: soon, but the allowance comes first.
	f := forecast.Facts{
		Now:    now,
		Past:   week(use("reply", "70", 1400)),
		Lots:   []forecast.Lot{lot(forecast.Bought, "20", 0)},
		Resets: months("5", day),
		Prices: prices(),
	}
	if o := forecast.Look(f); !o.RunsOut.Equal(in(60*hour)) || !o.ResetFirst() || o.Soon(false) || o.Soon(true) {
		t.Errorf("a small allowance: out at %v, %v, %v", o.RunsOut, o.Soon(false), o.Soon(true))
	}
	unknown := forecast.Look(forecast.Facts{Now: now, Prices: prices()})
	if unknown.Soon(false) || unknown.Soon(true) || !forecast.Enough(forecast.Past{}, 0) || unknown.ResetFirst() {
		t.Error("it warns without a pace")
	}
}

func TestReminders(t *testing.T) {
	t.Parallel()
	ten := week(use("reply", "70", 1400)) // 10 a day
	for _, c := range []struct {
		name string
		past forecast.Past
		lots []forecast.Lot
		want []forecast.Loss
	}{
		{"all will be spent", ten, []forecast.Lot{lot(forecast.Gift, "20", 2*day)}, nil},
		{
			"15 of 35 will not", ten,
			[]forecast.Lot{lot(forecast.Gift, "35", 2*day)},
			[]forecast.Loss{{forecast.Gift, amount("15"), in(2 * day)}},
		},
		{"less than one is not worth it", ten, []forecast.Lot{lot(forecast.Gift, "20.999999", 2*day)}, nil},
		{
			"one is", ten,
			[]forecast.Lot{lot(forecast.Gift, "21", 2*day)},
			[]forecast.Loss{{forecast.Gift, amount("1"), in(2 * day)}},
		},
		{
			"two weeks ahead", ten,
			[]forecast.Lot{lot(forecast.Gift, "150", 14*day)},
			[]forecast.Loss{{forecast.Gift, amount("10"), in(14 * day)}},
		},
		{"a minute more is too early", ten, []forecast.Lot{lot(forecast.Gift, "150", 14*day+time.Minute)}, nil},
		{
			"the plan's, in its last days", ten,
			[]forecast.Lot{lot(forecast.Plan, "50", 3*day)},
			[]forecast.Loss{{forecast.Plan, amount("20"), in(3 * day)}},
		},
		{"the plan's, earlier", ten, []forecast.Lot{lot(forecast.Plan, "100", 3*day+time.Minute)}, nil},
		{
			"bought ones wait for the plan's", ten,
			[]forecast.Lot{lot(forecast.Bought, "30", 4*day), lot(forecast.Plan, "25", 20*day)},
			[]forecast.Loss{{forecast.Bought, amount("15"), in(4 * day)}}, // 4 days: 25 of the plan's and 15 of these
		},
		{
			"two gifts that end together", ten,
			[]forecast.Lot{
				lot(forecast.Gift, "15", day), lot(forecast.Gift, "5", day),
				lot(forecast.Gift, "40", 2*day),
			},
			[]forecast.Loss{{forecast.Gift, amount("10"), in(day)}, {forecast.Gift, amount("30"), in(2 * day)}},
		},
		{
			"without a pace, all of a gift",
			forecast.Past{},
			[]forecast.Lot{lot(forecast.Gift, "35", 2*day)},
			[]forecast.Loss{{forecast.Gift, amount("35"), in(2 * day)}},
		},
		{"without a pace, nothing of a plan", forecast.Past{}, []forecast.Lot{lot(forecast.Plan, "35", 2*day)}, nil},
		{
			"what is gone already", ten,
			[]forecast.Lot{lot(forecast.Gift, "35", -hour), lot(forecast.Gift, "35", 0)},
			nil,
		},
	} {
		o := forecast.Look(forecast.Facts{
			Now:    now,
			Past:   c.past,
			Lots:   c.lots,
			Prices: prices(),
		})
		if !slices.Equal(o.Losses, c.want) {
			t.Errorf("%s: %v, want %v", c.name, o.Losses, c.want)
		}
	}
}

func TestEquivalents(t *testing.T) {
	t.Parallel()
	// The product's example: 120 tokens = 12 images or 1 PDF or 2,400 replies.
	for text, want := range map[string][]int64{
		"120":       {12, 1, 2400},
		"74.999999": {7, 0, 1499},
		"10":        {1, 0, 200},
		"0.049999":  {0, 0, 0},
		"0":         {0, 0, 0},
		"-5":        {0, 0, 0},
	} {
		got := map[string]int64{}
		for _, e := range forecast.Equivalents(prices(), amount(text), "image", "pdf", "reply", "selling",
			"retired") {
			got[e.Feature.ID] = e.Count
			if e.Count <= 0 {
				t.Errorf("%s: %d of %s", text, e.Count, e.Feature.ID)
			}
		}
		if got["image"] != want[0] || got["pdf"] != want[1] || got["reply"] != want[2] || got["selling"] != 0 ||
			got["retired"] != 0 {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestTheLargestAmountsDoNotOverflow(t *testing.T) {
	t.Parallel()
	most := []forecast.Use{}
	for range 200 { // two hundred times the largest amount is more than an Amount holds
		most = append(most, forecast.Use{
			Feature: "reply",
			Amount:  tokens.Max,
			Count:   1,
		})
	}
	for _, c := range []struct {
		uses []forecast.Use
		left tokens.Amount
		want time.Duration // -1: never
	}{
		{[]forecast.Use{{Feature: "reply", Amount: tokens.Max}}, tokens.Max, 7 * day},
		{[]forecast.Use{{Feature: "reply", Amount: tokens.Micro}}, tokens.Max, -1},
		{[]forecast.Use{{Feature: "reply", Amount: tokens.Max}}, tokens.Micro, 0}, // seven days over 10^17
		{most, math.MaxInt64, 7 * day},
	} {
		o := forecast.Look(forecast.Facts{
			Now:    now,
			Past:   week(c.uses...),
			Lots:   []forecast.Lot{{Source: forecast.Bought, Amount: c.left}},
			Prices: prices(),
		})
		if want := in(c.want); c.want < 0 && !o.RunsOut.IsZero() || c.want >= 0 && !o.RunsOut.Equal(want) {
			t.Errorf("%v left: out at %v", c.left, o.RunsOut)
		}
	}
}

// A single amount lasts until it is spent or expires, and at most VeryLong.
func TestHowLongAnAmountIsGoodFor(t *testing.T) {
	t.Parallel()
	ten := week(use("reply", "70", 1400)) // 10 a day
	for _, c := range []struct {
		name    string
		past    forecast.Past
		amount  string
		expires time.Duration
		want    time.Duration
	}{
		{"no pace", forecast.Past{}, "100", 0, 0},
		{"nothing", ten, "0", 0, 0},
		{"100 at 10 a day", ten, "100", 0, 10 * day},
		{"105", ten, "105", 0, 10*day + 12*hour},
		{"an odd pace, rounded down", week(use("reply", "30", 600)), "10", 0, 2*day + 8*hour},
		{"half a day", ten, "5", 0, 12 * hour},
		{"beyond the horizon of forecasts", ten, "2000", 0, 200 * day},
		{"it expires before", ten, "2000", 90 * day, 90 * day},
		{"it expires after", ten, "100", 90 * day, 10 * day},
		{"just a year and a day", ten, "3660", 0, forecast.VeryLong},
		{"longer than anybody asks", ten, "1000000", 0, forecast.VeryLong},
		{"as much as there can be", ten, "100000000000", 0, forecast.VeryLong},
		{"as much, for a while", ten, "100000000000", 30 * day, 30 * day},
	} {
		if got := forecast.PaceOf(c.past).GoodFor(amount(c.amount), c.expires); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
