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
	account, err := a.Ledger.Account(ctx, v.ID)
	if err != nil {
		return err
	}
	latest, err := a.Ledger.History(ctx, v.ID, ledger.Filter{}, 0, latestRows)
	if err != nil {
		return err
	}
	agents, err := a.namesOfAgents(v)
	if err != nil {
		return err
	}
	away, err := a.away(v)
	if err != nil {
		return err
	}
	plan, _ := a.Prices().Plan(v.Plan)
	return render(v, http.StatusOK, views.HomePage(views.HomeModel{
		Chrome:          a.chrome(v, views.NavHome),
		PlanName:        plan.Name,
		Allowance:       plan.Allowance,
		ResetsAt:        v.NextReset,
		Spendable:       v.Spendable,
		Held:            v.Held,
		PlanLeft:        planLeft(account.Lots),
		SpentThisPeriod: spent,
		PeriodStart:     v.PeriodStart(v.now),
		Equivalents:     a.equivalents(v.Spendable, creditsFeatures),
		Away:            away,
		Latest:          a.rows(v, latest.Lines, agents),
	}))
}

// planLeft is what is left of the plan's tokens, what jobs hold included.
func planLeft(lots []ledger.Lot) (left tokens.Amount) {
	for _, l := range lots {
		if l.Kind == ledger.LotPlan {
			left += l.Remaining
		}
	}
	return left
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
	agents, err := a.namesOfAgents(v)
	if err != nil {
		return err
	}
	usage, err := a.usageChart(v, latest, agents)
	if err != nil {
		return err
	}
	outlook, err := a.outlook(v, account.Lots)
	if err != nil {
		return err
	}
	lots, err := a.lotModels(v, account.Lots, v.NextReset)
	if err != nil {
		return err
	}
	open, err := a.openOrders(v)
	if err != nil {
		return err
	}
	return render(v, http.StatusOK, views.CreditsPage(views.CreditsModel{
		Chrome:      a.chrome(v, views.NavCredits),
		Open:        open,
		Spendable:   v.Spendable,
		Held:        v.Held,
		Jobs:        account.Holds,
		Equivalents: a.equivalents(v.Spendable, creditsFeatures),
		Lots:        lots,
		Outlook:     outlook,
		Usage:       usage,
		Latest:      a.rows(v, latest.Lines, agents),
	}))
}
