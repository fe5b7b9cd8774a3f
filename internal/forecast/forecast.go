// Package forecast predicts from recent use how long tokens last, what stops first and what expires
// unused, and advises to wait, buy or upgrade. It is pure: no clock, no database, no texts.
//
// Amounts are in millionths. Rounding never makes tokens last longer than they do. Times are UTC.
package forecast

import (
	"cmp"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// How far a forecast looks back and ahead.
const (
	// MaxDays is the most complete days a pace uses: a week has every weekday once.
	MaxDays = 7
	// MinDays is how many complete days there must be, and on how many days (today included) tokens
	// must have been spent. One day alone predicts nothing.
	MinDays = 2
	// Horizon is how far ahead a forecast looks.
	Horizon = 90 * day
	day     = 24 * time.Hour
)

// Several stands for the id of an agent where more than one did the work.
const Several = "*"

// Use is the work on one feature over some days.
type Use struct {
	Feature  string
	Amount   tokens.Amount // what it cost, less what was returned of this very work: never below zero
	Quantity int64         // units
	Count    int64         // charges
	Agent    string        // the id of the one agent that did some of it, Several, or empty: the creator did it all
	Name     string        // what the creator calls that agent; empty: nothing in particular
}

// Recent is the work of agents in the last hour. Work that creators start by hand is left out,
// since it says nothing about the next hour.
type Recent struct {
	Amount tokens.Amount // what it cost, less what was returned of this very work
	Count  int64         // charges
	Since  time.Duration // how long ago the first of it was
}

// Past is what was spent recently.
type Past struct {
	// complete days of the billing zone before today that Uses is about: at most MaxDays, fewer for
	// a young account
	Days   int
	Active int   // on how many of them something was spent
	Uses   []Use // in all of them
	Today  []Use // today so far
	Hour   Recent
}

// Source is where a lot's tokens come from.
type Source int

// The sources of tokens.
const (
	Plan   Source = iota // the plan's allowance
	Gift                 // promo tokens and corrections
	Bought               // spent after all others
)

// Lot is a number of tokens that can be spent between two instants.
type Lot struct {
	Source Source
	Amount tokens.Amount // free: neither held nor frozen
	From   time.Time     // zero: already
	Until  time.Time     // zero: they never expire
}

// Reset is a future allowance.
type Reset struct {
	At     time.Time
	Amount tokens.Amount
}

// Facts describe an account at an instant.
type Facts struct {
	Now  time.Time
	Past Past
	Lots []Lot // in any order: a forecast spends them as the ledger does
	// Resets are the next allowances, soonest first: those within the Horizon and one more, none
	// while the plan is not paid for. Each lives until the next one; the last for a short month.
	Resets []Reset
	// Hurried says that the last Outlook rested on the last hour: then the next one does until it
	// clearly no longer has to.
	Hurried bool
	Plan    string        // the plan that the account is on
	Owed    tokens.Amount // comes off the tokens of the next pack
	Prices  *catalog.Catalog
}

// Pace is the rate of spending: Spent in Days days, or in Over. The zero Pace means that too little
// is known.
type Pace struct {
	Spent tokens.Amount // more than zero if known
	Days  int           // how many days it rests on: MinDays to MaxDays, and one more with today
	// Today says that today counts as a day of its own, which it does only where it makes the pace
	// faster: more was spent today already than on an average day.
	Today bool
	Over  time.Duration // of the pace of the last hour: how long the work has been going on; else zero
	Uses  []Use         // in those days and today, one for each feature, most tokens first
}

// Known says whether there is a pace.
func (p Pace) Known() bool { return p.Spent > 0 }

// Stop is when the tokens no longer pay for the work of an agent, or of several on one feature.
// Tools are run by hand and do not stop.
type Stop struct {
	Feature catalog.Feature
	Agent   string        // the agent's id; Several; or empty for work on an agents' feature that names no agent
	Name    string        // what the creator calls that one agent; empty: nothing in particular
	At      time.Time     // when the balance reaches Unit
	Unit    tokens.Amount // what one use takes: its price, or the average of the week where it is metered
}

// Loss is tokens that will probably expire unused.
type Loss struct {
	Source Source
	Amount tokens.Amount // at the pace; all that is left where there is none
	At     time.Time
}

// Outlook is the forecast.
type Outlook struct {
	At      time.Time // the instant that it looks from
	Pace    Pace      // of the past days
	Hour    Pace      // of the last hour, if RunsOut and Stops rest on it; if neither is Known they are empty
	RunsOut time.Time // when everything is spent at this pace; zero: not within the Horizon, or there is no pace
	Stops   []Stop    // agents' work that still runs now and stops within the Horizon, soonest first
	Reset   Reset     // the next allowance; zero: none will come
	Losses  []Loss    // worth a reminder: soonest first
}

// Who is the name of the agent if there is only one and it has a name, else of the feature.
func (s *Stop) Who() string { return cmp.Or(s.Name, s.Feature.Name) }

// Equivalent is how often an amount pays for a feature.
type Equivalent struct {
	// its Agent means that Count is an estimate: agents use tokens differently based on activity
	Feature catalog.Feature
	Count   int64 // more than zero
}

// AdviceKind names a piece of advice.
type AdviceKind string

// The kinds of advice.
const (
	Wait    AdviceKind = "wait"    // Reset arrives before the tokens run out or soon after: no pack may be needed
	Buy     AdviceKind = "buy"     // Pack is the smallest that does
	Upgrade AdviceKind = "upgrade" // packs cost more than a larger plan would
)

// Advice is a piece of advice. Fields that do not belong to Kind are zero.
type Advice struct {
	Kind AdviceKind

	Reset Reset // Wait: what arrives, and when
	// Wait: tokens last until then at the present pace; otherwise they run out a little before, or
	// there is no pace
	InTime bool

	Pack catalog.Pack // Buy
	// Buy: how long tokens last with it at the present pace; zero: beyond the Horizon, or there is no pace
	Until time.Time
	Cover bool // Buy: with it they last until the next allowance

	Plan  catalog.Plan // Upgrade: the smallest plan that is enough and costs less
	Extra money.Amount // Upgrade: what it costs a month above the present plan
	Packs money.Amount // Upgrade: what packs cost in a month, which is more than Extra
	Count int          // Upgrade: how many packs Packs stands for
}

// Wish is what the creator is about to do.
type Wish struct {
	Needs  tokens.Amount // what the tool costs that the creator wants to run now; zero: nothing in particular
	Bought Purchases     // packs that were paid in the last 30 days
}

// Purchases counts paid packs, with the sum of tokens and of money in one currency.
type Purchases struct {
	Count  int
	Tokens tokens.Amount
	Paid   money.Amount
}
