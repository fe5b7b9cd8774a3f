package pages

import (
	"cmp"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// usageChart reads the data of the chart for the requested range. agents are the agents' names by
// id. Errors: Unprocessable (fields "by", "days"), and the ledger's.
func (h *Handlers) usageChart(
	req *creatorRequest,
	latest ledger.Page,
	agents map[string]string,
) (views.UsageModel, error) {
	m := views.UsageModel{
		By:    views.UsageByFeature,
		Days:  views.DefaultUsageDays,
		Never: neverUsed(latest),
	}
	switch by := views.UsageBy(req.QueryParam("by")); by {
	case views.UsageByFeature, views.UsageByAgent:
		m.By = by
	case "":
	default:
		return m, problem.Invalid("by", `must be "feature" or "agent"`)
	}
	if text := req.QueryParam("days"); text != "" {
		var err error
		if m.Days, err = strconv.Atoi(text); err != nil || !slices.Contains(views.UsageDays, m.Days) {
			return m, problem.Invalid("days", "must be one of those that the page offers")
		}
	}
	series, err := h.Ledger.UsageSeries(req.Request().Context(), req.Account, ledger.UsageBy(m.By), m.Days)
	if err != nil {
		return views.UsageModel{}, err
	}
	if !sameDays(req.DisplayZone, req.BillingZone, series.First, series.Last) {
		m.Zone = req.BillingZone.String()
	}
	m.First, m.Total = series.First, series.Total.Net()
	for _, s := range series.Series {
		one := views.UsageSeries{
			Name:  s.Name,
			Rest:  s.Rest,
			Total: s.Net(),
			Days:  s.Days,
		}
		if m.By == views.UsageByAgent {
			one.Name = cmp.Or(agents[s.Name], s.Name)
		} else if f, ok := h.Prices().Feature(s.Name); ok {
			one.Name, one.Quantity, one.Unit = f.Name, s.Quantity, f.Many
		}
		m.Series = append(m.Series, one)
	}
	h.assignColours(m.By, m.Series, series.Series, agents)
	return m, nil
}

// assignColours gives each series its colour, independent of the range and of its total: a
// feature's from its place in the catalog, an agent's from agentColours. When two series of one
// chart collide, the one with the later id takes the next free colour.
func (h *Handlers) assignColours(
	by views.UsageBy,
	shown []views.UsageSeries,
	of []ledger.Series,
	agents map[string]string,
) {
	colours := agentColours(agents)
	order := make([]int, len(of))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(of[x].Name, of[y].Name) })
	taken := map[int]bool{}
	for _, i := range order {
		if of[i].Rest {
			continue
		}
		colour, known := colours[of[i].Name]
		if by == views.UsageByFeature || !known {
			colour = h.colourOf(by, of[i].Name)
		}
		for taken[colour] {
			colour = (colour + 1) % views.SeriesColours
		}
		taken[colour], shown[i].Colour = true, colour
	}
}

func (h *Handlers) colourOf(by views.UsageBy, id string) int {
	if by == views.UsageByFeature {
		if at := slices.IndexFunc(h.Prices().Features, func(f catalog.Feature) bool { return f.ID == id }); at >= 0 {
			return at % views.SeriesColours
		}
	}
	return hashedColour(id)
}

func hashedColour(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return int(h.Sum32() % views.SeriesColours)
}

// agentColours gives each agent of an account, and work without one (""), a distinct colour while
// there are enough. The colour is derived from the id, or is the next free one.
func agentColours(agents map[string]string) map[string]int {
	colours, taken := make(map[string]int, len(agents)+1), map[int]bool{}
	for _, id := range append([]string{""}, slices.Sorted(maps.Keys(agents))...) {
		colour := hashedColour(id)
		for taken[colour] && len(taken) < views.SeriesColours {
			colour = (colour + 1) % views.SeriesColours
		}
		taken[colour], colours[id] = true, colour
	}
	return colours
}

// sameDays reports whether each date of a range begins at the same instant in two zones.
func sameDays(a, b *time.Location, first, last time.Time) bool {
	for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
		if !clock.StartOfDay(day, a).Equal(clock.StartOfDay(day, b)) {
			return false
		}
	}
	return true
}

// neverUsed reports whether the newest transactions are all there are and none of them is work.
func neverUsed(latest ledger.Page) bool {
	return latest.Before == 0 && !slices.ContainsFunc(latest.Lines, func(l ledger.Line) bool {
		return slices.Contains(usageKinds, l.Kind)
	})
}
