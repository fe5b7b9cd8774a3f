package pages

import (
	"net/http"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/present"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// latestRows is how many transactions the home and Credits pages show.
const latestRows = 5

func (h *Handlers) homePage(req *creatorRequest) error {
	ctx := req.Request().Context()
	spent, err := h.Ledger.SpentThisPeriod(ctx, req.Account)
	if err != nil {
		return err
	}
	account, err := h.Ledger.Account(ctx, req.ID)
	if err != nil {
		return err
	}
	latest, err := h.Ledger.History(ctx, req.ID, ledger.Filter{}, 0, latestRows)
	if err != nil {
		return err
	}
	agents, err := h.agentLabels(req)
	if err != nil {
		return err
	}
	away, err := h.recap(req)
	if err != nil {
		return err
	}
	plan, _ := h.Prices().Plan(req.Plan)
	return render(req, http.StatusOK, views.HomePage(views.HomeModel{
		Layout:          h.layout(req, views.NavHome),
		PlanName:        plan.Name,
		Allowance:       plan.Allowance,
		ResetsAt:        req.NextReset,
		Spendable:       req.Spendable,
		Held:            req.Held,
		PlanLeft:        planLeft(account.Lots),
		SpentThisPeriod: spent,
		PeriodStart:     req.PeriodStart(req.now),
		Equivalents:     present.Equivalents(h.Prices(), req.Spendable, present.CreditsFeatures),
		Recap:           away,
		Latest:          h.rows(req, latest.Lines, agents),
	}))
}

// planLeft is the unspent part of the plan's tokens, held tokens included.
func planLeft(lots []ledger.Lot) (left tokens.Amount) {
	for _, l := range lots {
		if l.Kind == ledger.LotPlan {
			left += l.Remaining
		}
	}
	return left
}

func (h *Handlers) creditsPage(req *creatorRequest) error {
	ctx := req.Request().Context()
	account, err := h.Ledger.Account(ctx, req.ID)
	if err != nil {
		return err
	}
	latest, err := h.Ledger.History(ctx, req.ID, ledger.Filter{}, 0, latestRows)
	if err != nil {
		return err
	}
	agents, err := h.agentLabels(req)
	if err != nil {
		return err
	}
	usage, err := h.usageChart(req, latest, agents)
	if err != nil {
		return err
	}
	outlook, err := h.outlook(req, account.Lots)
	if err != nil {
		return err
	}
	lots, err := h.lotModels(req, account.Lots, req.NextReset)
	if err != nil {
		return err
	}
	open, err := h.openOrders(req)
	if err != nil {
		return err
	}
	return render(req, http.StatusOK, views.CreditsPage(views.CreditsModel{
		Layout:      h.layout(req, views.NavCredits),
		Open:        open,
		Spendable:   req.Spendable,
		Held:        req.Held,
		Jobs:        account.Holds,
		Equivalents: present.Equivalents(h.Prices(), req.Spendable, present.CreditsFeatures),
		Lots:        lots,
		Outlook:     outlook,
		Usage:       usage,
		Latest:      h.rows(req, latest.Lines, agents),
	}))
}
