package ledger

import (
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Operation is one request to the rules. decide looks at a settled state and either refuses, leaving
// the state as it was, or applies itself and says what it did. It is pure: no clock, no database, no
// goroutine.
type Operation interface {
	decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error)
	// Needs says what the operation has to see of its account.
	Needs(prices *catalog.Catalog) Needs
}

// Outcome is what an operation did.
type Outcome struct {
	Entry     *Entry        // nil: it wrote none
	Extension *ExtensionRow // of a hold; nil: none
	Opened    bool          // it opened the account
}

// Needs is what an operation has to see of its account besides the account's row.
type Needs struct {
	Spend     tokens.Amount // what it takes from the open lot, if that has so much
	Complete  bool          // all lots, holds and agents
	RefersTo  int64         // an earlier entry, by its seq; 0: none
	Agent     string        // the agent that wants to spend
	Months    bool          // what the agents spent this month
	MayOpen   bool          // it may be the account's first
	EndsHolds bool          // it ends all holds, whose notes the entries inherit
	DontCache bool          // others are unlikely to follow soon
	// BypassCache says that it may write nothing. Only a write finds out that a remembered state is stale.
	BypassCache      bool
	Scope, Reference string // the permanent reference that it uses up
}

// Demand is what the requests of a batch need to see of one account.
type Demand struct {
	Spend       tokens.Amount // in all
	Multiple    bool          // more than one request
	Complete    bool          // all lots, holds and agents
	MayOpen     bool          // a request may be the account's first
	NeedsLookup bool          // something that no remembered state has
	NeedsMonths bool          // what its agents spent this month
	Agents      []string      // those that want to spend
	Cacheable   bool          // others are likely to follow
}

// Add adds what one more request needs.
func (d *Demand) Add(n *Needs) {
	d.Spend += min(n.Spend, tokens.Max-d.Spend) // clamped: a sum must not overflow, whatever is asked for
	d.Complete = d.Complete || n.Complete
	d.MayOpen = d.MayOpen || n.MayOpen
	d.NeedsMonths = d.NeedsMonths || n.Months
	if n.Agent != "" && !slices.Contains(d.Agents, n.Agent) {
		d.Agents = append(d.Agents, n.Agent)
	}
	d.Cacheable = d.Cacheable || !n.DontCache
	d.NeedsLookup = d.NeedsLookup || n.MayOpen || n.BypassCache || n.RefersTo != 0 || n.Scope != ""
}

// CanServe says whether a remembered state has all that a batch needs, and nothing is due that would
// need more.
func (s *State) CanServe(d *Demand, now time.Time) bool {
	switch {
	case d.NeedsLookup:
		return false
	case len(s.holds) > 0 && s.IsDue(now):
		return false // a hold that times out passes its note on, which is not remembered
	case s.complete:
		return true
	}
	for _, id := range d.Agents {
		if s.agent(id) == nil {
			return false
		}
	}
	return !s.NeedsComplete(d, now)
}

// NeedsComplete says whether the open lot is not enough for what a batch asks of an account. What is
// above all that can be spent will be refused, for which the account's row is enough.
func (s *State) NeedsComplete(d *Demand, now time.Time) bool {
	if d.Complete || s.IsDue(now) || s.AgentRules || s.OpenLot == 0 {
		return true
	}
	free := s.lots[0].Remaining - s.lots[0].Held
	return d.Spend > free && (d.Multiple || d.Spend <= free+s.unloadedFree)
}
