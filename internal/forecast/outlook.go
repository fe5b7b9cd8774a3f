package forecast

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/burnorder"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// When to warn and remind.
const (
	// WarnBelow is how long tokens must last to avoid a warning. A warning stays until they last WarnUntil,
	// so that a small refund or a job that returns its hold does not make it flicker.
	WarnBelow = 3 * day
	WarnUntil = 3*day + 12*time.Hour
	// beforeReset is how long before the next allowance tokens must run out for a warning to begin. It ends
	// as soon as the allowance comes first. Without the difference an account that is quiet at night would
	// get a new warning each day. Six hours in three days are within a pace's accuracy.
	beforeReset = 6 * time.Hour
	// beforeResetHour is beforeReset for the last hour's pace, which is about today.
	beforeResetHour = time.Hour
	// HurryWithin is how soon tokens must run out at the last hour's pace for an outlook to use it instead
	// of the past days': it may not last until tomorrow. It stays in use until tokens last HurryUntil.
	HurryWithin = 6 * time.Hour
	HurryUntil  = 9 * time.Hour
	// RemindGifts and RemindPlan are how long before the expiry a reminder is due: gifts and bought tokens
	// can be saved in two weeks, while a plan's are meant to be used each month.
	RemindGifts = 14 * day
	RemindPlan  = 3 * day
	// remindFrom is the least loss for a reminder.
	remindFrom = tokens.One
)

// Look computes the forecast: lots are spent in the ledger's order at an even pace, the rest
// expires, allowances arrive. If agents spend so fast that tokens end within hours, it uses the
// pace of the last hour.
func Look(f Facts) Outlook {
	o := lookDays(f)
	hour := f.Past.hour()
	if !hour.Known() {
		return o
	}
	within := HurryWithin
	if f.Hurried {
		within = HurryUntil
	}
	stops, out := simulate(f, newSimulation(f, hour))
	if out.IsZero() || out.Sub(f.Now) > within || (!o.RunsOut.IsZero() && !out.Before(o.RunsOut)) {
		return o
	}
	o.Hour, o.Stops, o.RunsOut = hour, stops, out
	return o
}

// lookDays is Look at the past days' pace.
func lookDays(f Facts) Outlook {
	o := Outlook{At: f.Now, Pace: PaceOf(f.Past)}
	if len(f.Resets) > 0 {
		o.Reset = f.Resets[0]
	}
	c := newSimulation(f, o.Pace)
	o.Stops, o.RunsOut = simulate(f, c)
	o.Losses = c.reminders()
	return o
}

// foretell simulates the account and returns what stops, and when all is spent; nothing without a pace.
func simulate(f Facts, c *simulation) (stops []Stop, out time.Time) {
	marks := append(c.stops(f), mark{})
	c.run(marks)
	if !c.pace.Known() {
		return nil, time.Time{}
	}
	for _, m := range marks[:len(marks)-1] {
		if !m.at.IsZero() {
			m.stop.At = m.at
			stops = append(stops, m.stop)
		}
	}
	slices.SortStableFunc(stops, func(a, b Stop) int { return a.At.Compare(b.At) })
	return stops, marks[len(marks)-1].at
}

// Known reports whether RunsOut and Stops have a pace.
func (o *Outlook) Known() bool { return o.Pace.Known() || o.Hour.Known() }

// ResetFirst reports whether the next allowance arrives before the tokens run out.
func (o *Outlook) ResetFirst() bool {
	return o.Known() && !o.Reset.At.IsZero() && (o.RunsOut.IsZero() || !o.RunsOut.Before(o.Reset.At))
}

// First is the first stop before the next allowance; false if there is none.
func (o *Outlook) First() (Stop, bool) {
	if len(o.Stops) == 0 || (!o.Reset.At.IsZero() && !o.Stops[0].At.Before(o.Reset.At)) {
		return Stop{}, false
	}
	return o.Stops[0], true
}

// Lasts is how long tokens last at this pace, at most Horizon.
func (o *Outlook) Lasts() time.Duration {
	if o.RunsOut.IsZero() {
		return Horizon
	}
	return o.RunsOut.Sub(o.At)
}

// Soon reports whether to warn that tokens run out: in less than WarnBelow, and before the next allowance.
// A warning that is shown (warned) stays until WarnUntil.
func (o *Outlook) Soon(warned bool) bool {
	if o.RunsOut.IsZero() || o.ResetFirst() {
		return false
	}
	if warned {
		return o.Lasts() < WarnUntil
	}
	before := beforeReset
	if o.Hour.Known() {
		before = beforeResetHour
	}
	return o.Lasts() < WarnBelow && (o.Reset.At.IsZero() || o.Reset.At.Sub(o.RunsOut) >= before)
}

// Equivalents returns how often an amount pays for each feature. Features that it does not pay for once, or
// that have no price, are left out.
func Equivalents(prices *catalog.Catalog, amount tokens.Amount, features ...string) []Equivalent {
	var list []Equivalent
	for _, id := range features {
		if f, ok := prices.Feature(id); ok && amount.Fits(f.Price) > 0 {
			list = append(list, Equivalent{Feature: f, Count: amount.Fits(f.Price)})
		}
	}
	return list
}

// simulation simulates an account's lots from now to the horizon.
type simulation struct {
	pace   Pace
	now    time.Time
	lots   []Lot // in burn order; their amounts go down
	times  []time.Time
	losses []Loss
}

