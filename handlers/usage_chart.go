package handlers

import (
	"cmp"
	"slices"
	"strconv"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// usageDays is how many days the chart shows unless the address says otherwise.
const usageDays = 30

// usageChart reads what the chart shows, as the address says. agents are what the creator's agents are called. Errors: Meaning (fields "by", "days"), and the
// ledger's.
func (a *App) usageChart(v *visit, latest ledger.Page, agents map[string]string) (views.UsageModel, error) {
	m := views.UsageModel{By: views.UsageByFeature, Days: usageDays, Never: neverUsed(latest)}
	switch by := views.UsageBy(v.QueryParam("by")); by {
	case views.UsageByFeature, views.UsageByAgent:
		m.By = by
	case "":
	default:
		return m, problem.Invalid("by", `must be "feature" or "agent"`)
	}
	if text := v.QueryParam("days"); text != "" {
		var err error
		if m.Days, err = strconv.Atoi(text); err != nil || !slices.Contains(views.UsageDays, m.Days) {
			return m, problem.Invalid("days", "must be one of those that the page offers")
		}
	}
	series, err := a.Ledger.UsageSeries(v.Request().Context(), v.Account, ledger.UsageBy(m.By), m.Days)
	if err != nil {
		return views.UsageModel{}, err
	}
	m.First, m.Total = series.First, series.Total.Net()
	for _, s := range series.Series {
		one := views.UsageSeries{Name: s.Name, Rest: s.Rest, Total: s.Net(), Days: s.Days}
		if m.By == views.UsageByAgent {
			one.Name = cmp.Or(agents[s.Name], s.Name)
		} else if f, ok := a.Prices().Feature(s.Name); ok {
			one.Name, one.Quantity, one.Unit = f.Name, s.Quantity, f.Many
		}
		m.Series = append(m.Series, one)
	}
	return m, nil
}

// neverUsed says whether the newest transactions are all there are and none of them is about work.
func neverUsed(latest ledger.Page) bool {
	return latest.Before == 0 && !slices.ContainsFunc(latest.Lines, func(l ledger.Line) bool { return slices.Contains(usageKinds, l.Kind) })
}
