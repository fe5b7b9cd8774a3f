package pages

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// historyRows is the page size of the history.
const historyRows = 50

// usageKinds are the kinds of entries in the tab Usage; kindOptions are the choices of the filter.
var (
	usageKinds = []ledger.Kind{
		ledger.KindCharge, ledger.KindCapture, ledger.KindHold, ledger.KindRelease,
		ledger.KindRefund,
	}
	kindOptions = []views.Option{
		{Value: "grant", Label: "Tokens added"},
		{Value: "charge", Label: "Tokens used"},
		{Value: "refund", Label: "Tokens returned"},
		{Value: "expiry", Label: "Tokens expired"},
	}
)

func (h *Handlers) historyPage(req *creatorRequest) error {
	m := views.HistoryModel{
		Filter:   historyFilter(req.QueryParams()),
		Kinds:    kindOptions,
		Features: featureOptions(h.Prices()),
	}
	if err := checkTab(m.Filter.Tab); err != nil {
		return err
	}
	if m.Filter.Tab == views.TabPurchases {
		return h.purchasesPage(req)
	}
	agents, err := h.agentLabels(req)
	if err != nil {
		return err
	}
	m.Agents = agentOptions(agents)
	before, err := web.EntriesBefore(req, req.ID)
	if err != nil {
		return err
	}
	m.Layout, m.Continued, m.Appends = h.layout(req, views.NavCredits), before > 0,
		req.Request().Header.Get("HX-Request") != ""
	filter, problems := ledgerFilter(req, m.Filter)
	var page ledger.Page
	if len(problems) == 0 {
		page, err = h.Ledger.History(req.Request().Context(), req.ID, filter, before, historyRows)
		problems, err = filterProblems(err)
	}
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		m.Problems = problems
		return render(req, http.StatusUnprocessableEntity, views.HistoryPage(m))
	}
	m.Rows, m.SearchedTo = h.rows(req, page.Lines, agents), page.SearchedTo
	m.NextURL = nextURL(req, web.EntryCursor(req, req.ID, page.Before))
	return render(req, http.StatusOK, views.HistoryPage(m))
}

// nextURL is the address of the page after this one; empty when there is none.
func nextURL(req *creatorRequest, cursor string) string {
	if cursor == "" {
		return ""
	}
	q := req.QueryParams()
	q.Set("cursor", cursor)
	return req.Request().URL.Path + "?" + q.Encode()
}

// filterProblems turns the ledger's refusal of a filter field into a message at that field. Other
// errors are returned.
func filterProblems(err error) (map[string]string, error) {
	var refused *problem.Error
	if !errors.As(err, &refused) || refused.Kind != problem.Unprocessable {
		return nil, err
	}
	switch refused.Field {
	case "feature", "agent":
		return map[string]string{refused.Field: "Choose one of the list."}, nil
	case "from":
		return map[string]string{"to": "The last day lies before the first."}, nil
	}
	return nil, err
}

// agentOptions lists agents for a select field, by name.
func agentOptions(names map[string]string) []views.Option {
	var list []views.Option
	for id, name := range names {
		list = append(list, views.Option{Value: id, Label: name})
	}
	slices.SortFunc(list, func(x, y views.Option) int {
		return cmp.Or(agents.CompareNames(x.Label, y.Label), cmp.Compare(x.Value, y.Value))
	})
	return list
}

func historyFilter(q url.Values) views.HistoryFilter {
	return views.HistoryFilter{
		Tab:     views.HistoryTab(q.Get("tab")),
		Kind:    q.Get("kind"),
		Feature: q.Get("feature"),
		Agent:   q.Get("agent"),
		From:    q.Get("from"),
		To:      q.Get("to"),
	}
}

func checkTab(tab views.HistoryTab) error {
	switch tab {
	case views.TabAll, views.TabPurchases, views.TabUsage:
		return nil
	}
	return problem.Invalid("tab", "must be one of the tabs of the history")
}

// ledgerFilter converts the page's filter to a filter of the ledger. It returns a message for each
// field that is invalid.
func ledgerFilter(req *creatorRequest, f views.HistoryFilter) (ledger.Filter, map[string]string) {
	problems := map[string]string{}
	filter := ledger.Filter{Feature: f.Feature, Agent: f.Agent}
	if f.Tab == views.TabUsage {
		filter.Kinds = usageKinds
	}
	if f.Kind != "" {
		kind, ok := ledger.ParseKind(f.Kind)
		if !ok {
			problems["kind"] = "Choose one of the list."
		}
		filter.Kinds = []ledger.Kind{kind}
	}
	var ok bool
	if filter.From, ok = date(f.From, req.DisplayZone, 0); !ok {
		problems["from"] = "Write the date as year-month-day, such as 2026-11-22."
	}
	if filter.To, ok = date(f.To, req.DisplayZone, 1); !ok {
		problems["to"] = "Write the date as year-month-day, such as 2026-11-22."
	}
	return filter, problems
}

// date parses a date and returns the start of the day, plus the given number of days, in the
// creator's zone. An empty text is the zero time.
func date(text string, zone *time.Location, later int) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.Year() < 1 || day.Year() > 9998 {
		return time.Time{}, false
	}
	return clock.StartOfDay(day.AddDate(0, 0, later), zone), true
}
