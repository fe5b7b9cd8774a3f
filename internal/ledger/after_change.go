package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// headroom shows whether tokens have come or budgets have more room: what can be spent, what is
// reserved, how often tokens were granted.
type headroom struct {
	agentRules          bool // without rules no agent waits for them
	spendable, reserved tokens.Amount
	grants              int
	budgets             []budgetLeft // of those that are over it
}

// budgetLeft is what is left of an agent's budget.
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

// resumeAgents lets agents go on if tokens have come, if less is reserved for others, or if their
// budgets have more room.
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

// afterChange draws the conclusions from what has changed: agents that waited for tokens go on, and the
// level is taken. Nothing follows for a closed account.
func (s *State) afterChange(before headroom, now time.Time, prices *catalog.Catalog) {
	if !s.ClosedAt.IsZero() {
		return
	}
	s.resumeAgents(before, now, prices)
	s.updateLevel(now, prices)
}
