package views

import (
	"strconv"
	"strings"
	"time"

	"pop.store/credits/internal/tokens"
)

// weekly is the number of days from which a bar is a week: ninety bars would be too narrow on a
// phone.
const weekly = 60

// bar is one bar of the chart: a day, or a week that ends on the last of its days.
type bar struct {
	first, last time.Time
	// amounts are the series' in this bar, in their order.
	amounts []tokens.Amount
	total   tokens.Amount
}

// bars groups the days into bars. They are counted back from today, so that the newest bar is
// complete and the first may be short.
func (m UsageModel) bars() []bar {
	width := 1
	if m.Days >= weekly {
		width = 7
	}
	list := make([]bar, (m.Days+width-1)/width)
	for n := range m.Days {
		day := m.First.AddDate(0, 0, n)
		b := &list[len(list)-1-(m.Days-1-n)/width]
		if b.amounts == nil {
			b.first, b.amounts = day, make([]tokens.Amount, len(m.Series))
		}
		b.last = day
		for i, s := range m.Series {
			if n < len(s.Days) {
				b.amounts[i] += s.Days[n]
				b.total += s.Days[n]
			}
		}
	}
	return list
}

// maxTicks is how many lines the axis has at most, zero not counted.
const maxTicks = 4

// scale returns the axis' top and the step between its lines, both round numbers: 1, 2 or 5 times a
// power of ten.
func scale(list []bar) (top, step tokens.Amount) {
	var highest tokens.Amount
	for _, b := range list {
		highest = max(highest, b.total)
	}
	step = 1
	for factors := 0; (highest+step-1)/step > maxTicks; factors++ {
		if factors%3 == 1 {
			step = step / 2 * 5 // 2 becomes 5
		} else {
			step *= 2 // 1 becomes 2, 5 becomes 10
		}
	}
	return max((highest+step-1)/step, 1) * step, step
}

// ticks are the lines of the axis from the top down, zero last.
func ticks(top, step tokens.Amount) []tokens.Amount {
	var list []tokens.Amount
	for at := top; at >= 0; at -= step {
		list = append(list, at)
	}
	return list
}

// segment is a series' part of a bar, in percent of the plot.
type segment struct {
	series, x, y, width, height string
	striped                     bool
}

const (
	// barShare is how much of its column a bar takes.
	barShare = 0.74
	// segmentMin keeps a few replies visible below a video; segmentGap separates large segments.
	segmentMin = 0.9
	segmentGap = 0.55
)

// segments are the chart's bars, each from the bottom up. The table has the exact amounts.
func (m UsageModel) segments(list []bar, top tokens.Amount) []segment {
	var out []segment
	column := 100 / float64(len(list))
	for n, b := range list {
		y := 100.0
		for i, a := range b.amounts {
			if a == 0 {
				continue
			}
			height := max(percent(a, top), segmentMin)
			y -= height
			drawn := height
			if drawn > 2*segmentGap+segmentMin {
				drawn -= segmentGap
			}
			out = append(out, segment{
				series:  m.Series[i].fill(),
				striped: m.Series[i].striped(),
				x:       short((float64(n) + (1-barShare)/2) * column),
				width:   short(barShare * column),
				y:       short(max(y+height-drawn, 0)),
				height:  short(drawn),
			})
		}
	}
	return out
}

// label names a series.
func (m UsageModel) label(s UsageSeries) string {
	switch {
	case s.Rest:
		return "Everything else"
	case s.Name != "":
		return s.Name
	case m.By == UsageByAgent:
		return "You, without an agent"
	}
	return "Other work"
}

// detail is the quantity of a series' work: "2,248 replies".
func (s UsageSeries) detail() string {
	if s.Quantity <= 1 || s.Unit == "" || s.Rest {
		return ""
	}
	return Count(s.Quantity) + " " + s.Unit
}

