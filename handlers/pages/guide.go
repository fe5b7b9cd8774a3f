package pages

import (
	"net/http"

	"pop.store/credits/internal/present"
	"pop.store/credits/views"
)

// guidePage explains tokens with the creator's own numbers.
func (h *Handlers) guidePage(req *creatorRequest) error {
	prices := h.Prices()
	plan, _ := prices.Plan(req.Plan)
	m := views.GuideModel{
		Layout:      h.layout(req, views.NavCredits),
		PlanName:    plan.Name,
		Allowance:   plan.Allowance,
		Next:        present.NextGrant(h.Prices(), &req.Overview),
		Spendable:   req.Spendable,
		Held:        req.Held,
		Equivalents: present.Equivalents(h.Prices(), req.Spendable, present.CreditsFeatures),
		CanBuy:      h.Billing.Available() && len(prices.Packs) > 0,
	}
	for _, f := range prices.Features {
		price := views.PriceModel{
			Name:  f.Name,
			Unit:  f.One,
			Price: f.Price,
		}
		if f.Agent {
			m.Agents = append(m.Agents, price)
		} else {
			m.Tools = append(m.Tools, price)
		}
	}
	if m.CanBuy {
		m.Pack = h.packModel(prices.Packs[0], 0)
	}
	return render(req, http.StatusOK, views.GuidePage(m))
}
