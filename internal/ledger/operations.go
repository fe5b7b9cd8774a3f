package ledger

import (
	"errors"
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

// Apply is the one way into the rules: settle first, then decide, then see to what follows from what
// there is now. An attempt that lacks tokens is recorded, and pauses the agent that made it.
func (s *State) Apply(op Operation, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	now = Later(now, s.LastAt)
	if s.complete && s.IsDue(now) {
		s.settle(now, prices)
		s.DueAt, s.changed = s.wakeAt(now), true
	}
	before := s.arrivals(now)
	out, err := op.decide(s, now, prices)
	if _, charge := op.(*Charge); !charge && s.complete {
		s.DueAt = s.wakeAt(now) // a charge brings nothing nearer
	}
	if err != nil {
		err = s.refused(op, err, now, prices)
	}
	s.follow(before, now, prices)
	if s.complete && s.AgentRules {
		s.sumAgents()
	}
	if out.Entry != nil {
		s.conclude(out.Entry)
	}
	return out, err
}

// conclude notes with a request's entry what there is after all entries that the request wrote: a
// release also writes the expiry of what came free of an expired lot. That is what the request
// answers, now and to a replay.
func (s *State) conclude(e *Entry) {
	last := s.entries[len(s.entries)-1]
	if last != e {
		e.LastSeq = last.Seq
	}
	e.Settled = last.Balance()
}

// refused notes a refusal that leaves a trace, and gives the one that the caller gets.
func (s *State) refused(op Operation, err error, now time.Time, prices *catalog.Catalog) error {
	var lacking *shortfall
	var away *turnAwayError
	work, ok := op.(interface{ keepsAgentOn() bool })
	keepOn := ok && work.keepsAgentOn()
	switch {
	case errors.As(err, &lacking):
		s.decline(lacking, now)
		if keepOn {
			s.coveredByBudget(lacking.agent, lacking.required, now)
		} else {
			s.outOfTokens(lacking, now)
		}
		return s.lackingProblem(lacking, now, prices)
	case errors.As(err, &away):
		return s.turnAway(away, keepOn, now, prices)
	}
	return err
}

// arrivals is what tells whether tokens have come or budgets have more room: what can be spent,
// what is set aside, how often tokens were granted.
type arrivals struct {
	guarded             bool // else nobody waits for them
	spendable, reserved tokens.Amount
	grants              int
	budgets             []budgetLeft // of those that are over it
}

// budgetLeft is what is left of an agent's budget.
type budgetLeft struct {
	agent string
	left  tokens.Amount
}

func (s *State) arrivals(now time.Time) arrivals {
	if !s.AgentRules {
		return arrivals{}
	}
	before := arrivals{
		guarded:   true,
		spendable: s.spendable(now),
		reserved:  s.Reserved,
		grants:    s.grants,
	}
	for i := range s.agents {
		if a := &s.agents[i]; a.State == AgentOverBudget {
			before.budgets = append(before.budgets, budgetLeft{a.ID, s.budgetLeft(a, now)})
		}
	}
	return before
}

// resumeSince lets agents go on if tokens have come, if less is reserved for others, or if their
// budgets have more room.
func (s *State) resumeSince(before arrivals, now time.Time, prices *catalog.Catalog) {
	if !s.complete || !before.guarded {
		return
	}
	s.resumeWithinBudget(before.budgets, now, prices)
	granted, freed := s.grants > before.grants, s.Reserved < before.reserved
	if granted || freed || s.spendable(now) > before.spendable {
		s.resumeThoseWhoCan(!granted && !freed, now, prices)
	}
}

// follow draws the conclusions from what has changed: agents that waited for tokens go on, and the
// level is taken. Nothing follows for a closed account.
func (s *State) follow(before arrivals, now time.Time, prices *catalog.Catalog) {
	if !s.ClosedAt.IsZero() {
		return
	}
	s.resumeSince(before, now, prices)
	s.takeLevel(now, prices)
}

// later is the later of two instants: an account's time never runs backwards, even when two
// servers' clocks disagree.
func Later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// settling is the operation that does nothing but what is due.
type Settle struct{}

func (Settle) Needs(*catalog.Catalog) Needs {
	return Needs{
		Complete:    true,
		BypassCache: true,
		DontCache:   true,
	}
}

func (Settle) decide(s *State, _ time.Time, _ *catalog.Catalog) (Outcome, error) {
	if !s.Exists() {
		return Outcome{}, ErrNoAccount
	}
	return Outcome{}, nil
}
