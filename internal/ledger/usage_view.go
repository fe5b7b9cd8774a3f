package ledger

import (
	"time"

	"pop.store/credits/internal/tokens"
)

// Usage is the work of one agent on one feature in a day of the billing zone.
type Usage struct {
	Day            time.Time // midnight UTC of the date
	Feature, Agent string
	Amount         tokens.Amount // before refunds
	Quantity       int64         // units
	Count          int64         // charges and captures
	Returned       tokens.Amount // refunded on any later day; at most Amount
}

// Net is the cost after refunds. It is never below zero: servers of the previous version subtracted refunds
// on the day when they were made.
func (u *Usage) Net() tokens.Amount { return max(0, u.Amount-u.Returned) }

// UsageBy says by what usage is grouped.
type UsageBy string

// The groupings.
const (
	ByFeature UsageBy = "feature"
	ByAgent   UsageBy = "agent"
	ByDay     UsageBy = "day"
)

// UsageQuery is a range of days of the billing zone, each as midnight UTC, both included. Zero Last is
// today; zero First makes a range of DefaultUsageDays days.
type UsageQuery struct {
	By          UsageBy
	First, Last time.Time
}

// UsageSum is the usage of one feature, agent or day.
type UsageSum struct {
	Name     string        // feature, agent (empty for none) or date
	Amount   tokens.Amount // before refunds
	Quantity int64         // units
	Count    int64         // charges and captures
	Returned tokens.Amount // refunded on any later day; at most Amount
}

// Net is the cost after refunds; see Usage.Net.
func (s *UsageSum) Net() tokens.Amount { return max(0, s.Amount-s.Returned) }

// Add adds another sum.
func (s *UsageSum) Add(more UsageSum) {
	s.Amount += more.Amount
	s.Quantity += more.Quantity
	s.Count += more.Count
	s.Returned += more.Returned
}

// UsageSums is usage over a range of days: days in order, features and agents by net cost, largest first.
type UsageSums struct {
	First, Last time.Time
	Sums        []UsageSum
	Total       UsageSum
}

// Limits on the days of one query.
const (
	MaxUsageDays     = 400
	DefaultUsageDays = 30
)

// SeveralAgents is the agent of usage by more than one.
const SeveralAgents = "*"

// RecentUse is the work of a day on one feature. Agent is the only agent that did some of it,
// SeveralAgents, or empty.
type RecentUse struct {
	Usage
	AgentName string // the agent's name, if it is known
}

// MaxSeries limits the series of a UsageSeries to what a chart can show in distinct colours.
const MaxSeries = 8

// Series is what one feature or agent used on each day of a UsageSeries.
type Series struct {
	// UsageSum is the total of the range. Its name is empty for work without an agent, and for the rest.
	UsageSum
	// Rest is set for the last series if it sums up all features or agents without a series of their own.
	Rest bool
	// Days is the net cost of each day from UsageSeries.First to Last, in millionths of a token, never
	// below zero.
	Days []tokens.Amount
}

// UsageSeries is what an account used per day of its billing zone, by feature or agent, largest first.
type UsageSeries struct {
	First, Last time.Time // midnight UTC of the dates; Last is today
	Series      []Series  // at most MaxSeries
	Total       UsageSum
}

// RecentWork is what agents have recently spent.
type RecentWork struct {
	Amount tokens.Amount // net of refunds of this work
	Count  int64         // charges and captures
	First  time.Time     // when the first of them was
}
