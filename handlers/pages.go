package handlers

import (
	"net/http"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// latestRows is how many transactions stand on the home and Credits pages.
const latestRows = 5

func (a *App) homePage(v *visit) error {
	ctx := v.Request().Context()
	spent, err := a.Ledger.SpentThisPeriod(ctx, v.Account)
	if err != nil {
		return err
	}
	latest, err := a.Ledger.History(ctx, v.ID, ledger.Filter{}, 0, latestRows)
	if err != nil {
		return err
	}
	plan, _ := a.Prices().Plan(v.Plan)
	return render(v, http.StatusOK, views.HomePage(views.HomeModel{
		Chrome: a.chrome(v, views.NavHome), PlanName: plan.Name, Allowance: plan.Allowance, ResetsAt: v.NextReset,
		Spendable: v.Spendable, Held: v.Held, SpentThisPeriod: spent,
		Equivalents: a.equivalents(v.Spendable, creditsFeatures), Latest: a.rows(latest.Lines),
	}))
}

func (a *App) creditsPage(v *visit) error {
	ctx := v.Request().Context()
	account, err := a.Ledger.Account(ctx, v.ID)
	if err != nil {
		return err
	}
	latest, err := a.Ledger.History(ctx, v.ID, ledger.Filter{}, 0, latestRows)
	if err != nil {
		return err
	}
	return render(v, http.StatusOK, views.CreditsPage(views.CreditsModel{
		Chrome: a.chrome(v, views.NavCredits), Spendable: v.Spendable, Held: v.Held, Jobs: account.Holds,
		Equivalents: a.equivalents(v.Spendable, creditsFeatures), Lots: a.lotModels(account.Lots), Latest: a.rows(latest.Lines),
	}))
}

func (a *App) plansPage(v *visit) error {
	prices := a.Prices()
	m := views.PlansModel{Chrome: a.chrome(v, views.NavPlans), ResetsAt: v.NextReset}
	mine := tokens.Amount(0)
	for _, p := range prices.Plans {
		m.Plans = append(m.Plans, views.PlanModel{ID: p.ID, Name: p.Name, Monthly: p.Allowance, Current: p.ID == v.Plan})
		if p.ID == v.Plan {
			mine = p.Allowance
		}
		if p.ID == v.NextPlan {
			m.NextPlan = p.Name
		}
	}
	for _, r := range prices.Table {
		row := views.PlanTableRow{Feature: r.Name, Counts: prices.Counts(r), About: r.About}
		// The article counts videos at another rate than its price list: say what today's price makes of it.
		if f, ok := prices.Feature(r.Feature); ok && f.Price != r.Rate {
			row.TodayCount, row.TodayNoun = mine.Fits(f.Price), f.Many
		}
		m.Table = append(m.Table, row)
	}
	return render(v, http.StatusOK, views.PlansPage(m))
}
