package views

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// minus is U+2212: a hyphen is too short beside digits.
const minus = "−"

// Number writes an amount with thousands separators and all its decimals: "42", "42.5", "1,234.05",
// "−9.2". It never rounds, so that it shows no token that cannot be spent.
func Number(a tokens.Amount) string {
	whole, fraction, hasFraction := strings.Cut(a.String(), ".")
	digits, negative := strings.CutPrefix(whole, "-")
	text := group(digits)
	if hasFraction {
		text += "." + fraction
	}
	if negative {
		text = minus + text
	}
	return text
}

// Signed is Number with a plus sign for positive amounts.
func Signed(a tokens.Amount) string {
	if a > 0 {
		return "+" + Number(a)
	}
	return Number(a)
}

// Tokens writes an amount with its unit: "18 tokens", "1 token", "0.05 tokens".
func Tokens(a tokens.Amount) string { return Number(a) + " " + unit(a) }

func unit(a tokens.Amount) string {
	if a == tokens.One {
		return "token"
	}
	return "tokens"
}

// Count writes a whole number with thousands separators.
func Count(n int64) string {
	text := strconv.FormatInt(n, 10)
	if digits, negative := strings.CutPrefix(text, "-"); negative {
		return minus + group(digits)
	}
	return group(text)
}

// counted writes a count with its noun: "1 job", "2 jobs".
func counted(n int64, singular, plural string) string {
	if n == 1 {
		return "1 " + singular
	}
	return Count(n) + " " + plural
}

func group(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// PricePerToken is the price of one token of a pack, in the currency's major unit, rounded up to at
// most four decimals: "$0.09", "$0.0756". Rounding up never understates a price. It is empty for an
// empty pack.
func PricePerToken(price money.Amount, amount tokens.Amount) string {
	if amount <= 0 || price.Minor < 0 {
		return ""
	}
	// In ten-thousandths of the major unit, so that cents keep two more decimals.
	scale := int64(10_000)
	for range money.Exponent(price.Currency) {
		scale /= 10
	}
	whole := (int64(amount) + int64(tokens.One) - 1) / int64(tokens.One)
	n := (price.Minor*scale + whole - 1) / whole
	text := fmt.Sprintf("%s.%04d", group(strconv.FormatInt(n/10_000, 10)), n%10_000)
	text = strings.TrimRight(text, "0")
	if _, decimals, _ := strings.Cut(text, "."); len(decimals) < 2 {
		text += strings.Repeat("0", 2-len(decimals))
	}
	return currencySign(price.Currency) + text
}

// currencySign is what money.Amount writes before the figures.
func currencySign(currency string) string {
	sign, _, _ := strings.Cut(money.Amount{Currency: currency}.String(), "0")
	return sign
}

// when is a time in the creator's zone, relative to now.
type when struct {
	at, now time.Time
}

func (c Layout) when(at time.Time) when {
	zone := c.DisplayZone
	if zone == nil {
		zone = time.UTC
	}
	return when{at: at.In(zone), now: c.Now.In(zone)}
}

// end is the last valid day before an exclusive end: a gift until 25 December, 00:00, is valid on
// 24 December.
func (c Layout) end(at time.Time) when {
	w := c.when(at)
	if w.at.Equal(clock.StartOfDay(w.at, w.at.Location())) {
		w.at = w.at.Add(-time.Nanosecond)
	}
	return w
}

// billing is the time zone in which days of usage and months are counted.
func (c Layout) billing() *time.Location {
	if c.BillingZone == nil {
		return c.when(c.Now).at.Location()
	}
	return c.BillingZone
}

// month names the present calendar month in the billing zone. Billing periods are named by their
// first day instead.
func (c Layout) month() string { return "This month (" + c.Now.In(c.billing()).Format("January") + ")" }

// daysAhead counts calendar days from today: 0 is today, 1 tomorrow, -1 yesterday.
func (w when) daysAhead() int {
	day := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	return int(day(w.at).Sub(day(w.now)) / (24 * time.Hour))
}

// Day is "Today", "Yesterday", "20 Nov" or, in another year, "20 Nov 2025".
func (w when) Day() string {
	switch {
	case w.daysAhead() == 0:
		return "Today"
	case w.daysAhead() == -1:
		return "Yesterday"
	case w.at.Year() == w.now.Year():
		return w.format("2 Jan")
	}
	return w.format("2 Jan 2006")
}

// Moment is the day and the time: "Today, 14:02", "20 Nov, 09:12".
func (w when) Moment() string { return w.Day() + ", " + w.format("15:04") }

// Clock is the time alone: "14:02".
func (w when) Clock() string { return w.format("15:04") }

// Date is a date ahead, with its weekday while that helps: "Thu 3 Dec", "31 Dec", "3 Jan 2027".
func (w when) Date() string {
	switch {
	case w.at.Year() != w.now.Year():
		return w.format("2 Jan 2006")
	case w.daysAhead() >= 0 && w.daysAhead() < 31:
		return w.format("Mon 2 Jan")
	}
	return w.format("2 Jan")
}

// Calendar is a date in a document: "22 November 2026".
func (w when) Calendar() string { return w.format("2 January 2006") }

// Arrives is when something arrives, in the middle of a sentence: "today at 14:00", "tomorrow",
// "Thursday", "on 3 December".
func (w when) Arrives() string {
	switch days := w.daysAhead(); {
	case days <= 0:
		return "today at" + nbsp + w.Clock()
	case days == 1:
		return "tomorrow"
	case days < 7:
		return w.format("Monday")
	case w.at.Year() == w.now.Year():
		return w.format("on 2 January")
	}
	return w.format("on 2 January 2006")
}

// Around is when something is expected, with the precision of a forecast: "today, 14:00", "Tuesday,
// 14:00", "3 December".
func (w when) Around() string {
	hour := when{at: w.at.Round(time.Hour), now: w.now}
	switch days := hour.daysAhead(); {
	case days <= 0:
		return "today, " + hour.Clock()
	case days == 1:
		return "tomorrow, " + hour.Clock()
	case days < 7:
		return hour.format("Monday, 15:04")
	}
	return hour.format("2 January")
}

// expected says when something will probably happen, after a verb: "within minutes", "within an
// hour", "around today, 14:00".
func (w when) expected() string {
	switch left := w.at.Sub(w.now); {
	case left < 10*time.Minute:
		return "within minutes"
	case left < time.Hour:
		return "within an hour"
	}
	return "around " + w.Around()
}

// Exact is the full time, for the title: "Friday 20 November 2026, 09:12:33 CET".
func (w when) Exact() string { return w.at.Format("Monday 2 January 2006, 15:04:05 MST") }

// ISO is the machine's form for <time datetime>.
func (w when) ISO() string { return w.at.Format(time.RFC3339) }
