package agents

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// PerPage is how many agents a page of the list has at most.
const PerPage = 50

// Query asks for a page of an account's agents.
type Query struct {
	Search string // a part of what the agent is called, of what it does, or of its id; case does not matter; empty: all
	Page   int    // from 1 on; what is out of range is the nearest page
	With   string // an agent's id: the page that it is on, instead of Page; empty, or not found: Page
}

// Page is a page of an account's agents: those that are stopped first, then those that spent
// most this month, then by name.
type Page struct {
	Agents   []ledger.Agent
	Everyone []ledger.Agent // all agents of the account: what one may spend rests on what is reserved for the others
	Own      tokens.Amount  // kept for the creator's own tools
	All      int            // agents of the account
	Stopped  int            // of those, the ones that do not work now
	Found    int            // that match the search
	Page     int            // from 1 on
	Pages    int            // at least 1
}

// Page reads a page of an account's agents. An account has at most ledger.MaxAgents, so it
// reads no more than that. Errors: ledger.ErrNoAccount and kind Unavailable.
func (a *Agents) Page(ctx context.Context, account uuid.UUID, q Query) (Page, error) {
	list, own, err := a.ledger.Agents(ctx, account)
	if err != nil {
		return Page{}, err
	}
	p := Page{
		Everyone: list,
		Own:      own,
		All:      len(list),
	}
	for i := range list {
		if list[i].State != ledger.AgentOn {
			p.Stopped++
		}
	}
	found := search(listed(list, a.prices()), q.Search)
	p.Found, p.Pages = len(found), max((len(found)+PerPage-1)/PerPage, 1)
	slices.SortFunc(found, compareListed)
	if at := slices.IndexFunc(found, func(l listedAgent) bool { return q.With != "" && l.ID == q.With }); at >= 0 {
		q.Page = at/PerPage + 1
	}
	p.Page = min(max(q.Page, 1), p.Pages)
	first := (p.Page - 1) * PerPage
	for _, l := range found[first:min(first+PerPage, len(found))] {
		p.Agents = append(p.Agents, *l.Agent)
	}
	return p, nil
}

// listedAgent is an agent with the words that it is sorted and found by.
type listedAgent struct {
	*ledger.Agent
	label, does string
}

func listed(agents []ledger.Agent, prices *catalog.Catalog) []listedAgent {
	list := make([]listedAgent, len(agents))
	for i := range agents {
		g := &agents[i]
		list[i] = listedAgent{Agent: g, label: Label(prices, ledger.AgentName{
			ID:      g.ID,
			Name:    g.Name,
			Feature: g.Feature,
		})}
		if f, ok := prices.Feature(g.Feature); ok {
			list[i].does = f.Name
		}
	}
	return list
}

// search keeps the agents that match.
func search(list []listedAgent, text string) []listedAgent {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "" {
		return list
	}
	return slices.DeleteFunc(list, func(l listedAgent) bool {
		return !strings.Contains(strings.ToLower(l.label+"\n"+l.does+"\n"+l.ID), text)
	})
}

func compareListed(x, y listedAgent) int {
	return cmp.Or(cmp.Compare(x.rank(), y.rank()), cmp.Compare(y.Spent, x.Spent), CompareNames(x.label, y.label),
		cmp.Compare(x.ID, y.ID))
}

// rank puts what is stopped before what works.
func (l listedAgent) rank() int {
	if l.State == ledger.AgentOn {
		return 1
	}
	return 0
}
