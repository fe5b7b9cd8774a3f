package forecast_test

import (
	"slices"
	"testing"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/money"
)

// ten is ten tokens a day: 300 in thirty days.
func ten() forecast.Past { return week(use("reply", "70", 1400)) }

func starter(past forecast.Past, left string, reset time.Duration) forecast.Facts {
	f := forecast.Facts{
		Now:    now,
		Past:   past,
		Lots:   []forecast.Lot{lot(forecast.Plan, left, reset)},
		Plan:   "starter",
		Prices: prices(),
	}
	if reset > 0 {
		f.Resets = months("200", reset)
	}
	return f
}

// advice returns the advice of a kind, of at most two.
func advice(t *testing.T, f forecast.Facts, w forecast.Wish, kind forecast.AdviceKind) (forecast.Advice, bool) {
	t.Helper()
	list := forecast.Advise(f, w)
	if len(list) > 2 {
		t.Errorf("%d pieces of advice", len(list))
	}
	at := slices.IndexFunc(list, func(a forecast.Advice) bool { return a.Kind == kind })
	if at < 0 {
		return forecast.Advice{}, false
	}
	return list[at], true
}

func TestAdviceToWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		facts        forecast.Facts
		needs        string
		wait, inTime bool
	}{
		{"they last until the reset", starter(ten(), "200", 19*day), "0", true, true},
		{"just until the reset", starter(ten(), "190", 19*day), "0", true, true},
		{"they end 24 hours before it", starter(ten(), "180", 19*day), "0", true, false},
		{"they end earlier", starter(ten(), "179", 19*day), "0", false, false},
		{"empty, and it comes tomorrow", starter(ten(), "0", 24*hour), "0", true, false},
		{"empty, and it comes later", starter(ten(), "0", 25*hour), "0", false, false},
		{"no pace, and it comes in two days", starter(forecast.Past{}, "1", 2*day), "0", true, false},
		{"no pace, and it comes later", starter(forecast.Past{}, "1", 2*day+time.Minute), "0", false, false},
		{"no reset", starter(ten(), "100", 0), "0", false, false},
		{"33 short of a PDF, the reset is in two days", starter(ten(), "42", 2*day), "75", true, false},
		{"33 short of a PDF, the reset is later", starter(ten(), "42", 2*day+time.Minute), "75", false, false},
		{"more than the plan gives", starter(ten(), "42", day), "201", false, false},
		// (190 - 75) / 10 = 11.5
		{"a PDF, and then just until the reset", starter(ten(), "190", 11*day+12*hour), "75", true, true},
		{"a PDF, and then not", starter(ten(), "190", 12*day+12*hour+time.Minute), "75", false, false},
	} {
		got, ok := advice(t, c.facts, forecast.Wish{Needs: amount(c.needs)}, forecast.Wait)
		if ok != c.wait || got.InTime != c.inTime || (ok && got.Reset != c.facts.Resets[0]) {
			t.Errorf("%s: %v, %+v", c.name, ok, got)
		}
		if _, buy := advice(t, c.facts, forecast.Wish{Needs: amount(c.needs)}, forecast.Buy); ok && buy {
			t.Errorf("%s: wait and buy", c.name)
		}
	}
}

func TestAdviceToBuy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		facts forecast.Facts
		needs string
		pack  string // empty: none
		until time.Duration
		cover bool
	}{
		// (50 + 100) / 10 = 15 days, then 200 / 10.
		{"the smallest is just enough", starter(ten(), "50", 15*day), "0", "small", 35 * day, true},
		// (50 + 100) / 10 = 15 days of 16.
		{"the smallest is not enough", starter(ten(), "50", 16*day), "0", "medium", 0, true},
		// (90 - 75 + 100) / 10 = 11.5 days of 12; without the PDF no pack would be needed.
		{"a PDF that can be paid, and twelve days", starter(ten(), "90", 12*day), "75", "medium", 0, true},
		{"none is needed", starter(ten(), "160", 16*day), "0", "", 0, false},
		// 42 + 100 - 75 = 67, and 67 / 10 = 6.7 days of 9.
		{"a PDF now, and nine days", starter(ten(), "42", 9*day), "75", "medium", 0, true},
		// 67 last six days; then the month's 200 to day 26, and the last 7 of the pack to day 26.7.
		{
			"a PDF now, and six days", starter(ten(), "42", 6*day), "75", "small", 26*day + 16*hour + 48*time.Minute,
			true,
		},
		{"a PDF now, no pace", starter(forecast.Past{}, "42", 9*day), "75", "small", 0, true},
		{"what no pack pays for", starter(ten(), "0", 9*day), "1000.000001", "", 0, false},
		// No reset: a month. 10 + 100 are 11 days, 10 + 500 are 51.
		{"a month without a reset", starter(ten(), "10", 0), "0", "medium", 51 * day, true},
		{"two months without a reset are enough", starter(ten(), "600", 0), "0", "", 0, false},
		// 100 a day for 20 days: none is enough; the largest is 10 days.
		{"none is enough", starter(week(use("image", "700", 70)), "0", 20*day), "0", "large", 10 * day, false},
	} {
		got, ok := advice(t, c.facts, forecast.Wish{Needs: amount(c.needs)}, forecast.Buy)
		if got.Pack.ID != c.pack || ok != (c.pack != "") || got.Cover != c.cover {
			t.Errorf("%s: %+v", c.name, got)
		}
		if c.until > 0 && !got.Until.Equal(in(c.until)) {
			t.Errorf("%s: until %v, want %v", c.name, got.Until.Sub(now), c.until)
		}
	}
}

