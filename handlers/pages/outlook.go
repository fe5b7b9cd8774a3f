package pages

import (
	"time"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/forecast"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/present"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// The advice compares plans with the purchases of a month, as far as they fit on one page.
const (
	recentPurchases = 30 * 24 * time.Hour
	mostPurchases   = 50
)

// outlook is the forecast of the account, with advice.
func (h *Handlers) outlook(req *creatorRequest, lots []ledger.Lot) (views.OutlookModel, error) {
	o, err := h.Notices.Outlook(req.Request().Context(), &req.Overview, lots)
	if err != nil {
		return views.OutlookModel{}, err
	}
	advice, err := h.advice(req, lots, 0)
	if err != nil {
		return views.OutlookModel{}, err
	}
	m := views.OutlookModel{
		PerDay:    o.Pace.PerDay(),
		PerHour:   o.Hour.PerHour(),
		PaceDays:  o.Pace.Days,
		WithToday: o.Pace.Today,
		RunsOut:   o.RunsOut,
		NextFirst: o.ResetFirst(),
		Next:      present.NextGrant(h.Prices(), &req.Overview),
	}
	for _, l := range o.Losses {
		m.Expiries = append(m.Expiries, views.ExpiryModel{
			Kind:   lotKind(l.Source),
			Amount: l.Amount,
			At:     l.At,
		})
	}
	for _, one := range advice {
		// The forecast already says that the tokens last until the next ones arrive.
		if !one.Lasts {
			m.Advice = append(m.Advice, one)
		}
	}
	return m, nil
}

// advice is shown beside the packs. short is how many tokens the creator lacks for what they want
// to do.
func (h *Handlers) advice(req *creatorRequest, lots []ledger.Lot, short tokens.Amount) ([]views.AdviceModel, error) {
	bought, err := h.recentPurchases(req)
	if err != nil {
		return nil, err
	}
	wish := forecast.Wish{Bought: bought}
	if short > 0 {
		wish.Needs = req.Spendable + min(short, tokens.Max)
	}
	list, err := h.Notices.Advice(req.Request().Context(), &req.Overview, lots, wish)
	if err != nil {
		return nil, err
	}
	var advice []views.AdviceModel
	for _, one := range list {
		advice = append(advice, views.AdviceModel{
			Kind:       views.AdviceKind(one.Kind),
			Next:       views.NextGrant{Amount: one.Reset.Amount, At: one.Reset.At},
			Lasts:      one.InTime,
			PackID:     one.Pack.ID,
			PackTokens: one.Pack.Tokens,
			PackPrice:  one.Pack.Price,
			Until:      one.Until,
			Covers:     one.Cover,
			PlanName:   one.Plan.Name,
			Extra:      one.Extra,
			Packs:      one.Packs,
			Count:      one.Count,
		})
	}
	return advice, nil
}

// recentPurchases adds up the packs that were paid recently, in the currency of the newest.
func (h *Handlers) recentPurchases(req *creatorRequest) (forecast.Purchases, error) {
	list, _, err := h.Billing.List(req.Request().Context(), req.ID, "", mostPurchases)
	var sum forecast.Purchases
	for _, p := range list {
		if p.Status != billing.StatusCompleted || req.now.Sub(p.CreatedAt) > recentPurchases {
			continue
		}
		if sum.Count == 0 {
			sum.Paid.Currency = p.Price.Currency
		}
		if p.Price.Currency == sum.Paid.Currency {
			sum.Count++
			sum.Tokens += p.Tokens
			sum.Paid.Minor += p.Price.Minor
		}
	}
	return sum, err
}

func lotKind(s forecast.Source) views.LotKind {
	switch s {
	case forecast.Plan:
		return views.LotPlan
	case forecast.Bought:
		return views.LotPurchase
	case forecast.Gift:
	}
	return views.LotPromo
}