// mark is a level of the balance and when it is first reached; zero: not before the horizon.
type mark struct {
	level tokens.Amount
	stop  Stop // without its time
	at    time.Time
}

func newSimulation(f Facts, pace Pace) *simulation {
	c := &simulation{
		pace: pace,
		now:  f.Now,
		lots: append(slices.Clone(f.Lots), allowances(f.Resets)...),
	}
	slices.SortStableFunc(c.lots, func(a, b Lot) int {
		return burnorder.Compare(a.Source == Bought, b.Source == Bought, a.Until, b.Until)
	})
	end := f.Now.Add(Horizon)
	c.times = []time.Time{f.Now, end}
	for _, l := range c.lots {
		for _, at := range []time.Time{l.From, l.Until} {
			if at.After(f.Now) && at.Before(end) {
				c.times = append(c.times, at)
			}
		}
	}
	slices.SortFunc(c.times, time.Time.Compare)
	c.times = slices.CompactFunc(c.times, time.Time.Equal)
	return c
}

// shortMonth is the assumed life of the last known allowance.
const shortMonth = 28 * day

func allowances(resets []Reset) []Lot {
	lots := make([]Lot, len(resets))
	for i, r := range resets {
		lots[i] = Lot{
			Source: Plan,
			Amount: r.Amount,
			From:   r.At,
			Until:  r.At.Add(shortMonth),
		}
		if i > 0 {
			lots[i-1].Until = r.At
		}
	}
	return lots
}

// run spends from one arrival or expiry to the next, and sets the times of the marks.
func (c *simulation) run(marks []mark) {
	for i, from := range c.times[:len(c.times)-1] {
		until := c.times[i+1]
		left := c.settle(from)
		for j := range marks {
			marks[j].reach(c.pace, left, from, until)
		}
		c.spend(min(left, c.pace.spends(until.Sub(from))), from)
	}
	c.settle(c.times[len(c.times)-1])
}

// settle removes what has expired by an instant and returns what can be spent then.
func (c *simulation) settle(at time.Time) tokens.Amount {
	var left tokens.Amount
	for i := range c.lots {
		l := &c.lots[i]
		switch {
		case !l.Until.IsZero() && !l.Until.After(at):
			if l.Until.After(c.now) {
				c.losses = append(c.losses, Loss{
					Source: l.Source,
					Amount: l.Amount,
					At:     l.Until,
				})
			}
			l.Amount = 0
		case !l.From.After(at):
			left = add(left, l.Amount)
		}
	}
	return left
}

// spend takes an amount from the lots that can be spent at an instant.
func (c *simulation) spend(amount tokens.Amount, at time.Time) {
	for i := range c.lots {
		if l := &c.lots[i]; !l.From.After(at) {
			part := min(l.Amount, amount)
			l.Amount -= part
			amount -= part
		}
	}
}

// reach sets the time at which the balance falls to the mark, in a stretch that starts with left.
// The end is exclusive: tokens may arrive there.
func (m *mark) reach(pace Pace, left tokens.Amount, from, until time.Time) {
	if !m.at.IsZero() {
		return
	}
	if left <= m.level {
		m.at = from
	} else if at := from.Add(pace.takes(left - m.level)); at.Before(until) {
		m.at = at
	}
}

// stops are the marks at which agents stop, without those that have stopped.
func (c *simulation) stops(f Facts) []mark {
	left := c.settle(f.Now)
	var marks []mark
	for _, u := range c.pace.Uses {
		feature, ok := f.Prices.Feature(u.Feature)
		if !ok || (!feature.Agent && u.Agent == "") {
			continue
		}
		if unit := usualUnit(feature, u); u.Amount > 0 && unit > 0 && unit <= left {
			marks = append(marks, mark{level: unit, stop: Stop{
				Feature: feature,
				Agent:   u.Agent,
				Name:    u.Name,
				Unit:    unit,
			}})
		}
	}
	return marks
}

// usualUnit is the price of one use of a feature, or its average, rounded up, if it is metered;
// zero if unknown.
func usualUnit(f catalog.Feature, u Use) tokens.Amount {
	if f.Pricing != catalog.Metered {
		return f.Price
	}
	if u.Count <= 0 || u.Amount <= 0 {
		return 0
	}
	unit := u.Amount / tokens.Amount(u.Count)
	if u.Amount%tokens.Amount(u.Count) > 0 {
		unit++
	}
	return unit
}

// reminders are the losses that are large and soon enough. Without a pace the loss of a plan's
// tokens is unknown.
func (c *simulation) reminders() []Loss {
	var list []Loss
	for _, l := range sumLosses(c.losses) {
		within := RemindGifts
		if l.Source == Plan {
			within = RemindPlan
		}
		if l.Amount >= remindFrom && l.At.Sub(c.now) <= within && (l.Source != Plan || c.pace.Known()) {
			list = append(list, l)
		}
	}
	return list
}

// sumLosses adds up losses of one source at one instant, soonest first.
func sumLosses(losses []Loss) []Loss {
	slices.SortStableFunc(losses, func(a, b Loss) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Source, b.Source))
	})
	var sums []Loss
	for _, l := range losses {
		if last := len(sums) - 1; last >= 0 && sums[last].Source == l.Source && sums[last].At.Equal(l.At) {
			sums[last].Amount = add(sums[last].Amount, l.Amount)
			continue
		}
		sums = append(sums, l)
	}
	return sums
}
