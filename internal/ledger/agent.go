package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// MaxAgents is how many agents an account can have.
const MaxAgents = 1_000

// resumeActions is how many actions a small arrival of tokens, such as a refund, must pay for before a
// paused agent resumes. With fewer the agent would soon pause again. An action of unknown price counts as
// at most one token.
const resumeActions = 20

// ensureAgent returns an agent and registers it at its first request. The engine has looked the agent up,
// so one that is not loaded does not exist.
func (s *State) ensureAgent(id, feature string) (*agent, error) {
	if a := s.agent(id); a != nil {
		return a, nil
	}
	if id != "" {
		if s.AgentCount >= MaxAgents {
			return nil, problem.New(problem.Conflict, "too_many_agents", "This account has %d agents already.",
				s.AgentCount)
		}
		s.AgentCount++
	}
	s.agents = append(s.agents, agent{AgentRow: AgentRow{ID: id, Feature: feature}, added: true})
	sortAgents(s.agents)
	s.changed = true
	return s.agent(id), nil
}

// turnAwayError refuses a request because its agent is paused or over budget.
type turnAwayError struct {
	agent  string
	amount tokens.Amount
	budget bool // the budget does not cover it
}

func (t *turnAwayError) Error() string { return "agent " + t.agent + " is turned away" }

// admit checks an agent's state and budget. It returns nil for work without an agent.
func (s *State) admit(id, feature string, amount tokens.Amount, now time.Time) error {
	if id == "" {
		return nil
	}
	a, err := s.ensureAgent(id, feature)
	if err != nil {
		return err
	}
	if a.Feature == "" {
		a.Feature, s.changed = feature, true // it was registered before its first request
	}
	switch {
	case a.State == AgentByCreator, a.State == AgentOutOfToken:
		return &turnAwayError{agent: id, amount: amount}
	case s.overBudget(a, amount, now):
		return &turnAwayError{
			agent:  id,
			amount: amount,
			budget: true,
		}
	}
	return nil
}

// overBudget reports whether an amount exceeds the rest of an agent's monthly budget. A free request never
// does.
func (s *State) overBudget(a *agent, amount tokens.Amount, now time.Time) bool {
	return amount > 0 && amount > s.budgetLeft(a, now)
}

// budgetLeft is an agent's monthly budget less spent and held tokens; tokens.Max without a budget. It is
// negative if the budget is lower than the amount already used.
func (s *State) budgetLeft(a *agent, now time.Time) tokens.Amount {
	if a.Budget == nil {
		return tokens.Max
	}
	return *a.Budget - s.spentThisMonth(a, now) - s.heldBy(a.ID)
}

// spentThisMonth is the net cost of an agent's work in this month. A refund counts in the month of the
// work: refunding older work frees no budget.
func (s *State) spentThisMonth(a *agent, now time.Time) tokens.Amount {
	month := monthOf(DayIn(now, s.Zone))
	var spent tokens.Amount
	if a.Month.Month.Equal(month) {
		spent = a.Month.Amount
	}
	if monthOf(s.Today.Day).Equal(month) {
		for i := range s.Today.Lines {
			if l := &s.Today.Lines[i]; l.Agent == a.ID {
				spent += l.net()
			}
		}
	}
	return max(0, spent) // servers of the previous version subtracted refunds on the day when they were made
}

func (s *State) heldBy(id string) (held tokens.Amount) {
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && h.Agent == id {
			held += h.Amount
		}
	}
	return held
}

// reservedFrom is what others have reserved, seen from an agent, or from the creator if id is empty.
func (s *State) reservedFrom(id string) tokens.Amount {
	others := s.Reserved
	if others > 0 {
		if a := s.agent(id); a != nil {
			others -= a.Reserve
		}
	}
	return others
}

// available is what an agent, or the creator if id is empty, may spend: the spendable balance less the
// reserves of others.
func (s *State) available(id string, now time.Time) tokens.Amount {
	return max(0, s.spendable(now)-s.reservedFrom(id))
}

// pause pauses an agent. Its requests are then refused and counted, not queued.
func (s *State) pause(a *agent, to AgentState, unit tokens.Amount, now time.Time) {
	if a.State == to {
		return
	}
	s.count(a.State, -1)
	s.count(to, +1)
	data := agentEvent{
		Agent:      a.ID,
		State:      to.String(),
		Since:      now,
		TurnedAway: a.TurnedAway,
	} // of a previous pause for another reason
	a.State, a.PausedSince, a.TurnedAway, a.Unit = to, now, 0, unit
	if end := s.monthEnd(a); to == AgentOverBudget && compareExpiry(end, s.DueAt) < 0 {
		s.DueAt = end // a charge does not recompute DueAt
	}
	s.AgentRules, s.changed = true, true
	s.emit(EventAgentPaused, now, data)
}

