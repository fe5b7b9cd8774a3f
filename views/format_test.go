package views

import (
	"testing"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]string{
		"0":               "0",
		"42":              "42",
		"42.5":            "42.5",
		"0.05":            "0.05",
		"-9.2":            "−9.2",
		"999":             "999",
		"1000":            "1,000",
		"-1234567.891234": "−1,234,567.891234",
		"0.999999":        "0.999999",
		"1999.999999":     "1,999.999999",
	} {
		if got := Number(tokens.MustParse(amount)); got != want {
			t.Errorf("Number(%s) = %q, want %q", amount, got, want)
		}
	}
}

func TestSignedAndTokens(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Signed(75 * tokens.One):  "+75",
		Signed(0):                "0",
		Signed(-tokens.One / 20): "−0.05",
		Tokens(tokens.One):       "1 token",
		Tokens(18 * tokens.One):  "18 tokens",
		Tokens(tokens.One / 20):  "0.05 tokens",
		Count(24691357):          "24,691,357",
		Count(-1200):             "−1,200",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPricePerTokenNeverLooksCheaper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor    int64
		currency string
		tokens   string
		want     string
	}{
		{900, "USD", "100", "$0.09"},
		{3900, "USD", "500", "$0.078"},
		{7900, "USD", "1200", "$0.0659"}, // 0.065833...
		{100000, "USD", "100", "$10.00"},
		{1500, "JPY", "100", "¥15.00"},
		{900, "CHF", "100", "CHF 0.09"},
		{900, "USD", "0", ""},
	} {
		if got := PricePerToken(money.Amount{Minor: c.minor, Currency: c.currency},
			tokens.MustParse(c.tokens)); got != c.want {
			t.Errorf("%d %s for %s = %q, want %q", c.minor, c.currency, c.tokens, got, c.want)
		}
	}
}

func TestTimesAreInTheCreatorsZone(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// Half past midnight on Friday in Berlin; still Thursday in UTC.
	c := Layout{Now: time.Date(2026, time.November, 26, 23, 30, 0, 0, time.UTC), DisplayZone: berlin}
	at := func(day, hour int) time.Time { return time.Date(2026, time.November, day, hour, 2, 33, 0, berlin) }
	for _, check := range []struct{ name, got, want string }{
		{"today", c.when(at(27, 0)).Moment(), "Today, 00:02"},
		{"yesterday", c.when(at(26, 19)).Moment(), "Yesterday, 19:02"},
		{"this year", c.when(at(20, 9)).Moment(), "20 Nov, 09:02"},
		{"another year", c.when(at(20, 9).AddDate(-1, 0, 0)).Moment(), "20 Nov 2025, 09:02"},
		{"exact", c.when(at(20, 9)).Exact(), "Friday 20 November 2026, 09:02:33 CET"},
		{"machine", c.when(at(20, 9)).ISO(), "2026-11-20T09:02:33+01:00"},
		{"arrives today", c.when(at(27, 9)).Arrives(), "today at 09:02"},
		{"arrives tomorrow", c.when(at(28, 9)).Arrives(), "tomorrow"},
		{"arrives this week", c.when(at(33, 9)).Arrives(), "Thursday"},
		{"arrives in a week", c.when(at(34, 9)).Arrives(), "on 4 December"},
		{"arrives next year", c.when(at(34+31, 9)).Arrives(), "on 4 January 2027"},
		{"around", c.when(at(31, 14)).Around(), "Tuesday, 14:00"},
		{"around midnight", c.when(time.Date(2026, 11, 27, 23, 40, 0, 0, berlin)).Around(), "tomorrow, 00:00"},
		{"around later", c.when(at(45, 14)).Around(), "15 December"},
		{"resets", c.when(at(33, 9)).Date(), "Thu 3 Dec"},
		{"until", c.when(at(61, 9)).Date(), "31 Dec"},
		{"until next year", c.when(at(90, 9)).Date(), "29 Jan 2027"},
	} {
		if Breakable(check.got) != check.want {
			t.Errorf("%s: got %q, want %q", check.name, check.got, check.want)
		}
	}
}

func TestDaysAcrossTheChangeOfClocks(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	// The night of 29 March 2026 has 23 hours.
	c := Layout{Now: time.Date(2026, time.March, 28, 23, 0, 0, 0, berlin), DisplayZone: berlin}
	if got := c.when(time.Date(2026, time.March, 29, 23, 30, 0, 0, berlin)).Arrives(); got != "tomorrow" {
		t.Errorf("got %q", got)
	}
}

func TestWithoutAZoneTimesAreUTC(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 26, 23, 30, 0, 0, time.UTC)
	if got := (Layout{Now: now}).when(now).Exact(); got != "Thursday 26 November 2026, 23:30:00 UTC" {
		t.Errorf("got %q", got)
	}
}
