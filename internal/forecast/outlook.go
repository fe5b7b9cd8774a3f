package forecast

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// When to warn and remind.
const (
	// WarnBelow is how long tokens must last for no warning to come. Once one has come it stays
	// until they last longer than WarnUntil: a small refund or a job that gives its tokens back
	// must not take it away and bring it again.
	WarnBelow = 3 * day
	WarnUntil = 3*day + 12*time.Hour
	// beforeReset is how long before the next allowance tokens must run out for a warning to begin.
	// It ends as soon as the allowance comes first. Without the difference a shop that sleeps at
	// night would be warned every day and soothed every night. Being six hours wrong in three days
	// is within what a pace knows.
	beforeReset = 6 * time.Hour
	// beforeResetHour is beforeReset where the last hour's pace says so, which is about today.
	beforeResetHour = time.Hour
	// HurryWithin is how soon tokens must run out at the last hour's pace for an outlook to rest on
	// it rather than on that of the past days: nobody knows whether what goes on now goes on
	// tomorrow. Once it does, it does until they last longer than HurryUntil.
	HurryWithin = 6 * time.Hour
	HurryUntil  = 9 * time.Hour
	// RemindGifts and RemindPlan are how long before tokens expire it is time to say so: gifts and
	// bought tokens can be saved in two weeks, while a plan's are meant to go every month.
	RemindGifts = 14 * day
	RemindPlan  = 3 * day
	// remindFrom is how much must be lost for a reminder.
	remindFrom = tokens.One
)

// Look works out what will probably happen: lots are spent in the ledger's order at an even pace,
// what is left of them expires, allowances arrive. What has stopped is still taken to spend: it
// makes the rest seem shorter, never longer. Where agents spend so fast that tokens are gone within
// hours, the pace is that of the last hour.
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
	stops, out := foretell(f, newCourse(f, hour))
	if out.IsZero() || out.Sub(f.Now) > within || (!o.RunsOut.IsZero() && !out.Before(o.RunsOut)) {
		return o
	}
	o.Hour, o.Stops, o.RunsOut = hour, stops, out
	return o
}

// lookDays is Look at the pace of the past days alone.
func lookDays(f Facts) Outlook {
	o := Outlook{At: f.Now, Pace: PaceOf(f.Past)}
	if len(f.Resets) > 0 {
		o.Reset = f.Resets[0]
	}
	c := newCourse(f, o.Pace)
	o.Stops, o.RunsOut = foretell(f, c)
	o.Losses = c.reminders()
	return o
}

// foretell runs a course, and says what stops in it and when all is spent; nothing without a pace.
func foretell(f Facts, c *course) (stops []Stop, out time.Time) {
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

// Known says whether there is a pace that RunsOut and Stops rest on.
func (o *Outlook) Known() bool { return o.Pace.Known() || o.Hour.Known() }

// ResetFirst says whether the next allowance comes before the tokens run out at the known pace.
func (o *Outlook) ResetFirst() bool {
	return o.Known() && !o.Reset.At.IsZero() && (o.RunsOut.IsZero() || !o.RunsOut.Before(o.Reset.At))
}

// First is what stops first before the next allowance comes; false when nothing does, or nothing is known.
func (o *Outlook) First() (Stop, bool) {
	if len(o.Stops) == 0 || (!o.Reset.At.IsZero() && !o.Stops[0].At.Before(o.Reset.At)) {
		return Stop{}, false
	}
	return o.Stops[0], true
}

// Lasts is for how long tokens last at this pace; Horizon when it is longer than that or there is no pace.
func (o *Outlook) Lasts() time.Duration {
	if o.RunsOut.IsZero() {
		return Horizon
	}
	return o.RunsOut.Sub(o.At)
}

// Soon says whether to warn that tokens will run out: in less than WarnBelow, and before the next
// allowance. warned says whether a warning stands already, which then stays until WarnUntil.
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

// Equivalents says how often an amount pays for each of the features alone, in their order. What it
// does not pay for once, and what has no price or is not in the catalog, is left out.
func Equivalents(prices *catalog.Catalog, amount tokens.Amount, features ...string) []Equivalent {
	var list []Equivalent
	for _, id := range features {
		if f, ok := prices.Feature(id); ok && amount.Fits(f.Price) > 0 {
			list = append(list, Equivalent{Feature: f, Count: amount.Fits(f.Price)})
		}
	}
	return list
}

// course is how an account's lots fare from now to the horizon.
type course struct {
	pace   Pace
	now    time.Time
	lots   []Lot // in the order in which they are spent; their amounts go down
	times  []time.Time
	losses []Loss
}

// mark is a level of the balance, and when it is reached first; zero: not before the horizon.
type mark struct {
	level tokens.Amount
	stop  Stop // but for its time
	at    time.Time
}

func newCourse(f Facts, pace Pace) *course {
	c := &course{
		pace: pace,
		now:  f.Now,
		lots: append(slices.Clone(f.Lots), allowances(f.Resets)...),
	}
	slices.SortStableFunc(c.lots, burnOrder)
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

// shortMonth is how long the last known allowance is taken to live.
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

// burnOrder is the ledger's: bought tokens last, else soonest expiry first, never last of all; then
// as they stand.
func burnOrder(a, b Lot) int {
	bought := func(l Lot) int {
		if l.Source == Bought {
			return 1
		}
		return 0
	}
	if order := cmp.Compare(bought(a), bought(b)); order != 0 {
		return order
	}
	switch {
	case a.Until.Equal(b.Until):
		return 0
	case a.Until.IsZero():
		return 1
	case b.Until.IsZero():
		return -1
	}
	return a.Until.Compare(b.Until)
}

// run spends from one instant at which something comes or goes to the next, and notes when the
// marks are reached.
func (c *course) run(marks []mark) {
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

// settle takes away what has expired by an instant and says how much can be spent then.
func (c *course) settle(at time.Time) tokens.Amount {
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

// spend takes an amount that is there from the lots that can be spent at an instant.
func (c *course) spend(amount tokens.Amount, at time.Time) {
	for i := range c.lots {
		if l := &c.lots[i]; !l.From.After(at) {
			part := min(l.Amount, amount)
			l.Amount -= part
			amount -= part
		}
	}
}

// reach notes when the balance first comes down to the mark in a stretch of time that begins with
// left. At the very end of it something may come.
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

// stops are the marks at which the work of agents stops, but for what has stopped already.
func (c *course) stops(f Facts) []mark {
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

// usualUnit is what one use of a feature takes: its price, or on average, rounded up, where it is
// metered; zero when that cannot be told.
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

// reminders are the losses worth one: enough of it, soon. Without a pace nobody knows what will be
// left of a plan's tokens.
func (c *course) reminders() []Loss {
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

// sumLosses adds up what is lost of one source at one instant, soonest first.
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