func TestAPackThatExpiresIsNotTakenToLast(t *testing.T) {
	t.Parallel()
	f := starter(ten(), "0", 0)
	f.Prices.Packs = []catalog.Pack{{
		ID:          "short",
		Tokens:      amount("1000"),
		Price:       dollars(100),
		ExpiresDays: 20,
	}, {
		ID:     "long",
		Tokens: amount("1001"),
		Price:  dollars(9900),
	}}
	if got, _ := advice(t, f, forecast.Wish{}, forecast.Buy); got.Pack.ID != "long" {
		t.Errorf("%+v: the small pack lasts twenty days of thirty", got)
	}
}

func TestAdviceToUpgrade(t *testing.T) {
	t.Parallel()
	bought := func(count int, text string, minor int64) forecast.Purchases {
		return forecast.Purchases{
			Count:  count,
			Tokens: amount(text),
			Paid:   dollars(minor),
		}
	}
	young := forecast.Past{
		Days:   6,
		Active: 6,
		Uses:   []forecast.Use{use("reply", "60", 1200)},
	}
	for _, c := range []struct {
		name   string
		facts  forecast.Facts
		bought forecast.Purchases
		plan   string // empty: none
		extra  int64
		packs  int64
		count  int
	}{
		// In thirty days: 300, of which 100 are above Starter's 200: 9 dollars of packs at 0.09, at
		// best 6.90 at 0.069. Pro costs 14 more.
		{"packs are cheaper", starter(ten(), "200", 19*day), bought(0, "0", 0), "", 0, 0, 0},
		// 12 a day: 360. 160 above: at best 11.04.
		{
			"packs are cheaper still", starter(week(use("reply", "84", 1)), "300", 19*day), bought(0, "0", 0), "", 0,
			0, 0,
		},
		// 13.5 a day: 405 is more than Pro's 400. 205 above: at best 14.145; Star costs 50 more.
		{
			"the next plan is too small", starter(week(use("reply", "94.5", 1)), "300", 19*day), bought(0, "0", 0),
			"", 0, 0, 0,
		},
		// 31.5 a day: 945. 745 above: at best 51.405, which is more than Star's 50: one large pack
		// for 69 is the cheapest way.
		{
			"the largest plan is cheaper", starter(week(use("reply", "220.5", 1)), "900", 19*day), bought(0, "0", 0),
			"star", 5000, 6900, 1,
		},
		// 30.5 a day: 915. 715 above: at best 49.335.
		{"it is not quite", starter(week(use("reply", "213.5", 1)), "900", 19*day), bought(0, "0", 0), "", 0, 0, 0},
		{"less than a week says nothing of a month", starter(forecast.Past{
			Days:   6,
			Active: 6,
			Uses:   []forecast.Use{use("reply", "189", 1)},
		}, "900", 19*day), bought(0, "0", 0), "", 0, 0, 0},
		{
			"two packs cost more than Pro's 14", starter(young, "200", 19*day), bought(2, "200", 1800), "pro", 1400,
			1800, 2,
		},
		{"one pack is no habit", starter(young, "200", 19*day), bought(1, "100", 3900), "", 0, 0, 0},
		{"they gave more than Pro", starter(young, "200", 19*day), bought(2, "600", 4800), "", 0, 0, 0},
		{
			"they gave more than Pro and cost more than Star", starter(young, "200", 19*day), bought(3, "700", 5700),
			"star", 5000, 5700, 3,
		},
		{"they cost the same", starter(young, "200", 19*day), bought(2, "200", 1400), "", 0, 0, 0},
		// One pack was bought, and the small one would be the second: 9 + 9.
		{"the second pack would", starter(young, "30", 12*day), bought(1, "100", 900), "pro", 1400, 1800, 2},
		{"other money cannot be compared", starter(young, "200", 19*day), forecast.Purchases{
			Count:  2,
			Tokens: amount("200"),
			Paid:   money.Amount{Minor: 9900, Currency: "EUR"},
		}, "", 0, 0, 0},
	} {
		got, ok := advice(t, c.facts, forecast.Wish{Bought: c.bought}, forecast.Upgrade)
		if ok != (c.plan != "") || got.Plan.ID != c.plan || got.Extra.Minor != c.extra ||
			got.Packs.Minor != c.packs || got.Count != c.count {
			t.Errorf("%s: %v, %+v", c.name, ok, got)
		}
	}
	f := starter(young, "200", 19*day)
	for i := range f.Prices.Plans {
		f.Prices.Plans[i].Price = money.Amount{}
	}
	if got, ok := advice(t, f, forecast.Wish{Bought: bought(2, "200", 1800)}, forecast.Upgrade); ok {
		t.Errorf("without the price of a plan: %+v", got)
	}
	f = starter(young, "200", 19*day)
	f.Plan = "star"
	if got, ok := advice(t, f, forecast.Wish{Bought: bought(9, "200", 99900)}, forecast.Upgrade); ok {
		t.Errorf("above the largest plan: %+v", got)
	}
}

// Debt is deducted from any pack, and advice is about the rest.
func TestAdviceKnowsWhatIsOwed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ owed, needs, pack string }{
		{"0", "75", "small"},
		{"20", "75", "small"}, // 42 + 100 - 20 = 122
		{"67", "75", "small"}, // 42 + 33 = 75
		{"67.000001", "75", "medium"},
		{"100", "75", "medium"},
		{"468", "75", "large"},
		{"968", "75", ""},
	} {
		f := starter(forecast.Past{}, "42", 0)
		f.Owed = amount(c.owed)
		got, ok := advice(t, f, forecast.Wish{Needs: amount(c.needs)}, forecast.Buy)
		if got.Pack.ID != c.pack || ok != (c.pack != "") {
			t.Errorf("%s owed: %q, want %q", c.owed, got.Pack.ID, c.pack)
		}
	}
}
