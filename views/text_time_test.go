package views

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

var santiago = func() *time.Location {
	zone, err := time.LoadLocation("America/Santiago")
	if err != nil {
		panic(err)
	}
	return zone
}()

// What ends at midnight is good until the day before, on every page and in every e-mail.
func TestAnEndIsTheLastDay(t *testing.T) {
	t.Parallel()
	c := Layout{Now: time.Date(2026, 12, 20, 15, 0, 0, 0, santiago), DisplayZone: santiago}
	midnight := time.Date(2026, 12, 25, 0, 0, 0, 0, santiago)
	noon := midnight.Add(12 * time.Hour)
	gift := func(at time.Time) string { return LotModel{Kind: LotPromo, ExpiresAt: at}.StatusText(c) }
	outlook := OutlookModel{
		PerDay:   tokens.One,
		PaceDays: 7,
		RunsOut:  midnight,
	}
	receipt := ReceiptModel{
		Layout:    c,
		Tokens:    100 * tokens.One,
		ExpiresAt: midnight,
	}
	pack := AdviceModel{
		Kind:       AdviceBuy,
		PackTokens: 100 * tokens.One,
		PackPrice:  money.Amount{Minor: 900, Currency: "USD"},
		Until:      midnight,
	}
	for _, line := range []struct{ got, want string }{
		{gift(midnight), "until Thu 24 Dec"},
		{gift(noon), "until Fri 25 Dec"},
		{gift(midnight.Add(time.Microsecond)), "until Fri 25 Dec"},
		{LotModel{
			Kind:      LotPlan,
			Of:        200 * tokens.One,
			ExpiresAt: midnight,
		}.StatusText(c), "of 200, until Thu 24 Dec"},
		{LotModel{
			Kind:      LotPlan,
			Of:        200 * tokens.One,
			ExpiresAt: midnight,
			Resets:    true,
		}.StatusText(c), "of 200, resets Fri 25 Dec"},
		{
			OutlookModel{}.Reminder(c, ExpiryModel{LotPromo, 2 * tokens.One, midnight}),
			"2 gift tokens expire on Thursday.",
		},
		{OutlookModel{}.Reminder(c, ExpiryModel{LotPromo, 2 * tokens.One, noon}), "2 gift tokens expire on Friday."},
		{OutlookModel{}.Reminder(Layout{Now: midnight.Add(-time.Hour), DisplayZone: santiago},
			ExpiryModel{LotPromo, 2 * tokens.One, midnight}), "2 gift tokens expire today at 23:59."},
		{outlook.Forecast(c), "At this week's pace (about 1 token a day) your tokens last until Thursday."},
		{pack.Text(c), "If you buy, 100 tokens for $9.00 last until about Thursday."},
		{receipt.TokenText(), "100 tokens. They can be used until 24 December 2026."},
		{
			ReturnModel{Until: midnight}.text(c),
			"You have used nothing of it. Until Thursday 24 December, 23:59 you can return it: its tokens go back.",
		},
	} {
		if Breakable(line.got) != line.want {
			t.Errorf("%q, want %q", line.got, line.want)
		}
	}
}

// Sentences are put together from texts that begin with any character.
func TestFirstLettersAreWholeCharacters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"":           {"", ""},
		"about":      {"About", "about"},
		"−75 tokens": {"−75 tokens", "−75 tokens"},
		"Émile is":   {"Émile is", "émile is"},
		"éclair":     {"Éclair", "éclair"},
		"𝒳":          {"𝒳", "𝒳"},
		"Ǆ":          {"Ǆ", "ǆ"},
		"ß":          {"SS", "ß"},
	} {
		if up, low := upperFirst(text),
			lowerFirst(text); !utf8.ValidString(up+low) || low != want[1] || (text != "ß" && up != want[0]) {
			t.Errorf("%q becomes %q and %q", text, up, low)
		}
	}
}

// "Today" is the creator's own day: a chart whose days are counted in another zone has dates instead.
func TestOnlyOneZoneSaysToday(t *testing.T) {
	t.Parallel()
	for _, days := range []int{7, 30} {
		m := usageOf(days, UsageSeries{Days: make([]tokens.Amount, days)})
		list := m.bars()
		own := strings.Join(append(m.marks(list), list[len(list)-1].name(m)), " ")
		m.Zone = "America/Los_Angeles"
		other := strings.Join(append(m.marks(list), list[len(list)-1].name(m)), " ")
		if strings.Count(own, "Today") != 2 || strings.Contains(other, "Today") ||
			m.zoneNote() != "Days here begin at midnight in your billing time zone, America/Los Angeles." {
			t.Errorf("%d days: %q, and %q in another zone", days, own, other)
		}
	}
}

