package views

import (
	"time"

	"pop.store/credits/internal/tokens"
)

// UsageBy is the grouping of a usage chart: the value of the parameter "by".
type UsageBy string

// The two groupings.
const (
	UsageByFeature UsageBy = "feature"
	UsageByAgent   UsageBy = "agent"
)

// DefaultUsageDays is the range of the chart unless the URL names one.
const DefaultUsageDays = 30

// UsageDays are the ranges of the chart: the values of the parameter "days".
var UsageDays = []int{7, 30, 90}

// SeriesColours is the number of distinct series: plain colours, and the same ones striped.
const SeriesColours = 14

// UsageModel is what was used per day, by feature or by agent.
type UsageModel struct {
	By   UsageBy
	Days int
	// First is the date of the first day, as midnight UTC in every zone. The last of the Days is today
	// in the billing zone.
	First time.Time
	// Zone names the billing zone if its days differ from the creator's, else it is empty.
	Zone string
	// Series are the largest ones, largest first. All others come last, as Rest.
	Series []UsageSeries
	Total  tokens.Amount
	// Never is set if nothing was ever used.
	Never bool
}

// UsageSeries is one feature or agent over the days.
type UsageSeries struct {
	// Name is the feature's or the agent's; empty for work without an agent, and for the rest.
	Name string
	Rest bool
	// Colour is from 0 to SeriesColours: the same in every range of the chart.
	Colour int
	Total  tokens.Amount
	// Quantity and its noun ("replies") are shown beside the total if both are set.
	Quantity int64
	Unit     string
	// Days holds one amount per day: the cost of its work, less refunds of that work.
	Days []tokens.Amount
}
