package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// PutAgent registers or changes an agent. Nil fields stay unchanged; a Budget or Reserve of zero removes
// it.
type PutAgent struct {
	ID      string // empty: the creator, with a reserve for the creator's own tools
	Name    *string
	Feature *string
	Budget  *tokens.Amount // tokens per month; zero: no limit
	Reserve *tokens.Amount

	MustExist bool // ErrNoAgent for an agent that is not registered
}

// Needs implements Operation.
func (p *PutAgent) Needs(*catalog.Catalog) Needs {
	return Needs{
		Complete:    true,
		BypassCache: true,
		Months:      true,
	}
}

func (p *PutAgent) decide(s *State, _ time.Time, prices *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	if p.MustExist && s.agent(p.ID) == nil {
		return Outcome{}, ErrNoAgent
	}
	if err := p.check(s, prices); err != nil {
		return Outcome{}, err
	}
	a, err := s.ensureAgent(p.ID, "")
	if err != nil {
		return Outcome{}, err
	}
	if p.Name != nil {
		a.Name = *p.Name
	}
	if p.Feature != nil {
		a.Feature = *p.Feature
	}
	if p.Reserve != nil {
		a.Reserve = *p.Reserve
	}
	if p.Budget != nil {
		budget := *p.Budget
		if a.Budget = &budget; budget == 0 {
			a.Budget = nil
		}
	}
	s.changed = true
	s.sumAgents()
	return Outcome{}, nil
}

func (p *PutAgent) check(s *State, prices *catalog.Catalog) error {
	if p.Feature != nil {
		if _, ok := prices.Feature(*p.Feature); !ok {
			return problem.Invalid("feature", "is not in the catalog")
		}
	}
	if p.Budget != nil && (*p.Budget < 0 || *p.Budget > tokens.Max) {
		return problem.Invalid("monthly_budget", "must not be below zero, nor above %s tokens", tokens.Max)
	}
	if p.Reserve == nil {
		return nil
	}
	others := s.Reserved
	if a := s.agent(p.ID); a != nil {
		others -= a.Reserve
	}
	if *p.Reserve < 0 || *p.Reserve > tokens.Max-others {
		return problem.Invalid("reserve", "must not be below zero, nor above %s tokens with all others", tokens.Max)
	}
	return nil
}

// SwitchAgent turns an agent off or on for the creator.
type SwitchAgent struct {
	ID string
	On bool
}

// Needs implements Operation.
func (p *SwitchAgent) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, BypassCache: true} }

// decide has the same result for every kind of pause: turning on resumes the agent, or pauses it for lack
// of tokens or budget, from which it resumes by itself.
func (p *SwitchAgent) decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	a := s.agent(p.ID)
	if a == nil || p.ID == "" {
		return Outcome{}, ErrNoAgent
	}
	switch unit := a.minimumRequest(prices); {
	case !p.On:
		s.pause(a, AgentByCreator, a.Unit, now)
	case a.State == AgentOn:
	case s.available(a.ID, now) < unit:
		s.pause(a, AgentOutOfToken, a.Unit, now)
	case s.budgetLeft(a, now) < unit:
		s.pause(a, AgentOverBudget, a.Unit, now)
	default:
		s.resume(a, now)
	}
	s.sumAgents()
	return Outcome{}, nil
}
