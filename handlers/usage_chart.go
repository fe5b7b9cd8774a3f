package handlers

import (
	"cmp"
	"slices"
	"strconv"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/views"
)

// usageChart reads what the chart shows, as the address says; what it says wrongly is as if it said nothing, like a tab that is not there.
// agents are what the creator's agents are called.
func (a *App) usageChart(v *visit, latest ledger.Page, agents map[string]string) (views.UsageModel, error) {
	m := views.UsageModel{By: views.UsageByFeature, Days: views.DefaultUsageDays, Never: neverUsed(latest)}
	if by := views.UsageBy(v.QueryParam("by")); by == views.UsageByAgent {
		m.By = by
	}
	if days, err := strconv.Atoi(v.QueryParam("days")); err == nil && slices.Contains(views.UsageDays, days) {
		m.Days = days
	}
	series, err := a.Ledger.UsageSeries(v.Request().Context(), v.Account, ledger.UsageBy(m.By), m.Days)
	if err != nil {
		return views.UsageModel{}, err
	}
	m.First, m.Total = series.First, series.Total.Amount
	for _, s := range series.Series {
		one := views.UsageSeries{Name: s.Name, Rest: s.Rest, Total: s.Amount, Days: s.Days}
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
