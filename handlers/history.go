package handlers

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/views"
)

// historyRows is how many transactions a page of the history shows.
const historyRows = 50

// Which kinds of entries the tab Usage shows, and which a creator can choose from.
var (
	usageKinds  = []ledger.Kind{ledger.KindCharge, ledger.KindCapture, ledger.KindHold, ledger.KindRelease, ledger.KindRefund}
	kindOptions = []views.Option{
		{Value: "grant", Label: "Tokens added"},
		{Value: "charge", Label: "Tokens used"},
		{Value: "refund", Label: "Tokens returned"},
		{Value: "expiry", Label: "Tokens expired"},
	}
)

func (a *App) historyPage(v *visit) error {
	m := views.HistoryModel{Filter: historyFilter(v.QueryParams()), Kinds: kindOptions, Features: featureOptions(a.Prices())}
	if m.Filter.Tab == views.TabPurchases {
		return a.purchasesPage(v)
	}
	agents, err := a.namesOfAgents(v)
	if err != nil {
		return err
	}
	m.Agents = agentOptions(agents)
	filter, problems := a.ledgerFilter(v, m.Filter)
	before, cursorOK := cursor(v.ID, v.QueryParam("cursor"))
	if !cursorOK {
		return errCursor
	}
	m.Chrome, m.Continued = a.chrome(v, views.NavCredits), before > 0
	if len(problems) > 0 {
		m.Problems = problems
		return render(v, http.StatusUnprocessableEntity, views.HistoryPage(m))
	}
	page, err := a.Ledger.History(v.Request().Context(), v.ID, filter, before, historyRows)
	if err != nil {
		return err
	}
	m.Rows = a.rows(v, page.Lines, agents)
	if page.Before > 0 {
		q := v.QueryParams()
		q.Set("cursor", ledger.EntryID(v.ID, page.Before))
		m.NextURL = "/credits/history?" + q.Encode()
	}
	return render(v, http.StatusOK, views.HistoryPage(m))
}

// agentOptions lists agents for a select field, by what they are called.
func agentOptions(names map[string]string) []views.Option {
	var list []views.Option
	for id, name := range names {
		list = append(list, views.Option{Value: id, Label: name})
	}
	slices.SortFunc(list, func(x, y views.Option) int {
		return cmp.Or(accounts.CompareNames(x.Label, y.Label), cmp.Compare(x.Value, y.Value))
	})
	return list
}

func historyFilter(q url.Values) views.HistoryFilter {
	f := views.HistoryFilter{Kind: q.Get("kind"), Feature: q.Get("feature"), Agent: q.Get("agent"), From: q.Get("from"), To: q.Get("to")}
	if tab := views.HistoryTab(q.Get("tab")); tab == views.TabPurchases || tab == views.TabUsage {
		f.Tab = tab
	}
	return f
}

// ledgerFilter turns what stands in the URL into a filter of the ledger, or says per field what is wrong with it.
func (a *App) ledgerFilter(v *visit, f views.HistoryFilter) (ledger.Filter, map[string]string) {
	problems := map[string]string{}
	filter := ledger.Filter{Feature: f.Feature, Agent: f.Agent}
	switch f.Tab {
	case views.TabUsage:
		filter.Kinds = usageKinds
	case views.TabAll, views.TabPurchases:
	}
	if f.Kind != "" {
		kind, ok := ledger.ParseKind(f.Kind)
		if !ok {
			problems["kind"] = "Choose one of the list."
		}
		filter.Kinds = []ledger.Kind{kind}
	}
	if _, ok := a.Prices().Feature(f.Feature); f.Feature != "" && !ok {
		problems["feature"] = "Choose one of the list."
	}
	var ok bool
	if filter.From, ok = date(f.From, v.Zone, 0); !ok {
		problems["from"] = "Write the date as year-month-day, such as 2026-11-22."
	}
	if filter.To, ok = date(f.To, v.Zone, 1); !ok {
		problems["to"] = "Write the date as year-month-day, such as 2026-11-22."
	}
	if len(problems) == 0 && !filter.From.IsZero() && !filter.To.IsZero() && !filter.From.Before(filter.To) {
		problems["to"] = "The last day lies before the first."
	}
	return filter, problems
}

// date is the start of a day in the creator's zone, some days later; zero when no date was given.
func date(text string, zone *time.Location, later int) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	day, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil || day.Year() < 1 || day.Year() > 9998 {
		return time.Time{}, false
	}
	return day.AddDate(0, 0, later), true
}
