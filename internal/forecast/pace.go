package forecast

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"pop.store/credits/internal/tokens"
)

// PaceOf works out the pace of the past days; the zero Pace when they say too little: fewer than MinDays complete days of history, or something
// spent on fewer than MinDays days.
func PaceOf(p Past) Pace {
	pace := p.rate()
	if pace.Known() {
		pace.Uses = merge(p.Uses, p.Today)
	}
	return pace
}

// rate is the pace without its uses.
func (p *Past) rate() Pace {
	days, active := min(p.Days, MaxDays), p.Active
	spent, today := max(sum(p.Uses), 0), sum(p.Today)
	if today > 0 {
		active++
	}
	if days < MinDays || active < MinDays {
		return Pace{}
	}
	// A day that is not over counts once it is above the average: until then it says nothing, and from then on it can only get worse.
	if today > 0 && more(today, int64(days), spent, 1) {
		return Pace{Spent: add(spent, today), Days: days + 1, Today: true}
	}
	return Pace{Spent: spent, Days: days}
}

// Enough says that an amount lasts so long at the pace of the past days that no warning of Outlook.Soon can follow, warned or not; also when no pace
// is known. It is far cheaper than Look.
func Enough(p Past, amount tokens.Amount) bool { return p.rate().takes(amount) >= WarnUntil }

// PerDay is the pace in tokens a day, rounded up to a millionth; zero when it is not known.
func (p Pace) PerDay() tokens.Amount { return p.spends(day) }

// CompleteDays is how many days it rests on, not counting today: MaxDays is a week.
func (p Pace) CompleteDays() int {
	if p.Today {
		return p.Days - 1
	}
	return p.Days
}

// spends is what goes in a stretch of time, rounded up.
func (p Pace) spends(d time.Duration) tokens.Amount {
	if !p.Known() || d <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(p.Spent), uint64(d))
	span := uint64(p.span())
	if hi >= span {
		return math.MaxInt64
	}
	n, rest := bits.Div64(hi, lo, span)
	if rest > 0 {
		n++
	}
	return tokens.Amount(min(n, math.MaxInt64))
}

// takes is how long it takes to spend an amount, rounded down; Horizon when it is longer than that, or nothing is ever spent.
func (p Pace) takes(amount tokens.Amount) time.Duration { return p.takesAtMost(amount, Horizon) }

func (p Pace) takesAtMost(amount tokens.Amount, most time.Duration) time.Duration {
	if !p.Known() {
		return most
	}
	hi, lo := bits.Mul64(uint64(max(amount, 0)), uint64(p.span()))
	if hi >= uint64(p.Spent) {
		return most
	}
	n, _ := bits.Div64(hi, lo, uint64(p.Spent))
	return time.Duration(min(n, uint64(most)))
}

// VeryLong is the longest that GoodFor tells: more than a year is all one.
const VeryLong = 366 * day

// GoodFor is for how long an amount alone lasts at the pace, rounded down, and no longer than until it expires (zero: it never does); at most
// VeryLong. Zero when no pace is known, or nothing is there.
func (p Pace) GoodFor(amount tokens.Amount, expires time.Duration) time.Duration {
	if !p.Known() {
		return 0
	}
	most := VeryLong
	if expires > 0 {
		most = min(most, expires)
	}
	return p.takesAtMost(amount, most)
}

// span is the time that Spent was spent in. Where clocks change a day is an hour longer or shorter, which is less than a pace can know.
func (p Pace) span() time.Duration { return time.Duration(p.Days) * day }

// merge adds up the uses of each feature, most tokens first.
func merge(lists ...[]Use) []Use {
	at := map[string]int{}
	var sums []Use
	for _, u := range slices.Concat(lists...) {
		i, known := at[u.Feature]
		if !known {
			at[u.Feature] = len(sums)
			sums = append(sums, u)
			continue
		}
		sums[i].Amount = add(sums[i].Amount, u.Amount)
		sums[i].Quantity += u.Quantity
		sums[i].Count += u.Count
	}
	slices.SortFunc(sums, func(a, b Use) int { return cmp.Or(cmp.Compare(b.Amount, a.Amount), cmp.Compare(a.Feature, b.Feature)) })
	return sums
}

func sum(uses []Use) tokens.Amount {
	var total tokens.Amount
	for _, u := range uses {
		total = add(total, u.Amount)
	}
	return total
}

// add adds two amounts and stops at the largest or smallest there is.
func add(a, b tokens.Amount) tokens.Amount {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// more says whether a x n is more than b x m, none of them negative. No product is too large for it.
func more(a tokens.Amount, n int64, b tokens.Amount, m int64) bool {
	high, low := bits.Mul64(uint64(a), uint64(n))
	otherHigh, otherLow := bits.Mul64(uint64(b), uint64(m))
	return high > otherHigh || (high == otherHigh && low > otherLow)
}
