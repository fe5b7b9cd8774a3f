package ledger

import (
	"time"

	"pop.store/credits/internal/tokens"
)

// Usage is the work of one agent on one feature in a day of the billing zone, and what was returned
// of that work, on whatever day.
type Usage struct {
	Day            time.Time // midnight UTC of the date
	Feature, Agent string
	Amount         tokens.Amount // what the work cost
	Quantity       int64         // units
	Count          int64         // charges and captures
	Returned       tokens.Amount // of Amount, by refunds: at most all of it
}

// Net is what the work cost in the end. It is never below zero: a server of the version before took
// refunds off the day on which they were given.
func (u *Usage) Net() tokens.Amount { return max(0, u.Amount-u.Returned) }

// UsageBy says what a sum of usage is about.
type UsageBy string

// The three ways to add usage up.
const (
	ByFeature UsageBy = "feature"
	ByAgent   UsageBy = "agent"
	ByDay     UsageBy = "day"
)

// UsageQuery asks what was spent in a range of days of the billing zone, First and Last included,
// each as midnight UTC of the date. Zero Last is today, zero First the thirtieth day up to Last.
type UsageQuery struct {
	By          UsageBy
	First, Last time.Time
}

// UsageSum is the work on one feature, by one agent or on one day, and what was returned of that work.
type UsageSum struct {
	Name     string        // of the feature or agent, empty for no agent; or the date
	Amount   tokens.Amount // what the work cost
	Quantity int64         // units
	Count    int64         // charges and captures
	Returned tokens.Amount // of Amount, by refunds: at most all of it
}

// Net is what the work cost in the end, never below zero; see Usage.Net.
func (s *UsageSum) Net() tokens.Amount { return max(0, s.Amount-s.Returned) }

// Add adds more work to a sum.
func (s *UsageSum) Add(more UsageSum) {
	s.Amount += more.Amount
	s.Quantity += more.Quantity
	s.Count += more.Count
	s.Returned += more.Returned
}

// UsageSums are sums over a range of days and what they add up to: days in their order, features
// and agents by what they cost in the end, most first.
type UsageSums struct {
	First, Last time.Time
	Sums        []UsageSum
	Total       UsageSum
}

// Bounds on the days of one query.
const (
	MaxUsageDays     = 400
	DefaultUsageDays = 30
)

// SeveralAgents stands for the id of an agent in a sum of the work of more than one.
const SeveralAgents = "*"

// RecentUse is the work of a day on one feature, by all: its Agent is the one agent that did some
// of it, SeveralAgents, or empty.
type RecentUse struct {
	Usage
	AgentName string // what the creator calls that one agent, if it was known when the day was over
}

// MaxSeries bounds the series of a UsageSeries: an account may have a thousand agents, and nobody
// can tell so many colours apart.
const MaxSeries = 8

// Series is what one feature or agent used on each day of a UsageSeries.
type Series struct {
	// UsageSum is the whole range. Its name is empty for work without an agent, and for the rest.
	UsageSum
	// Rest is set for all features or agents together that have no series of their own; it comes last.
	Rest bool
	// Days holds what the work of each day from UsageSeries.First to Last cost in the end, in
	// millionths of a token: never below zero.
	Days []tokens.Amount
}

// UsageSeries is what an account used per day of its billing zone: the features or agents that used
// most, most first, and the rest.
type UsageSeries struct {
	First, Last time.Time // midnight UTC of the dates; Last is today
	Series      []Series  // at most MaxSeries
	Total       UsageSum
}

// RecentWork is what agents have lately spent.
type RecentWork struct {
	Amount tokens.Amount // less what was returned of this very work
	Count  int64         // charges and captures
	First  time.Time     // when the first of them was
}
