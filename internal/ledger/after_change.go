package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// headroom is what could be spent before an operation. Comparing it with the state afterwards tells whether
// paused agents may resume.
type headroom struct {
	agentRules          bool // if false, no agent can be paused
	spendable, reserved tokens.Amount
	grants              int
	budgets             []budgetLeft // of agents over their budget
}

// budgetLeft is the rest of an agent's monthly budget.
type budgetLeft struct {
	agent string
	left  tokens.Amount
}

func (s *State) headroom(now time.Time) headroom {
	if !s.AgentRules {
		return headroom{}
	}
	before := headroom{
		agentRules: true,
		spendable:  s.spendable(now),
		reserved:   s.Reserved,
		grants:     s.grants,
	}
	for i := range s.agents {
		if a := &s.agents[i]; a.State == AgentOverBudget {
			before.budgets = append(before.budgets, budgetLeft{a.ID, s.budgetLeft(a, now)})
		}
	}
	return before
}

// resumeAgents resumes paused agents if tokens were added, less is reserved for others, or their budgets
// have more room.
func (s *State) resumeAgents(before headroom, now time.Time, prices *catalog.Catalog) {
	if !s.complete || !before.agentRules {
		return
	}
	s.resumeWithinBudget(before.budgets, now, prices)
	granted, freed := s.grants > before.grants, s.Reserved < before.reserved
	if granted || freed || s.spendable(now) > before.spendable {
		s.resumeOutOfTokens(!granted && !freed, now, prices)
	}
}

// afterChange resumes agents and updates the level after a change. A closed account has neither.
func (s *State) afterChange(before headroom, now time.Time, prices *catalog.Catalog) {
	if !s.ClosedAt.IsZero() {
		return
	}
	s.resumeAgents(before, now, prices)
	s.updateLevel(now, prices)
}