// count updates the number of agents in a state.
func (s *State) count(in AgentState, by int) {
	switch in {
	case AgentOutOfToken:
		s.PausedAgents += by
	case AgentOverBudget:
		s.StoppedByBudget += by
	case AgentOn, AgentByCreator:
	}
}

// resume resumes an agent. Refused requests are not repeated.
func (s *State) resume(a *agent, now time.Time) {
	data := agentEvent{
		Agent:      a.ID,
		State:      AgentOn.String(),
		Since:      a.PausedSince,
		TurnedAway: a.TurnedAway,
	}
	s.count(a.State, -1)
	a.ResumedAt, a.Missed = now, a.TurnedAway
	a.State, a.PausedSince, a.TurnedAway, a.Unit = AgentOn, time.Time{}, 0, 0
	s.changed = true
	s.emit(EventAgentResumed, now, data)
}

// outOfTokens pauses the agent whose request could not be paid, even if it was over budget before. This
// request is the first one counted as refused.
func (s *State) outOfTokens(f *shortfall, now time.Time) {
	if a := s.agent(f.agent); a != nil && f.agent != "" {
		s.pause(a, AgentOutOfToken, f.required, now)
		a.TurnedAway = 1
	}
}

// resumeOutOfTokens resumes agents that can now pay their next request or, after a small arrival, enough
// requests not to pause again soon.
func (s *State) resumeOutOfTokens(small bool, now time.Time, prices *catalog.Catalog) {
	for i := range s.agents {
		a := &s.agents[i]
		if a.State != AgentOutOfToken {
			continue
		}
		need := a.minimumRequest(prices)
		if small {
			need = a.resumeThreshold(prices)
		}
		if s.available(a.ID, now) >= need {
			s.resume(a, now)
		}
	}
}

// minimumRequest is the least that an agent's next request can cost: its feature's price, or one millionth
// without a price. The size of one refused request does not matter.
func (a *AgentRow) minimumRequest(prices *catalog.Catalog) tokens.Amount {
	if f, ok := prices.Feature(a.Feature); ok && f.Price > 0 {
		return f.Price
	}
	return 1
}

// expectedRequest is the likely amount of an agent's next request: what was refused, but at most
// resumeActions tokens, so that one oversized request does not keep it paused.
func (a *AgentRow) expectedRequest(prices *catalog.Catalog) tokens.Amount {
	return max(a.minimumRequest(prices), min(a.Unit, resumeActions*tokens.One))
}

// resumeThreshold is what must be available to resume an agent after a small arrival of tokens.
func (a *AgentRow) resumeThreshold(prices *catalog.Catalog) tokens.Amount {
	need := a.expectedRequest(prices)
	if f, ok := prices.Feature(a.Feature); ok {
		need = max(need, timesClamped(f.Price, resumeActions))
	}
	return need
}

// resumeWithinBudget resumes agents over budget if the rest of their budget has grown since before and
// covers the next request: after a release, a refund, a smaller capture or a larger budget.
func (s *State) resumeWithinBudget(before []budgetLeft, now time.Time, prices *catalog.Catalog) {
	for _, b := range before {
		a := s.agent(b.agent)
		if a.State != AgentOverBudget {
			continue
		}
		if left := s.budgetLeft(a, now); left > b.left && left >= a.minimumRequest(prices) {
			s.resume(a, now)
		}
	}
}

func timesClamped(a tokens.Amount, n int64) tokens.Amount {
	if product, ok := a.Times(n); ok {
		return product
	}
	return tokens.Max
}

// resumeForNewMonth resumes agents over budget whose month has ended and reports whether there were any.
func (s *State) resumeForNewMonth(due time.Time) bool {
	found := false
	for i := range s.agents {
		if a := &s.agents[i]; s.waitsForMonth(a) && !s.monthEnd(a).After(due) {
			s.resume(a, due)
			found = true
		}
	}
	return found
}

// waitsForMonth reports whether an agent resumes when the next month begins.
func (s *State) waitsForMonth(a *agent) bool {
	return a.State == AgentOverBudget && s.ClosedAt.IsZero()
}

// monthEnd is the end of the month in which an agent used up its budget.
func (s *State) monthEnd(a *agent) time.Time {
	next := monthOf(DayIn(a.PausedSince, s.Zone)).AddDate(0, 1, 0)
	return clock.StartOfDay(next, s.Zone)
}

// sumAgents recomputes the account row's summary of its agents. All agents must be loaded.
func (s *State) sumAgents() {
	s.Reserved, s.PausedAgents, s.AgentRules = 0, 0, false
	for i := range s.agents {
		a := &s.agents[i]
		s.Reserved += a.Reserve
		if a.State == AgentOutOfToken {
			s.PausedAgents++
		}
		s.AgentRules = s.AgentRules || a.State != AgentOn || a.Budget != nil || a.Reserve > 0
	}
}
