package ledger

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// AgentState says whether an agent works, and if not, why. The numbers are stored.
type AgentState uint8

// The four states of an agent (spec "agents").
const (
	AgentOn         AgentState = 0
	AgentByCreator  AgentState = 1 // stays off until the creator turns it on
	AgentOutOfToken AgentState = 2 // goes on by itself when tokens arrive
	AgentOverBudget AgentState = 3 // goes on by itself with a new month or a larger budget
)

var agentStateNames = [...]string{"on", "paused_by_creator", "paused_out_of_tokens", "paused_over_budget"}

func (s AgentState) String() string { return agentStateNames[s] }

// MaxAgents is how many agents an account can have.
const MaxAgents = 1_000

// resumeActions is how many actions a small arrival of tokens, such as a refund, must pay for before a paused agent goes on: fewer would make it
// stop again at once (product.md, "no flapping").
const resumeActions = 20

// agent is one of the account's agents. The one without an id is the creator: its reserve is what the creator's own tools keep.
type agent struct {
	id          string
	name        string // as the creator calls it; empty: as its feature is called
	feature     string // what it spends on
	state       AgentState
	pausedSince time.Time
	turnedAway  int64         // requests that were not handled since then
	resumedAt   time.Time     // when it last went on after a pause
	missed      int64         // requests that were not handled in that pause
	unit        tokens.Amount // what the request asked for that made it pause
	budget      *tokens.Amount
	reserve     tokens.Amount
	before      monthSpend // what it spent this month, but for the day that the account's row carries; loaded for agents with a budget

	row   agentRow // as its row says
	added bool     // has no row yet
}

// agentRow is what can change about an agent.
type agentRow struct {
	name, feature string
	state         AgentState
	pausedSince   time.Time
	turnedAway    int64
	resumedAt     time.Time
	missed        int64
	unit          tokens.Amount
	budget        tokens.Amount // -1: none
	reserve       tokens.Amount
}

func (a *agent) present() agentRow {
	r := agentRow{a.name, a.feature, a.state, a.pausedSince, a.turnedAway, a.resumedAt, a.missed, a.unit, -1, a.reserve}
	if a.budget != nil {
		r.budget = *a.budget
	}
	return r
}

// monthSpend is what was spent in a calendar month of the billing zone.
type monthSpend struct {
	month  time.Time // its first day, as midnight UTC
	amount tokens.Amount
}

func monthOf(day time.Time) time.Time { return day.AddDate(0, 0, 1-day.Day()) }

// agent finds an agent that is loaded.
func (s *state) agent(id string) *agent {
	for i := range s.agents {
		if s.agents[i].id == id {
			return &s.agents[i]
		}
	}
	return nil
}

// ensureAgent gives an agent, registered at its first work. The shell has looked it up: what is not loaded is not there.
func (s *state) ensureAgent(id, feature string) (*agent, error) {
	if a := s.agent(id); a != nil {
		return a, nil
	}
	if id != "" {
		if s.agentCount >= MaxAgents {
			return nil, problem.New(problem.Conflict, "too_many_agents", "This account has %d agents already.", s.agentCount)
		}
		s.agentCount++
	}
	s.agents = append(s.agents, agent{id: id, feature: feature, added: true})
	sortAgents(s.agents)
	s.changed = true
	return s.agent(id), nil
}

// turnAwayError is why an agent's request was not handled. It is counted, unlike other refusals.
type turnAwayError struct{ problem *problem.Error }

func (t *turnAwayError) Error() string { return t.problem.Error() }

// admit checks what an agent wants to spend against its state and its budget; nil for work without an agent. What it refuses is counted.
func (s *state) admit(id, feature string, amount tokens.Amount, now time.Time) error {
	if id == "" {
		return nil
	}
	a, err := s.ensureAgent(id, feature)
	if err != nil {
		return err
	}
	if a.feature == "" {
		a.feature, s.changed = feature, true // it was registered before it did any work
	}
	switch a.state {
	case AgentByCreator, AgentOutOfToken:
		return s.turnAway(a, problem.New(problem.Conflict, "agent_paused", "This agent is paused: %s.", pauseReason[a.state]).With("state", a.state.String()))
	case AgentOn:
		if !s.overBudget(a, amount, now) {
			return nil
		}
		s.pause(a, AgentOverBudget, amount, now)
	case AgentOverBudget:
		if !s.overBudget(a, amount, now) {
			return nil // the budget has room for this one, if not for what made it pause
		}
	}
	return s.turnAway(a, problem.New(problem.Conflict, "over_budget", "This agent's budget of %s tokens for this month does not cover that.", *a.budget).
		With("state", a.state.String()))
}

var pauseReason = map[AgentState]string{AgentByCreator: "its creator turned it off", AgentOutOfToken: "out of tokens"}

