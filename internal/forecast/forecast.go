// Package forecast predicts from recent use how long tokens last, which work stops first and what expires
// unused, and advises to wait, buy or upgrade. It is pure: it has no clock, no database and no texts.
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

const (
	// MaxDays is the most complete days a pace uses: a week has every weekday once.
	MaxDays = 7
	// MinDays is the least number of complete days, and of days with spending (today included). One day
	// alone predicts nothing.
	MinDays = 2
	// Horizon is how far ahead a forecast looks.
	Horizon = 90 * day
	day     = 24 * time.Hour
)

// Several is the agent id of work that more than one agent did.
const Several = "*"

// Use is the work on one feature in a period.
type Use struct {
	Feature  string
	Amount   tokens.Amount // cost less refunds of this work; never negative
	Quantity int64         // units
	Count    int64         // charges
	Agent    string        // id of the only agent, Several, or empty for the creator's own work
	Name     string        // the creator's name for that agent; may be empty
}

// Recent is the work of agents in the last hour. Work that creators start by hand is left out, since it
// says nothing about the next hour.
type Recent struct {
	Amount tokens.Amount // cost less refunds of this work
	Count  int64         // charges
	Since  time.Duration // age of the first charge
}

// Past is the recent spending.
type Past struct {
	// Complete days of the billing zone before today in Uses: at most MaxDays, fewer for a young account.
	Days   int
	Active int   // days with spending among them
	Uses   []Use // in all of these days
	Today  []Use // today so far
	Hour   Recent
}

// Source is the origin of a lot's tokens.
type Source int

const (
	Plan   Source = iota // the plan's allowance
	Gift                 // promo tokens and corrections
	Bought               // burned after all others
)

// Lot is an amount that can be spent between two instants.
type Lot struct {
	Source Source
	Amount tokens.Amount // free: neither held nor frozen
	From   time.Time     // zero: already
	Until  time.Time     // zero: never expires
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
	Lots []Lot // in any order: a forecast uses the ledger's burn order
	// Resets are the next allowances, soonest first: those within the Horizon and one more, none while the
	// plan is unpaid. Each expires at the next one; the last after a short month.
	Resets []Reset
	// Hurried means that the last Outlook used the last hour's pace, which then stays in use until it
	// clearly no longer matters.
	Hurried bool
	Plan    string        // the plan that the account is on
	Owed    tokens.Amount // debt, which the next pack settles
	Prices  *catalog.Catalog
}

// Pace is the rate of spending: Spent in Days days, or in Over. The zero Pace means that too little is
// known.
type Pace struct {
	Spent tokens.Amount // more than zero if known
	Days  int           // number of days: MinDays to MaxDays, and one more with today
	// Today counts as a day only if that makes the pace faster: today's spending is above the average
	// already.
	Today bool
	Over  time.Duration // for the last hour's pace: since when work has been going on; else zero
	Uses  []Use         // in those days and today, one per feature, most tokens first
}

func (p Pace) Known() bool { return p.Spent > 0 }

// Stop is when the tokens no longer pay for the work of one agent, or of several on one feature. Tools are
// run by hand and do not stop.
type Stop struct {
	Feature catalog.Feature
	Agent   string        // the agent's id; Several; or empty for work without an agent
	Name    string        // the creator's name for that agent; may be empty
	At      time.Time     // when the balance reaches Unit
	Unit    tokens.Amount // cost of one use: its price, or the week's average if metered
}

// Loss is an amount that will probably expire unused.
type Loss struct {
	Source Source
	Amount tokens.Amount // at the pace; without one all that is left
	At     time.Time
}

// Outlook is the forecast.
type Outlook struct {
	At      time.Time // the instant of the forecast
	Pace    Pace      // of the past days
	Hour    Pace      // the last hour's, if RunsOut and Stops use it; without any pace they are empty
	RunsOut time.Time // when everything is spent at this pace; zero: not within the Horizon, or there is no pace
	Stops   []Stop    // running work of agents that stops within the Horizon, soonest first
	Reset   Reset     // the next allowance; zero: none
	Losses  []Loss    // worth a reminder, soonest first
}

// Who returns the agent's name if exactly one agent stops and it has a name, else the feature's name.
func (s *Stop) Who() string { return cmp.Or(s.Name, s.Feature.Name) }

// Equivalent is how often an amount pays for a feature.
type Equivalent struct {
	// A feature with Agent makes Count an estimate, since the use of agents varies.
	Feature catalog.Feature
	Count   int64 // positive
}

type AdviceKind string

const (
	Wait    AdviceKind = "wait"    // Reset arrives before the tokens run out or soon after: a pack may not be needed
	Buy     AdviceKind = "buy"     // Pack is the smallest that is enough
	Upgrade AdviceKind = "upgrade" // packs cost more than a larger plan would
)

// Advice is a piece of advice. Fields of other kinds are zero.
type Advice struct {
	Kind AdviceKind

	Reset Reset // Wait: the next allowance
	// Wait: tokens last until then at the present pace; otherwise they run out a little earlier, or no pace
	// is known.
	InTime bool

	Pack catalog.Pack // Buy
	// Buy: how long tokens last with it at the present pace; zero: beyond the Horizon, or no pace is known.
	Until time.Time
	Cover bool // Buy: with it they last until the next allowance

	Plan  catalog.Plan // Upgrade: the smallest plan that is enough and costs less
	Extra money.Amount // Upgrade: monthly price above the present plan's
	Packs money.Amount // Upgrade: monthly price of packs, which is more than Extra
	Count int          // Upgrade: number of packs in Packs
}

// Wish is the creator's intention.
type Wish struct {
	Needs  tokens.Amount // cost of the tool that the creator wants to run now; zero: none
	Bought Purchases     // packs paid in the last 30 days
}

// Purchases counts paid packs and sums their tokens, and their price in one currency.
type Purchases struct {
	Count  int
	Tokens tokens.Amount
	Paid   money.Amount
}
