package ledger

import (
	"errors"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// operation is one request to the core. decide looks at a settled state and either refuses, leaving
// the state as it was, or applies itself and answers the entry that records it. It is pure: no
// clock, no database, no goroutine.
type operation interface {
	decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error)
	needs(prices *catalog.Catalog) needs
}

// needs is what an operation has to see of its account besides the account's row.
type needs struct {
	spend     tokens.Amount // what it takes from the open lot, if that has so much
	whole     bool          // all lots and holds
	about     int64         // an earlier entry, by its seq
	agent     string        // the agent that wants to spend
	months    bool          // what the agents spent this month
	opens     bool          // it may be the account's first
	endsHolds bool          // it ends all holds, whose notes the entries inherit
	passing   bool          // it comes by once: not worth remembering the account for
	// it may write nothing, which would not tell that the lane remembers what is no longer true
	fresh            bool
	scope, reference string // the permanent reference that it uses up
}

// apply is the core's one door: settle first, then decide, then see to what follows from what there
// is now. An attempt that lacks tokens is noted, and pauses the agent that made it.
func (s *state) apply(op operation, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	now = later(now, s.lastAt)
	if s.whole && s.isDue(now) {
		s.settle(now, prices)
		s.dueAt, s.changed = s.wakeAt(now), true
	}
	before := s.arrivals(now)
	e, err := op.decide(s, now, prices)
	if _, charge := op.(*Charge); !charge && s.whole {
		s.dueAt = s.wakeAt(now) // a charge brings nothing nearer
	}
	if err != nil {
		err = s.refused(op, err, now, prices)
	}
	s.follow(before, now, prices)
	if s.whole && s.guarded {
		s.sumAgents()
	}
	if e != nil {
		s.conclude(e)
	}
	return e, err
}

// conclude notes with a request's entry what there is after all entries that the request wrote: a
// release also writes the expiry of what came free of an expired lot. That is what the request
// answers, now and to a replay.
func (s *state) conclude(e *Entry) {
	last := s.entries[len(s.entries)-1]
	if last != e {
		e.lastSeq = last.Seq
	}
	e.settled = last.balance()
}

// refused notes a refusal that leaves a trace, and gives the one that the caller gets.
func (s *state) refused(op operation, err error, now time.Time, prices *catalog.Catalog) error {
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

func (s *state) arrivals(now time.Time) arrivals {
	if !s.guarded {
		return arrivals{}
	}
	before := arrivals{
		guarded:   true,
		spendable: s.spendable(now),
		reserved:  s.reserved,
		grants:    s.grants,
	}
	for i := range s.agents {
		if a := &s.agents[i]; a.state == AgentOverBudget {
			before.budgets = append(before.budgets, budgetLeft{a.id, s.budgetLeft(a, now)})
		}
	}
	return before
}

// resumeSince lets agents go on if tokens have come, if less is reserved for others, or if their
// budgets have more room.
func (s *state) resumeSince(before arrivals, now time.Time, prices *catalog.Catalog) {
	if !s.whole || !before.guarded {
		return
	}
	s.resumeWithinBudget(before.budgets, now, prices)
	granted, freed := s.grants > before.grants, s.reserved < before.reserved
	if granted || freed || s.spendable(now) > before.spendable {
		s.resumeThoseWhoCan(!granted && !freed, now, prices)
	}
}

// follow draws the conclusions from what has changed: agents that waited for tokens go on, and the
// level is taken. Nothing follows for a closed account.
func (s *state) follow(before arrivals, now time.Time, prices *catalog.Catalog) {
	if !s.closedAt.IsZero() {
		return
	}
	s.resumeSince(before, now, prices)
	s.takeLevel(now, prices)
}

// later is the later of two instants: an account's time never runs backwards, even when two
// servers' clocks disagree.
func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// ErrNoAccount is the answer for an account that was never opened.
var ErrNoAccount = problem.New(problem.NotFound, "account_not_found", "There is no such account.")

// settling is the operation that does nothing but what is due.
type settling struct{}

func (settling) needs(*catalog.Catalog) needs {
	return needs{
		whole:   true,
		fresh:   true,
		passing: true,
	}
}

func (settling) decide(s *state, _ time.Time, _ *catalog.Catalog) (*Entry, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	return nil, nil
}
