package pages

import (
	"cmp"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/views"
)

// lotModels sums up lots of the same source and expiry, in the order in which they are spent.
// Frozen tokens have a line for each purchase. nextReset is the time of the next allowance; zero
// for none.
func (h *Handlers) lotModels(req *creatorRequest, lots []ledger.Lot, nextReset time.Time) ([]views.LotModel, error) {
	why, err := h.whyFrozen(req, lots)
	if err != nil {
		return nil, err
	}
	var list []views.LotModel
	for _, l := range lots {
		m := views.LotModel{
			Kind:      views.LotKind(l.Kind.String()),
			Name:      h.sourceName(l.Kind, l.Source),
			Of:        l.Amount,
			ExpiresAt: l.ExpiresAt,
			Resets:    l.Kind == ledger.LotPlan && !nextReset.IsZero() && l.ExpiresAt.Equal(nextReset),
		}
		if l.Frozen {
			m.Frozen, m.Waits, m.Href = why[l.Source], l.Remaining, "/credits/purchases/"+l.Source
		} else {
			m.Spendable = l.Remaining - l.Held
		}
		if last := len(list) - 1; last >= 0 && sameSource(list[last], m) {
			list[last].Spendable += m.Spendable
			list[last].Of += m.Of
			continue
		}
		list = append(list, m)
	}
	return list, nil
}

// whyFrozen returns the reason for each frozen lot, by source. Only bought lots are frozen, so it
// reads their purchases.
func (h *Handlers) whyFrozen(req *creatorRequest, lots []ledger.Lot) (map[string]views.FrozenWhy, error) {
	why, ids := map[string]views.FrozenWhy{}, []uuid.UUID{}
	for _, l := range lots {
		if id, err := uuid.Parse(l.Source); l.Frozen && err == nil {
			ids = append(ids, id)
			why[l.Source] = views.FrozenByDispute
		}
	}
	if len(ids) == 0 {
		return why, nil
	}
	purchases, err := h.Billing.Some(req.Request().Context(), req.ID, ids)
	if err != nil {
		return nil, err
	}
	for i := range purchases {
		if p := &purchases[i]; p.Status != billing.StatusDisputed && p.Returning() {
			why[p.ID.String()] = views.FrozenByReturn
		}
	}
	return why, nil
}

func sameSource(a, b views.LotModel) bool {
	return a.Kind == b.Kind && a.Name == b.Name && a.ExpiresAt.Equal(b.ExpiresAt) && a.Frozen == b.Frozen &&
		a.Href == b.Href
}

// sourceName is the displayed name of a source of tokens.
func (h *Handlers) sourceName(kind ledger.LotKind, source string) string {
	switch kind {
	case ledger.LotPlan:
		if plan, ok := h.Prices().Plan(source); ok {
			return plan.Name + " plan"
		}
		return "Plan"
	case ledger.LotPurchase:
		return "Bought"
	case ledger.LotAdjustment:
		return "Correction"
	case ledger.LotPromo:
	}
	return "Gift"
}

// rows converts ledger lines to history rows. agents are the agents' names by id.
func (h *Handlers) rows(req *creatorRequest, lines []ledger.Line, agents map[string]string) []views.HistoryRow {
	list := make([]views.HistoryRow, len(lines))
	for i, l := range lines {
		list[i] = h.row(l)
		list[i].Upgrade = h.isUpgrade(req, &l)
		list[i].Agent = cmp.Or(agents[l.Agent], l.Agent)
	}
	return list
}

// isUpgrade reports whether an entry is the extra allowance of an upgrade: it comes during a month
// and is smaller than the plan's allowance.
func (h *Handlers) isUpgrade(req *creatorRequest, l *ledger.Line) bool {
	if l.Kind != ledger.KindGrant || l.LotKind != ledger.LotPlan || req.StartsPeriod(l.At) {
		return false
	}
	plan, ok := h.Prices().Plan(l.Reference)
	return ok && l.Amount < plan.Allowance
}

func (h *Handlers) row(l ledger.Line) views.HistoryRow {
	row := views.HistoryRow{
		Kind:     views.EntryKind(l.Kind.String()),
		At:       l.At,
		Quantity: l.Quantity,
		Amount:   l.Amount,
		Held:     l.HeldDelta,
		Balance:  l.SpendableAfter,
		Note:     l.Reason,
		Cause:    views.ClawbackCause(l.Cause),
	}
	if f, ok := h.Prices().Feature(l.Feature); ok {
		row.Feature, row.Unit = f.Name, f.Many
	} else {
		row.Feature = l.Feature // no longer in the catalog
	}
	if l.LotKind != 0 {
		row.Source, row.SourceName = views.LotKind(l.LotKind.String()), h.sourceName(l.LotKind, l.Reference)
	}
	if l.LotKind == ledger.LotPurchase {
		row.Href = "/credits/purchases/" + l.Reference
	}
	return row
}

// featureOptions lists the features for a select field.
func featureOptions(prices *catalog.Catalog) []views.Option {
	var list []views.Option
	for _, f := range prices.Features {
		list = append(list, views.Option{Value: f.ID, Label: f.Name})
	}
	return list
}