func (s *state) turnAway(a *agent, p *problem.Error) error {
	a.turnedAway++
	s.changed = true
	return &turnAwayError{p}
}

// overBudget says whether an amount is more than is left of an agent's budget for this month: what it spent, and holds, counts. What is free always
// fits, also into a budget that was made smaller.
func (s *state) overBudget(a *agent, amount tokens.Amount, now time.Time) bool {
	if a.budget == nil || amount == 0 {
		return false
	}
	used := s.spentThisMonth(a, now) + s.heldBy(a.id)
	return amount > *a.budget-used
}

// spentThisMonth is what the rollup says of an agent with a budget, refunds taken off. Refunds of an older month's work may be more than all that was
// spent in this one: that makes no budget larger than it is.
func (s *state) spentThisMonth(a *agent, now time.Time) tokens.Amount {
	month := monthOf(dayIn(now, s.zone))
	var spent tokens.Amount
	if a.before.month.Equal(month) {
		spent = a.before.amount
	}
	if monthOf(s.today.day).Equal(month) {
		for i := range s.today.lines {
			if l := &s.today.lines[i]; l.agent == a.id {
				spent += l.amount
			}
		}
	}
	return max(0, spent)
}

// heldBy is what open holds have set aside for an agent's jobs.
func (s *state) heldBy(id string) (held tokens.Amount) {
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && h.work.agent == id {
			held += h.amount
		}
	}
	return held
}

// countMonth keeps what agents spent this month when a line of the day moves to the days that are over: also those without a budget, which may
// get one in the same batch.
func (s *state) countMonth(day time.Time, l *usageLine) {
	a := s.agent(l.agent)
	if a == nil {
		return
	}
	if month := monthOf(day); !a.before.month.Equal(month) {
		a.before = monthSpend{month: month}
	}
	a.before.amount += l.amount
}

// available is what may be spent by an agent, or with no agent by the creator: what is spendable, but for what is reserved for others.
func (s *state) available(id string, now time.Time) tokens.Amount {
	others := s.reserved
	if others > 0 {
		if a := s.agent(id); a != nil {
			others -= a.reserve
		}
	}
	return max(0, s.spendable(now)-others)
}

// pause stops an agent. Nothing that it asks for is queued: it is turned away, and counted.
func (s *state) pause(a *agent, to AgentState, unit tokens.Amount, now time.Time) {
	if a.state == to {
		return
	}
	if to == AgentOutOfToken {
		s.pausedAgents++
	} else if a.state == AgentOutOfToken {
		s.pausedAgents--
	}
	data := agentEvent{Agent: a.id, State: to.String(), Since: now, TurnedAway: a.turnedAway} // since it was paused for another reason
	a.state, a.pausedSince, a.turnedAway, a.unit = to, now, 0, unit
	if end := s.monthEnd(a); to == AgentOverBudget && compareExpiry(end, s.dueAt) < 0 {
		s.dueAt = end // also after a charge, which brings nothing else nearer
	}
	s.guarded, s.changed = true, true
	s.emit(EventAgentPaused, now, data)
}

// resume lets an agent go on, for new requests only.
func (s *state) resume(a *agent, now time.Time) {
	data := agentEvent{Agent: a.id, State: AgentOn.String(), Since: a.pausedSince, TurnedAway: a.turnedAway}
	if a.state == AgentOutOfToken {
		s.pausedAgents--
	}
	a.resumedAt, a.missed = now, a.turnedAway
	a.state, a.pausedSince, a.turnedAway, a.unit = AgentOn, time.Time{}, 0, 0
	s.changed = true
	s.emit(EventAgentResumed, now, data)
}

// outOfTokens pauses the agent whose charge or hold could not be afforded, also one that had asked for more than its budget before. That request is
// the first of those that were not handled.
func (s *state) outOfTokens(f *shortfall, now time.Time) {
	if a := s.agent(f.agent); a != nil && f.agent != "" {
		s.pause(a, AgentOutOfToken, f.required, now)
		a.turnedAway = 1
	}
}

// resumeThoseWhoCan lets every agent go on that was paused for lack of tokens and can now afford its next unit of work, or, after an arrival
// that is small, twenty, and what made it pause: else it would only pause again.
func (s *state) resumeThoseWhoCan(small bool, now time.Time, prices *catalog.Catalog) {
	for i := range s.agents {
		a := &s.agents[i]
		if a.state != AgentOutOfToken {
			continue
		}
		need := a.nextUnit(prices)
		if small {
			need = max(timesClamped(need, resumeActions), a.unit)
		}
		if s.available(a.id, now) >= need {
			s.resume(a, now)
		}
	}
}

