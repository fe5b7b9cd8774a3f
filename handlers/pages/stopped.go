package pages

import (
	"context"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// agentSet is an account's agents, and what is reserved for the creator's own tools.
type agentSet struct {
	agents []ledger.Agent
	own    tokens.Amount
}

// agentsOf reads the agents where the badge or the notice has something to say about them: some are
// paused by more than their creator, or the balance is empty. A page whose agents cannot be read
// counts them and names none.
func (h *Handlers) agentsOf(ctx context.Context, v *visit) agentSet {
	empty := v.State == accounts.Empty && v.Agents > 0
	if v.Paused+v.OverBudget == 0 && !empty {
		return agentSet{}
	}
	list, own, err := h.Ledger.Agents(ctx, v.ID)
	if err != nil {
		return agentSet{}
	}
	return agentSet{list, own}
}

// maxStopped bounds the agents that every page and every poll of the badge describe.
const maxStopped = 20

// stopped are the agents that are paused although their creator did not turn them off: of very many
// some, and at least one for each reason.
func (h *Handlers) stopped(set agentSet) []views.StoppedModel {
	var list []views.StoppedModel
	known := map[ledger.Reason]bool{}
	for i := range set.agents {
		g := &set.agents[i]
		if len(list) >= maxStopped && known[g.Reason] {
			continue
		}
		if g.State == ledger.AgentOutOfToken || g.State == ledger.AgentOverBudget {
			known[g.Reason] = true
			list = append(list, views.StoppedModel{
				Name: h.agentName(g),
				Stop: h.stopModel(g, set),
				Back: h.resumedModel(g).Words(),
			})
		}
	}
	return list
}

// stopModel says why an agent is paused, and where that is cured.
func (h *Handlers) stopModel(g *ledger.Agent, set agentSet) views.StopModel {
	m := views.StopModel{Reason: views.AgentReason(g.Reason), Budget: g.Budget}
	switch g.Reason.Cure() {
	case ledger.CureTokens:
		m.URL = web.BuyURL(g.Missing, "/agents")
	case ledger.CureReserve:
		m.KeptFor, m.URL = h.keptFor(g, set)
	case ledger.CureBudget:
		m.Left = *g.Budget - g.Spent - g.Held
		m.URL = "/agents#" + views.AgentAnchor(g.ID) + "-budget"
	case ledger.CureTurnOn:
		m.URL = "/agents#" + views.AgentAnchor(g.ID)
	case ledger.CureNone:
	}
	return m
}

// keptFor says whom most of what an agent may not spend is reserved for, and where that is set.
func (h *Handlers) keptFor(g *ledger.Agent, set agentSet) (whom, url string) {
	whom, url = "your own tools", "/agents#own-reserve"
	most := set.own
	for i := range set.agents {
		if other := &set.agents[i]; other.ID != g.ID && other.Reserve > most {
			most, whom, url = other.Reserve, h.agentName(other), "/agents#"+views.AgentAnchor(other.ID)+"-reserve"
		}
	}
	return whom, url
}
