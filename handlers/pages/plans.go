package pages

import (
	"errors"
	"net/http"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

func (h *Handlers) plansPage(req *creatorRequest) error {
	m := h.plansModel(req)
	m.Changed = req.QueryParam("changed") == "1"
	return render(req, http.StatusOK, views.PlansPage(m))
}

func (h *Handlers) plansModel(req *creatorRequest) views.PlansModel {
	prices := h.Prices()
	m := views.PlansModel{
		Layout:    h.layout(req, views.NavPlans),
		Spendable: req.Spendable,
		ResetsAt:  req.NextReset,
		Switch:    h.DemoAccount != "",
		Prorated:  prices.Upgrade == catalog.UpgradeProrated,
	}
	mine := tokens.Amount(0)
	for _, p := range prices.Plans {
		plan := views.PlanModel{
			ID:      p.ID,
			Name:    p.Name,
			Monthly: p.Allowance,
			Price:   p.Price,
			URL:     p.URL,
			Current: p.ID == req.Plan,
			Next:    p.ID == req.NextPlan,
		}
		m.Plans = append(m.Plans, plan)
		if plan.Current {
			mine = p.Allowance
		}
		if plan.Next {
			m.NextPlan = p.Name
		}
	}
	for _, r := range prices.Table {
		row := views.PlanTableRow{
			Feature: r.Name,
			Counts:  prices.Counts(r),
			About:   r.About,
		}
		// The article counts videos at another rate than its price list: compute with the current price.
		if f, ok := prices.Feature(r.Feature); ok && f.Price != r.Rate {
			row.TodayCount, row.TodayNoun = mine.Fits(f.Price), f.Many
		}
		m.Table = append(m.Table, row)
	}
	return m
}

// switchPlan changes the plan in the demo, which has no host platform. A larger plan starts at
// once, a smaller one at the next reset. Choosing the present plan cancels a pending change.
func (h *Handlers) switchPlan(req *creatorRequest) error {
	form, err := formParams(req)
	if err != nil {
		return err
	}
	plan := form.Get("plan")
	_, _, err = h.Directory.Put(
		req.Request().Context(),
		req.ExternalID,
		directory.Put{Plan: &plan, Stay: plan == req.Plan},
	)
	var refused *problem.Error
	if errors.As(err, &refused) && refused.Kind == problem.Unprocessable {
		m := h.plansModel(req)
		m.Problem = "There is no such plan. Nothing was changed."
		return render(req, http.StatusUnprocessableEntity, views.PlansPage(m))
	}
	if err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, "/plans?changed=1")
}