// nextUnit is what the next piece of an agent's work takes: its feature's price, or what it asked for last where that has none.
func (a *agent) nextUnit(prices *catalog.Catalog) tokens.Amount {
	if f, ok := prices.Feature(a.feature); ok && f.Price > 0 {
		return f.Price
	}
	return max(a.unit, 1)
}

func timesClamped(a tokens.Amount, n int64) tokens.Amount {
	if product, ok := a.Times(n); ok {
		return product
	}
	return tokens.Max
}

// startMonth lets those go on that a budget had stopped in a month which is over.
func (s *state) startMonth(due time.Time) bool {
	found := false
	for i := range s.agents {
		if a := &s.agents[i]; a.state == AgentOverBudget && !s.monthEnd(a).After(due) {
			s.resume(a, due)
			found = true
		}
	}
	return found
}

// monthEnd is when the month is over in which an agent used up its budget.
func (s *state) monthEnd(a *agent) time.Time {
	next := monthOf(dayIn(a.pausedSince, s.zone)).AddDate(0, 1, 0)
	return instantAt(next, s.zone).UTC()
}

// sumAgents works out what the account's row says of all agents. They must be loaded.
func (s *state) sumAgents() {
	s.reserved, s.pausedAgents, s.guarded = 0, 0, false
	for i := range s.agents {
		a := &s.agents[i]
		s.reserved += a.reserve
		if a.state == AgentOutOfToken {
			s.pausedAgents++
		}
		s.guarded = s.guarded || a.state != AgentOn || a.budget != nil || a.reserve > 0
	}
}

// PutAgent registers an agent or changes it. Nil fields stay as they are; a budget or reserve of zero takes it away.
type PutAgent struct {
	ID      string // empty: the creator, whose reserve is for the creator's own tools
	Name    *string
	Feature *string
	Budget  *tokens.Amount // tokens a month; zero: no limit
	Reserve *tokens.Amount
}

func (p *PutAgent) needs(*catalog.Catalog) needs {
	return needs{whole: true, fresh: true, months: true}
}

func (p *PutAgent) decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	if err := p.check(s, prices); err != nil {
		return nil, err
	}
	a, err := s.ensureAgent(p.ID, "")
	if err != nil {
		return nil, err
	}
	if p.Name != nil {
		a.name = *p.Name
	}
	if p.Feature != nil {
		a.feature = *p.Feature
	}
	if p.Reserve != nil {
		a.reserve = *p.Reserve
	}
	if p.Budget != nil {
		s.setBudget(a, *p.Budget, now)
	}
	s.changed = true
	s.sumAgents()
	return nil, nil
}

func (p *PutAgent) check(s *state, prices *catalog.Catalog) error {
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
	others := s.reserved
	if a := s.agent(p.ID); a != nil {
		others -= a.reserve
	}
	if *p.Reserve < 0 || *p.Reserve > tokens.Max-others {
		return problem.Invalid("reserve", "must not be below zero, nor above %s tokens with all others", tokens.Max)
	}
	return nil
}

// setBudget gives an agent a budget, or takes it away; what it had stopped goes on if there is room again.
func (s *state) setBudget(a *agent, budget tokens.Amount, now time.Time) {
	unit := max(a.unit, 1)
	if a.budget = &budget; budget == 0 {
		a.budget = nil
	}
	if a.state == AgentOverBudget && !s.overBudget(a, unit, now) {
		s.resume(a, now)
	}
}

// SwitchAgent is the creator turning an agent off, or on again.
type SwitchAgent struct {
	ID string
	On bool
}

func (p *SwitchAgent) needs(*catalog.Catalog) needs { return needs{whole: true, fresh: true} }

func (p *SwitchAgent) decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	a := s.agent(p.ID)
	if a == nil || p.ID == "" {
		return nil, ErrNoAgent
	}
	switch {
	case !p.On:
		s.pause(a, AgentByCreator, a.unit, now)
	case a.state == AgentByCreator:
		s.resume(a, now)
	case a.state == AgentOutOfToken && s.available(a.id, now) < a.nextUnit(prices):
		return nil, problem.New(problem.Conflict, "out_of_tokens", "There are not enough tokens for this agent: it restarts by itself when they arrive.")
	case a.state == AgentOverBudget && s.overBudget(a, max(a.unit, 1), now):
		return nil, problem.New(problem.Conflict, "over_budget", "This agent's budget for this month is used: raise it first.")
	case a.state != AgentOn:
		s.resume(a, now)
	}
	s.sumAgents()
	return nil, nil
}

// ErrNoAgent is the answer for an agent that was never registered.
var ErrNoAgent = problem.New(problem.NotFound, "agent_not_found", "There is no such agent.")

func sortAgents(list []agent) {
	slices.SortFunc(list, func(x, y agent) int { return cmp.Compare(x.id, y.id) })
}
