package accounts

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// AgentsPerPage is how many agents a page of the list has at most.
const AgentsPerPage = 50

// AgentQuery asks for a page of an account's agents.
type AgentQuery struct {
	Search string // a part of what the agent is called, of what it does, or of its id; case does not matter; empty: all
	Page   int    // from 1 on; what is out of range is the nearest page
	With   string // an agent's id: the page that it is on, instead of Page; empty, or not found: Page
}

// AgentPage is a page of an account's agents: those that are stopped first, then those that spent most this month, then by name.
type AgentPage struct {
	Agents  []ledger.Agent
	Own     tokens.Amount // kept for the creator's own tools
	All     int           // agents of the account
	Stopped int           // of those, the ones that do not work now
	Found   int           // that match the search
	Page    int           // from 1 on
	Pages   int           // at least 1
}

// AgentPage reads a page of an account's agents. An account has at most ledger.MaxAgents, so it reads no more than that. Errors:
// ledger.ErrNoAccount and kind Unavailable.
func (a *Accounts) AgentPage(ctx context.Context, account uuid.UUID, q AgentQuery) (AgentPage, error) {
	list, own, err := a.ledger.Agents(ctx, account)
	if err != nil {
		return AgentPage{}, err
	}
	p := AgentPage{Own: own, All: len(list)}
	for i := range list {
		if list[i].State != ledger.AgentOn {
			p.Stopped++
		}
	}
	found := a.search(list, q.Search)
	p.Found, p.Pages = len(found), max((len(found)+AgentsPerPage-1)/AgentsPerPage, 1)
	a.sort(found)
	if at := slices.IndexFunc(found, func(g ledger.Agent) bool { return q.With != "" && g.ID == q.With }); at >= 0 {
		q.Page = at/AgentsPerPage + 1
	}
	p.Page = min(max(q.Page, 1), p.Pages)
	first := (p.Page - 1) * AgentsPerPage
	// A copy: the rest of the list is not kept alive by the page.
	p.Agents = slices.Clone(found[first:min(first+AgentsPerPage, len(found))])
	return p, nil
}

func (a *Accounts) label(g *ledger.Agent) string {
	return AgentLabel(a.prices(), ledger.AgentName{ID: g.ID, Name: g.Name, Feature: g.Feature})
}

// search keeps the agents that match.
func (a *Accounts) search(list []ledger.Agent, text string) []ledger.Agent {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return list
	}
	return slices.DeleteFunc(list, func(g ledger.Agent) bool {
		does := ""
		if f, ok := a.prices().Feature(g.Feature); ok {
			does = f.Name
		}
		return !strings.Contains(strings.ToLower(a.label(&g)+"\n"+does+"\n"+g.ID), text)
	})
}

func (a *Accounts) sort(list []ledger.Agent) {
	stopped := func(g *ledger.Agent) int {
		if g.State == ledger.AgentOn {
			return 1
		}
		return 0
	}
	slices.SortFunc(list, func(x, y ledger.Agent) int {
		return cmp.Or(cmp.Compare(stopped(&x), stopped(&y)), cmp.Compare(y.Spent, x.Spent), CompareNames(a.label(&x), a.label(&y)),
			cmp.Compare(x.ID, y.ID))
	})
}
