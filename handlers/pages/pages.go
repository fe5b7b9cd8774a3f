package pages

import (
	"net/http"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/present"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// latestRows is how many transactions stand on the home and Credits pages.
const latestRows = 5

func (h *Handlers) homePage(v *visit) error {
	ctx := v.Request().Context()
	spent, err := h.Ledger.SpentThisPeriod(ctx, v.Account)
	if err != nil {
		return err
	}
	account, err := h.Ledger.Account(ctx, v.ID)
	if err != nil {
		return err
	}
	latest, err := h.Ledger.History(ctx, v.ID, ledger.Filter{}, 0, latestRows)
	if err != nil {
		return err
	}
	agents, err := h.namesOfAgents(v)
	if err != nil {
		return err
	}
	away, err := h.away(v)
	if err != nil {
		return err
	}
	plan, _ := h.Prices().Plan(v.Plan)
	return render(v, http.StatusOK, views.HomePage(views.HomeModel{
		Chrome:          h.chrome(v, views.NavHome),
		PlanName:        plan.Name,
		Allowance:       plan.Allowance,
		ResetsAt:        v.NextReset,
		Spendable:       v.Spendable,
		Held:            v.Held,
		PlanLeft:        planLeft(account.Lots),
		SpentThisPeriod: spent,
		PeriodStart:     v.PeriodStart(v.now),
		Equivalents:     present.Equivalents(h.Prices(), v.Spendable, present.CreditsFeatures),
		Away:            away,
		Latest:          h.rows(v, latest.Lines, agents),
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

func (h *Handlers) creditsPage(v *visit) error {
	ctx := v.Request().Context()
	account, err := h.Ledger.Account(ctx, v.ID)
	if err != nil {
		return err
	}
	latest, err := h.Ledger.History(ctx, v.ID, ledger.Filter{}, 0, latestRows)
	if err != nil {
		return err
	}
	agents, err := h.namesOfAgents(v)
	if err != nil {
		return err
	}
	usage, err := h.usageChart(v, latest, agents)
	if err != nil {
		return err
	}
	outlook, err := h.outlook(v, account.Lots)
	if err != nil {
		return err
	}
	lots, err := h.lotModels(v, account.Lots, v.NextReset)
	if err != nil {
		return err
	}
	open, err := h.openOrders(v)
	if err != nil {
		return err
	}
	return render(v, http.StatusOK, views.CreditsPage(views.CreditsModel{
		Chrome:      h.chrome(v, views.NavCredits),
		Open:        open,
		Spendable:   v.Spendable,
		Held:        v.Held,
		Jobs:        account.Holds,
		Equivalents: present.Equivalents(h.Prices(), v.Spendable, present.CreditsFeatures),
		Lots:        lots,
		Outlook:     outlook,
		Usage:       usage,
		Latest:      h.rows(v, latest.Lines, agents),
	}))
}
