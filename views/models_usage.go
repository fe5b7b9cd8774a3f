package views

import (
	"time"

	"pop.store/credits/internal/tokens"
)

// UsageBy says what a chart of usage tells apart: the value of the parameter "by".
type UsageBy string

// The two ways to look at usage.
const (
	UsageByFeature UsageBy = "feature"
	UsageByAgent   UsageBy = "agent"
)

// DefaultUsageDays is how many days the chart shows unless the address says otherwise.
const DefaultUsageDays = 30

// UsageDays are the ranges of the chart: the values of the parameter "days".
var UsageDays = []int{7, 30, 90}

// UsageModel is what was used per day, by feature or by agent.
type UsageModel struct {
	By   UsageBy
	Days int
	// First is the date of the first day, as midnight UTC whatever the zone; the last of the Days is today.
	First time.Time
	// Series are those that used most, most first; what has no series of its own comes last, as Rest.
	Series []UsageSeries
	Total  tokens.Amount
	// Never is set when nothing was ever used.
	Never bool
}

// UsageSeries is one feature or agent over the days.
type UsageSeries struct {
	// Name is the feature's or the agent's; empty for work that the creator did without an agent, and for the rest.
	Name  string
	Rest  bool
	Total tokens.Amount
	// Quantity and its noun ("replies") stand beside the total when both are there.
	Quantity int64
	Unit     string
	// Days holds one amount per day; negative where more came back than was used.
	Days []tokens.Amount
}
