package ledger

import (
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Operation is one request to the rules. decide is called on a settled state. It either returns an error
// and leaves balances and lots unchanged, or applies the operation and returns what it did.
type Operation interface {
	decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error)
	// Needs says what must be loaded before decide.
	Needs(prices *catalog.Catalog) Needs
}

// Outcome is the result of an operation.
type Outcome struct {
	Entry     *Entry        // nil if none was written
	Extension *ExtensionRow // nil if no hold was extended
	Opened    bool          // it opened the account
}

// Needs is what an operation reads besides the account's row.
type Needs struct {
	Spend     tokens.Amount // what it spends, if the open lot has enough
	Complete  bool          // all lots, holds and agents
	RefersTo  int64         // seq of an earlier entry; 0: none
	Agent     string        // the agent that wants to spend
	Months    bool          // the agents' spending this month
	MayOpen   bool          // it may open the account
	EndsHolds bool          // it ends all holds, so their notes are loaded
	DontCache bool          // further requests are unlikely to follow soon
	// BypassCache reloads the account. It is for operations that may write nothing, since only a write
	// detects a stale cached state.
	BypassCache      bool
	Scope, Reference string // a permanent reference that must be unused
}

// Demand is the sum of the Needs of a batch's requests for one account.
type Demand struct {
	Spend       tokens.Amount // total
	Multiple    bool          // more than one request
	Complete    bool          // all lots, holds and agents
	MayOpen     bool          // a request may open the account
	NeedsLookup bool          // needs data that is never cached
	NeedsMonths bool          // the agents' spending this month
	Agents      []string      // agents that spend
	Cacheable   bool          // further requests are likely to follow
}

// Add adds the needs of one more request.
func (d *Demand) Add(n *Needs) {
	d.Spend += min(n.Spend, tokens.Max-d.Spend) // clamped, so that the sum cannot overflow
	d.Complete = d.Complete || n.Complete
	d.MayOpen = d.MayOpen || n.MayOpen
	d.NeedsMonths = d.NeedsMonths || n.Months
	if n.Agent != "" && !slices.Contains(d.Agents, n.Agent) {
		d.Agents = append(d.Agents, n.Agent)
	}
	d.Cacheable = d.Cacheable || !n.DontCache
	d.NeedsLookup = d.NeedsLookup || n.MayOpen || n.BypassCache || n.RefersTo != 0 || n.Scope != ""
}

// CanServe reports whether a cached state has everything that a batch needs.
func (s *State) CanServe(d *Demand, now time.Time) bool {
	switch {
	case d.NeedsLookup:
		return false
	case len(s.holds) > 0 && s.IsDue(now):
		return false // the release entry copies the hold's note, which is not cached
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

// NeedsComplete reports whether a batch needs more than the account's row with the open lot. A single
// charge above the whole spendable balance does not: the row is enough to refuse it.
func (s *State) NeedsComplete(d *Demand, now time.Time) bool {
	if d.Complete || s.IsDue(now) || s.AgentRules || s.OpenLot == 0 {
		return true
	}
	free := s.lots[0].Remaining - s.lots[0].Held
	return d.Spend > free && (d.Multiple || d.Spend <= free+s.unloadedFree)
}
