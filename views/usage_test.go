package views

import (
	"math/rand/v2"
	"testing"
	"time"

	"pop.store/credits/internal/tokens"
)

func usageOf(days int, series ...UsageSeries) UsageModel {
	return UsageModel{
		By:     UsageByFeature,
		Days:   days,
		First:  time.Date(2026, 8, 30, 0, 0, 0, 0, time.UTC),
		Series: series,
	}
}

// Every day is in exactly one bar, the newest bar ends today, and only the first may be short.
func TestBars(t *testing.T) {
	t.Parallel()
	for days, want := range map[int]int{
		1:   1,
		7:   7,
		30:  30,
		90:  13,
		91:  13,
		400: 58,
	} {
		s := UsageSeries{Days: make([]tokens.Amount, days)}
		for i := range s.Days {
			s.Days[i] = tokens.Amount(i+1) - 3
			s.Total += s.Days[i]
		}
		m := usageOf(days, s, UsageSeries{Days: make([]tokens.Amount, days)})
		list := m.bars()
		var sum tokens.Amount
		next := m.First
		for i, b := range list {
			if !b.first.Equal(next) || b.total != b.amounts[0] || len(b.amounts) != 2 {
				t.Errorf("%d days: bar %d is from %s, want %s, with %s of %s", days, i, b.first, next,
					b.amounts[0], b.total)
			}
			if length := int(b.last.Sub(b.first)/(24*time.Hour)) + 1; i > 0 && length != days/want && length != 7 {
				t.Errorf("%d days: bar %d is %d days long", days, i, length)
			}
			sum, next = sum+b.total, b.last.AddDate(0, 0, 1)
		}
		if len(list) != want || sum != s.Total || !list[len(list)-1].last.Equal(m.today()) {
			t.Errorf("%d days: %d bars with %s, want %d with %s", days, len(list), sum, want, s.Total)
		}
	}
}

// The axis is round, holds every bar, has few lines, and begins at zero.
func TestScale(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(4, 4))
	highest := []tokens.Amount{
		0, 1, 4, 5, tokens.One / 20, tokens.One, 4 * tokens.One, 44 * tokens.One,
		46 * tokens.One, tokens.Max / 8,
	}
	for range 2000 {
		highest = append(highest, tokens.Amount(random.Int64N(1<<random.IntN(58)+1)))
	}
	for _, high := range highest {
		top, step := scale([]bar{{amounts: []tokens.Amount{high}, total: high}})
		lines := ticks(top, step)
		lead := step
		for lead%10 == 0 {
			lead /= 10
		}
		if top < high || len(lines) < 2 || len(lines) > maxTicks+1 || lines[len(lines)-1] != 0 ||
			top >= high+step && high > 0 || lead != 1 && lead != 2 && lead != 5 {
			t.Fatalf("%s: top %s, step %s, lines %v", high, top, step, lines)
		}
	}
	for high, want := range map[tokens.Amount]string{
		44 * tokens.One: "60 40 20 0 ",
		tokens.One / 20: "0.06 0.04 0.02 0 ",
		0:               "0.000001 0 ",
	} {
		got := ""
		for _, line := range ticks(scale([]bar{{total: high}})) {
			got += Number(line) + " "
		}
		if got != want {
			t.Errorf("%s: %q, want %q", high, got, want)
		}
	}
}

func TestBarText(t *testing.T) {
	t.Parallel()
	day := func(month time.Month, day int) time.Time { return time.Date(2026, month, day, 0, 0, 0, 0, time.UTC) }
	one := tokens.One
	m := usageOf(90, UsageSeries{Name: "PDF"}, UsageSeries{}, UsageSeries{Rest: true})
	for _, c := range []struct {
		bar  bar
		want string
	}{
		{
			bar{day(11, 22), day(11, 22), []tokens.Amount{75 * one, one / 20, 0}, 75*one + one/20},
			"Sun 22 Nov: 75.05 tokens. PDF 75, Other work 0.05.",
		},
		{bar{day(11, 16), day(11, 22), []tokens.Amount{0, 0, one}, one}, "16 to 22 Nov: 1 token. Everything else 1."},
		{
			bar{day(10, 28), day(11, 3), []tokens.Amount{75 * one, 0, 0}, 75 * one},
			"28 Oct to 3 Nov: 75 tokens. PDF 75.",
		},
		{bar{day(11, 27), day(11, 27), []tokens.Amount{0, 0, 0}, 0}, "Today: 0 tokens."},
	} {
		if got := Breakable(c.bar.reading(m)); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
