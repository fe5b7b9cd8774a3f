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

// SeriesColours is how many looks of series there are: plain colours, and the same ones striped.
const SeriesColours = 14

// UsageModel is what was used per day, by feature or by agent.
type UsageModel struct {
	By   UsageBy
	Days int
	// First is the date of the first day, as midnight UTC whatever the zone; the last of the Days
	// is today in the billing zone.
	First time.Time
	// Zone names the billing zone where its days are not the creator's own, else it is empty.
	Zone string
	// Series are those that used most, most first; what has no series of its own comes last, as Rest.
	Series []UsageSeries
	Total  tokens.Amount
	// Never is set when nothing was ever used.
	Never bool
}

// UsageSeries is one feature or agent over the days.
type UsageSeries struct {
	// Name is the feature's or the agent's; empty for work that the creator did without an agent,
	// and for the rest.
	Name string
	Rest bool
	// Colour is its look, from 0 to SeriesColours: the same whatever the range of the chart, and
	// however much it used.
	Colour int
	Total  tokens.Amount
	// Quantity and its noun ("replies") stand beside the total when both are there.
	Quantity int64
	Unit     string
	// Days holds one amount per day: what its work cost, less what was returned of that work.
	Days []tokens.Amount
}