// This month is a calendar month in the billing zone, and has its name; a billing period has its first day.
func TestMonthsAreNamed(t *testing.T) {
	t.Parallel()
	auckland, err := time.LoadLocation("Pacific/Auckland")
	if err != nil {
		t.Fatal(err)
	}
	c := Layout{Now: time.Date(2026, 12, 31, 14, 0, 0, 0, time.UTC), DisplayZone: time.UTC}
	if got := c.month(); got != "This month (December)" {
		t.Errorf("%q", got)
	}
	c.BillingZone = auckland
	if got := c.month(); got != "This month (January)" {
		t.Errorf("%q", got)
	}
	for start, want := range map[time.Time]string{
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC):   "Used since 1 Jan",
		time.Date(2026, 12, 14, 0, 0, 0, 0, time.UTC): "Used since 14 Dec 2026",
	} {
		if got := (HomeModel{Layout: c, PeriodStart: start}).usedSince(); Breakable(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A bar is full when all is there, and what is filled is left.
func TestABarShowsWhatIsLeft(t *testing.T) {
	t.Parallel()
	width := func(lots ...LotModel) string {
		var list []string
		for _, s := range shares(lots) {
			list = append(list, s.width)
		}
		return strings.Join(list, " ")
	}
	one := tokens.One
	for _, c := range []struct {
		lots []LotModel
		want string
	}{
		{[]LotModel{{Spendable: 200 * one, Of: 200 * one}}, "100.00"},
		{[]LotModel{{Spendable: 50 * one, Of: 200 * one}}, "25.00"},
		{[]LotModel{{Spendable: one / 20, Of: 200 * one}}, "1.50"},
		{[]LotModel{{Spendable: 50 * one, Of: 200 * one}, {Spendable: 200 * one, Of: 200 * one}}, "12.39 49.55"},
	} {
		if got := width(c.lots...); got != c.want {
			t.Errorf("%+v: %s, want %s", c.lots, got, c.want)
		}
	}
	budget := 50 * one
	for spent, want := range map[tokens.Amount]string{
		0:         "Spends at most 50 tokens a month, 50 are left.",
		12 * one:  "Spends at most 50 tokens a month, 38 are left.",
		49 * one:  "Spends at most 50 tokens a month, 1 is left.",
		500 * one: "Spends at most 50 tokens a month, 0 are left.",
	} {
		if got := (AgentModel{Budget: &budget, Spent: spent}).limits(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := (AgentModel{
		Budget: &budget,
		Spent:  12 * one,
		Held:   8 * one,
	}).budgetLeft(); got != 30*one {
		t.Errorf("%s are left beside a job", got)
	}
}

// What rests on the last hour says so, and is no more exact than it can be: the words stay the same
// while nothing changes much.
func TestTheLastHourInText(t *testing.T) {
	t.Parallel()
	c := Layout{Now: time.Date(2026, 12, 20, 15, 2, 0, 0, time.UTC), DisplayZone: time.UTC}
	next := &NextGrant{Amount: 200 * tokens.One, At: c.Now.AddDate(0, 0, 9)}
	for left, want := range map[time.Duration][2]string{
		0:                {"stops within minutes.", ""},
		2 * time.Minute:  {"stops within minutes.", "for a few minutes."},
		10 * time.Minute: {"stops within an hour.", "for less than an hour."},
		time.Hour:        {"stops around today, 16:00.", "until today, 16:00; your plan resets on 29 December."},
	} {
		n := NoticeModel{
			Level:     LevelLow,
			Spendable: 18 * tokens.One,
			Forecast: &Forecast{
				Who:  "Night desk",
				At:   c.Now.Add(left),
				Hour: true,
			},
		}
		if got := Breakable(n.Rest(c)); got != "At the last hour's pace, Night desk "+want[0] {
			t.Errorf("%v: %q", left, got)
		}
		m := OutlookModel{
			PerDay:   tokens.One,
			PaceDays: 7,
			PerHour:  25 * tokens.One,
			RunsOut:  c.Now.Add(left),
			Next:     next,
		}
		if want[1] != "" {
			want[1] = "At the last hour's pace (about 25 tokens an hour) your tokens last " + want[1]
		}
		if got := Breakable(m.Forecast(c)); got != want[1] {
			t.Errorf("%v: %q", left, got)
		}
	}
}
