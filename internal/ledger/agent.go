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

// resumeActions is how many actions a small arrival of tokens, such as a refund, must pay for
// before a paused agent goes on: fewer would make it stop again at once (product.md, "no
// flapping"). An action of unknown price counts as one token at most.
const resumeActions = 20

// ensureAgent gives an agent, registered at its first work. The shell has looked it up: what is not
// loaded is not there.
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

// turnAwayError says that an agent's request is refused because of the agent: it is paused, or its
// budget does not cover the request.
type turnAwayError struct {
	agent  string
	amount tokens.Amount
	budget bool // the budget does not cover it
}

func (t *turnAwayError) Error() string { return "agent " + t.agent + " is turned away" }

// admit checks what an agent wants to spend against its state and its budget; nil for work without an agent.
func (s *State) admit(id, feature string, amount tokens.Amount, now time.Time) error {
	if id == "" {
		return nil
	}
	a, err := s.ensureAgent(id, feature)
	if err != nil {
		return err
	}
	if a.Feature == "" {
		a.Feature, s.changed = feature, true // it was registered before it did any work
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

// overBudget says whether an amount is more than is left of an agent's budget for this month: what
// it spent, and holds, counts. What is free always fits, also into a budget that was made smaller.
func (s *State) overBudget(a *agent, amount tokens.Amount, now time.Time) bool {
	return amount > 0 && amount > s.budgetLeft(a, now)
}

// budgetLeft is what is left of an agent's budget for this month: below zero where it was made
// smaller than what is used, tokens.Max without one.
func (s *State) budgetLeft(a *agent, now time.Time) tokens.Amount {
	if a.Budget == nil {
		return tokens.Max
	}
	return *a.Budget - s.spentThisMonth(a, now) - s.heldBy(a.ID)
}

// spentThisMonth is what this month's work of an agent with a budget cost in the end. A refund
// gives back to the budget of the month in which the work was done: of this month's work it makes
// room again, of an older month's none.
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
	return max(0, spent) // a server of the version before took refunds off on the day on which they were given
}

// heldBy is what open holds have set aside for an agent's jobs.
func (s *State) heldBy(id string) (held tokens.Amount) {
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && h.Agent == id {
			held += h.Amount
		}
	}
	return held
}

// reservedFrom is what an agent, or with no agent the creator, may not spend because it is reserved
// for others.
func (s *State) reservedFrom(id string) tokens.Amount {
	others := s.Reserved
	if others > 0 {
		if a := s.agent(id); a != nil {
			others -= a.Reserve
		}
	}
	return others
}

// available is what may be spent by an agent, or with no agent by the creator: what is spendable,
// but for what is reserved for others.
func (s *State) available(id string, now time.Time) tokens.Amount {
	return max(0, s.spendable(now)-s.reservedFrom(id))
}

// pause stops an agent. Nothing that it asks for is queued: it is turned away, and counted.
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
	} // since it was paused for another reason
	a.State, a.PausedSince, a.TurnedAway, a.Unit = to, now, 0, unit
	if end := s.monthEnd(a); to == AgentOverBudget && compareExpiry(end, s.DueAt) < 0 {
		s.DueAt = end // also after a charge, which brings nothing else nearer
	}
	s.AgentRules, s.changed = true, true
	s.emit(EventAgentPaused, now, data)
}

// count notes that there is an agent more, or less, in a state.
func (s *State) count(in AgentState, by int) {
	switch in {
	case AgentOutOfToken:
		s.PausedAgents += by
	case AgentOverBudget:
		s.StoppedByBudget += by
	case AgentOn, AgentByCreator:
	}
}

// resume lets an agent go on, for new requests only.
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

// outOfTokens pauses the agent whose charge or hold could not be afforded, also one that had asked
// for more than its budget before. That request is the first of those that were not handled.
func (s *State) outOfTokens(f *shortfall, now time.Time) {
	if a := s.agent(f.agent); a != nil && f.agent != "" {
		s.pause(a, AgentOutOfToken, f.required, now)
		a.TurnedAway = 1
	}
}

// resumeOutOfTokens lets every agent go on that was paused for lack of tokens and can now afford
// its next piece of work, or, after an arrival that is small, as many as it takes not to stop again
// at once.
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

// minimumRequest is the least that the next piece of an agent's work takes: its feature's price, or
// anything at all where that has none. One refused request says nothing about the next one.
func (a *AgentRow) minimumRequest(prices *catalog.Catalog) tokens.Amount {
	if f, ok := prices.Feature(a.Feature); ok && f.Price > 0 {
		return f.Price
	}
	return 1
}

// expectedRequest is what an agent probably asks for next: what it was refused, but no more than
// resumeActions tokens, so that one request that was far too large is not waited for.
func (a *AgentRow) expectedRequest(prices *catalog.Catalog) tokens.Amount {
	return max(a.minimumRequest(prices), min(a.Unit, resumeActions*tokens.One))
}

// resumeThreshold is what has to be there after a small arrival of tokens.
func (a *AgentRow) resumeThreshold(prices *catalog.Catalog) tokens.Amount {
	need := a.expectedRequest(prices)
	if f, ok := prices.Feature(a.Feature); ok {
		need = max(need, timesClamped(f.Price, resumeActions))
	}
	return need
}

// resumeWithinBudget lets those go on that their budget had stopped and whose budget has more room
// than before, if it covers their next piece of work: tokens were released or refunded, less was
// captured than held, or the budget is larger.
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

// resumeForNewMonth lets those go on that a budget had stopped in a month which is over.
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

// waitsForMonth says whether an agent goes on when the next month begins.
func (s *State) waitsForMonth(a *agent) bool {
	return a.State == AgentOverBudget && s.ClosedAt.IsZero()
}

// monthEnd is when the month is over in which an agent used up its budget.
func (s *State) monthEnd(a *agent) time.Time {
	next := monthOf(DayIn(a.PausedSince, s.Zone)).AddDate(0, 1, 0)
	return clock.StartOfDay(next, s.Zone)
}

// sumAgents works out what the account's row says of all agents. They must be loaded.
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