// name is the days of a bar: "Today", "Sun 22 Nov", "16 to 22 Nov". If days are counted in another
// zone than the creator's, each has its date.
func (b bar) name(m UsageModel) string {
	switch {
	case !b.first.Equal(b.last):
		return dates(b.first, b.last)
	case b.last.Equal(m.today()) && m.Zone == "":
		return "Today"
	}
	return unbroken(b.last, "Mon 2 Jan")
}

// dates writes a range without repetition: "16 to 22 Nov", "28 Oct to 3 Nov".
func dates(first, last time.Time) string {
	if first.Month() == last.Month() {
		return first.Format("2") + " to " + unbroken(last, "2 Jan")
	}
	return unbroken(first, "2 Jan") + " to " + unbroken(last, "2 Jan")
}

// reading is a bar for a screen reader: "Sun 22 Nov: 6.4 tokens. Comment Replies 6, Lip sync 0.4."
func (b bar) reading(m UsageModel) string {
	text := b.name(m) + ": " + Tokens(b.total) + "."
	var parts []string
	for i, a := range b.amounts {
		if a != 0 {
			parts = append(parts, m.label(m.Series[i])+" "+Number(a))
		}
	}
	if len(parts) > 0 {
		text += " " + strings.Join(parts, ", ") + "."
	}
	return text
}

func (m UsageModel) today() time.Time { return m.First.AddDate(0, 0, m.Days-1) }

// marks are the dates below the chart: each day of a week, else the first, the middle and the last.
func (m UsageModel) marks(list []bar) []string {
	newest := "Today"
	if len(list) <= 7 {
		var all []string
		for _, b := range list[:len(list)-1] {
			all = append(all, b.last.Format("Mon"))
		}
		if m.Zone != "" {
			newest = m.today().Format("Mon")
		}
		return append(all, newest)
	}
	if m.Zone != "" {
		newest = unbroken(m.today(), "2 Jan")
	}
	middle := list[len(list)/2]
	return []string{unbroken(list[0].first, "2 Jan"), unbroken(middle.first, "2 Jan"), newest}
}

// zoneNote names the zone in which days are counted, if it is not the creator's.
func (m UsageModel) zoneNote() string {
	if m.Zone == "" {
		return ""
	}
	return "Days here begin at midnight in your billing time zone, " + strings.ReplaceAll(m.Zone, "_", " ") + "."
}

// sentence sums the chart up: "414 tokens in 30 days, most of them for Images."
func (m UsageModel) sentence() string {
	text := aboutTokens(m.Total)
	text = upperFirst(text) + " in " + strconv.Itoa(m.Days) + " days"
	if len(m.Series) > 1 && m.Series[0].Total*2 > m.Total {
		return text + ", most of them " + m.preposition() + " " + m.label(m.Series[0]) + "."
	}
	return text + "."
}

func (m UsageModel) preposition() string {
	if m.By == UsageByAgent {
		return "by"
	}
	return "for"
}

// title names the chart.
func (m UsageModel) title() string {
	per := "day"
	if m.Days >= weekly {
		per = "week"
	}
	return "Tokens used per " + per + ", by " + string(m.By) + ", last " + strconv.Itoa(m.Days) + " days"
}

// column is what the first column of the table holds.
func (m UsageModel) column() string {
	if m.Days >= weekly {
		return "Week"
	}
	return "Day"
}

// empty says why there is no chart.
func (m UsageModel) empty() (title, text string) {
	if m.Never {
		return "Nothing used yet", "What your AI tools and agents use will show here, day by day."
	}
	return "Nothing used in " + strconv.Itoa(m.Days) + " days",
		"What your AI tools and agents use shows here, day by day."
}

// page is the Credits page with this look at usage.
func (m UsageModel) page() string {
	if m.Days == 0 {
		return "/credits"
	}
	return "/credits?by=" + string(m.By) + "&days=" + strconv.Itoa(m.Days)
}

func (m UsageModel) link(by UsageBy, days int) string {
	m.By, m.Days = by, days
	return m.page() + "#usage"
}
