package forecast

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"

	"pop.store/credits/internal/tokens"
)

// PaceOf is the past days' pace; zero if there are too few days.
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
	spent, today := sum(p.Uses), sum(p.Today)
	if today > 0 {
		active++
	}
	if days < MinDays || active < MinDays {
		return Pace{}
	}
	// Today counts once it is above the average: before that it says nothing, and after it can only rise.
	if today > 0 && more(today, int64(days), spent, 1) {
		return Pace{
			Spent: add(spent, today),
			Days:  days + 1,
			Today: true,
		}
	}
	return Pace{Spent: spent, Days: days}
}

const (
	// minPieces is the least number of charges for a pace of the last hour, and leastSpan the least time
	// over which they are spread.
	minPieces = 10
	leastSpan = 5 * time.Minute
)

// hour is the last hour's pace; zero if there was too little work.
func (p *Past) hour() Pace {
	if p.Hour.Count < minPieces || p.Hour.Amount <= 0 {
		return Pace{}
	}
	return Pace{
		Spent: p.Hour.Amount,
		Over:  max(p.Hour.Since, leastSpan),
		Uses:  merge(p.Uses, p.Today),
	}
}

// Enough reports that an amount lasts so long at the past days' pace that Outlook.Soon cannot be true; also
// if no pace is known. It is much cheaper than Look.
func Enough(p Past, amount tokens.Amount) bool {
	return p.rate().takes(amount) >= WarnUntil && p.hour().takes(amount) > HurryUntil
}

// PerHour is the pace in tokens per hour, rounded up; zero if unknown.
func (p Pace) PerHour() tokens.Amount { return p.spends(time.Hour) }

// PerDay is the pace in tokens per day, rounded up; zero if unknown.
func (p Pace) PerDay() tokens.Amount { return p.spends(day) }

// CompleteDays is how many days the pace uses, without today.
func (p Pace) CompleteDays() int {
	if p.Today {
		return p.Days - 1
	}
	return p.Days
}

// spends is the amount spent in d, rounded up.
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

// takes is how long an amount lasts, rounded down, at most Horizon.
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

// VeryLong is the largest result of GoodFor.
const VeryLong = 366 * day

// GoodFor is how long a single amount lasts, rounded down, at most until it expires (zero: never) and at
// most VeryLong. Zero if no pace is known.
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

// span is the period of Spent. Clock changes are ignored.
func (p Pace) span() time.Duration {
	if p.Over > 0 {
		return p.Over
	}
	return time.Duration(p.Days) * day
}

// Merge adds up the uses per feature, most tokens first.
func Merge(uses []Use) []Use { return merge(uses) }

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
		sums[i].joinAgent(u)
	}
	slices.SortFunc(sums, func(a, b Use) int {
		return cmp.Or(cmp.Compare(b.Amount, a.Amount), cmp.Compare(a.Feature, b.Feature))
	})
	return sums
}

// joinAgent merges the agents of two uses.
func (u *Use) joinAgent(more Use) {
	switch {
	case more.Agent == "":
	case u.Agent == "":
		u.Agent, u.Name = more.Agent, more.Name
	case u.Agent == more.Agent:
		u.Name = cmp.Or(u.Name, more.Name)
	default:
		u.Agent, u.Name = Several, ""
	}
}

func sum(uses []Use) tokens.Amount {
	var total tokens.Amount
	for _, u := range uses {
		total = add(total, u.Amount)
	}
	return total
}

// add is a saturating sum. Neither may be negative.
func add(a, b tokens.Amount) tokens.Amount {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// more compares a*n > b*m without overflow. None may be negative.
func more(a tokens.Amount, n int64, b tokens.Amount, m int64) bool {
	high, low := bits.Mul64(uint64(a), uint64(n))
	otherHigh, otherLow := bits.Mul64(uint64(b), uint64(m))
	return high > otherHigh || (high == otherHigh && low > otherLow)
}
