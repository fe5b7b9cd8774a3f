package ledger

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// wholeAgents are the agents as loaded. The monthly spending of one with a budget alternates between the
// rollup and the lane's cache, which must agree.
func (p *memoryStore) completeAgents() (list []AgentRow) {
	month := monthOf(p.row.Today.Day)
	for _, a := range p.agents {
		read := MonthSpend{Month: month}
		for key, line := range p.usage {
			if key.agent == a.ID && monthOf(key.day).Equal(month) {
				read.Amount += line.net()
			}
		}
		if remembered := a.Month; a.Budget != nil && remembered.Month.Equal(month) &&
			remembered.Amount != read.Amount {
			p.fatalf("agent %s spent %v in %v before today, and it is remembered that it was %v", a.ID,
				read.Amount, month, remembered.Amount)
		}
		if a.Budget == nil || p.events%2 == 0 {
			a.Month = read
		}
		list = append(list, a)
	}
	return list
}

// recordEvent tracks the agents and the level from the events alone.
func (p *memoryStore) recordEvent(e Event) {
	if p.events++; e.Seq != p.events {
		p.fatalf("event %d (%s) has the number %d", p.events, e.Kind, e.Seq)
	}
	switch e.Kind {
	case EventAgentPaused, EventAgentResumed:
		var data agentEvent
		if err := json.Unmarshal(e.Data, &data); err != nil {
			p.fatalf("%v", err)
		}
		before := p.eventStates[data.Agent]
		for state, name := range agentStateNames {
			if name == data.State {
				p.eventStates[data.Agent] = AgentState(state)
			}
		}
		if now := p.eventStates[data.Agent]; now == before || (now == AgentOn) != (e.Kind == EventAgentResumed) {
			p.fatalf("%s of %s, which was %v and is %v", e.Kind, data.Agent, before, now)
		}
	case EventBalanceLow, EventBalanceEmpty, EventBalanceRestored:
		if e.Kind != EventBalanceEmpty && p.eventLow == (e.Kind == EventBalanceLow) {
			p.fatalf("%s is emitted twice", e.Kind)
		}
		p.eventLow = e.Kind != EventBalanceRestored
	}
}

// checkAgents compares the row's summary with the agents, and the agents with the events.
func (p *memoryStore) checkAgents(s *State) {
	var want AgentSummary
	for _, a := range p.agents {
		if a.ID != "" {
			want.AgentCount++
		}
		if a.State == AgentOutOfToken {
			want.PausedAgents++
		}
		want.Reserved += a.Reserve
		want.AgentRules = want.AgentRules || a.State != AgentOn || a.Reserve > 0 || a.Budget != nil
		if a.State != p.eventStates[a.ID] || (a.State == AgentOn) != a.PausedSince.IsZero() ||
			(a.State == AgentOn && a.TurnedAway != 0) {
			p.fatalf("agent %+v is %v in the events", a, p.eventStates[a.ID])
		}
	}
	want.Level, want.LowThreshold, want.EventSeq = s.Level, s.LowThreshold, p.events
	if s.AgentSummary != want {
		p.fatalf("the row says %+v of the agents, they %+v", s.AgentSummary, want)
	}
	if p.eventLow != (s.Level != LevelOK) {
		p.fatalf("the level is %v, low in the events: %v", s.Level, p.eventLow)
	}
}

// checkLimits compares what was just spent, by the entries, with the agent's budget and the reserves of
// others.
func (p *memoryStore) checkLimits(s *State, op Operation, now time.Time) {
	id := ""
	switch o := op.(type) {
	case *Charge:
		id = o.Agent
	case *Hold:
		id = o.Agent
	case *Capture:
		h := s.holdOf(o)
		if o.Amount == nil || *o.Amount <= h.Amount {
			return // it spends held tokens, which were within the limits
		}
		id = h.Agent
	default:
		return
	}
	now = Later(now, s.LastAt)
	var spent, held, others tokens.Amount
	for key, line := range p.spent {
		if key.agent == id && monthOf(key.day).Equal(monthOf(DayIn(now, s.Zone))) {
			spent += line.net()
		}
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && h.Agent == id {
			held += h.Amount
		}
	}
	for _, a := range s.agents {
		if a.ID != id {
			others += a.Reserve
		} else if a.Budget != nil && id != "" && max(spent, 0)+held > *a.Budget && !p.free(s) {
			p.fatalf("agent %s has spent %v and holds %v of its budget of %v", id, spent, held, *a.Budget)
		}
	}
	if left := s.spendable(now); left < others && !p.free(s) {
		p.fatalf("%q has left %v of %v that others reserved", id, left, others)
	}
}

// turnedOff lists the agents that the creator has turned off.
func turnedOff(s *State) (ids []string) {
	for _, a := range s.agents {
		if a.State == AgentByCreator {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

// checkTurnedOff requires them to be off still, unless the creator turned them on.
func (p *memoryStore) checkTurnedOff(s *State, op Operation, off []string) {
	if _, creator := op.(*SwitchAgent); creator {
		return
	}
	for _, id := range off {
		if now := s.agent(id).State; now != AgentByCreator {
			p.fatalf("%T made agent %s, which the creator turned off, %v", op, id, now)
		}
	}
}

// holdOf is the hold that a capture is about.
func (s *State) holdOf(c *Capture) *hold {
	at := slices.IndexFunc(s.holds, func(h hold) bool { return h.Number == c.Hold })
	return &s.holds[at]
}

// checkLacking compares a refusal with the available balance and requires the refused agent to be paused.
func (p *memoryStore) checkLacking(s *State, op Operation, refusal *problem.Error) {
	id := ""
	switch o := op.(type) {
	case *Charge:
		id = o.Agent
	case *Hold:
		id = o.Agent
	case *Capture:
		id = s.holdOf(o).Agent
	}
	left := s.spendable(s.LastAt)
	for _, a := range s.agents {
		if a.ID != id {
			left -= a.Reserve
		}
		if a.ID == id && id != "" && a.State != AgentOutOfToken {
			p.fatalf("agent %s lacks tokens and is %v", id, a.State)
		}
	}
	if got := refusal.Details["spendable"]; got != max(left, 0) {
		p.fatalf("%q gets the answer that %v are left, there are %v", id, got, left)
	}
}

// free says whether the newest entry moved nothing.
func (p *memoryStore) free(s *State) bool { return s.entries[len(s.entries)-1].Moved() == 0 }

func (s *State) agentRowOf(id string) agentState {
	if a := s.agent(id); a != nil {
		return a.current()
	}
	return agentState{}
}

// agentRequest generates a request about an agent, the creator's reserve or the threshold.
func (r *generator) agentRequest(s *State) Operation {
	limit := func() *tokens.Amount {
		amount := r.amount(s.spendable(r.now))
		return pick(r.Rand, nil, &amount, &amount, new(tokens.Amount))
	}
	id := pick(r.Rand, "a", "a", "b", "h", "new")
	switch n := r.IntN(12); {
	case n < 5:
		p := &PutAgent{
			ID:      id,
			Budget:  limit(),
			Reserve: limit(),
		}
		if feature := "social_comment_reply"; r.IntN(3) == 0 {
			p.Feature = &feature
		}
		return p
	case n < 6:
		return &PutAgent{Reserve: limit()}
	case n < 7: // everybody is free again, in the end
		return &PutAgent{
			ID:      id,
			Budget:  new(tokens.Amount),
			Reserve: new(tokens.Amount),
		}
	case n < 10:
		return &SwitchAgent{ID: id, On: r.IntN(4) > 0}
	}
	return &SetThreshold{Amount: limit()}
}

// agentState is a state with one agent on a large plan, opened at an instant.
func pausableState(t *testing.T, at time.Time, zone string, budget tokens.Amount) *State {
	t.Helper()
	s := &State{
		complete: true,
		AccountRow: AccountRow{
			AccountID:    uuid.UUID{1},
			Period:       -1,
			Zone:         time.UTC,
			AgentSummary: AgentSummary{LowThreshold: NoThreshold},
		},
	}
	mustApply(t, s, &SetPlan{Plan: "star", Zone: zone}, at)
	if budget > 0 {
		mustApply(t, s, &PutAgent{ID: "a", Budget: &budget}, at)
	}
	return s
}

func mustApply(t *testing.T, s *State, op Operation, at time.Time) {
	t.Helper()
	if _, err := s.Apply(op, at, catalog.Builtin()); err != nil {
		t.Fatal(err)
	}
}

func agentCharge(amount tokens.Amount) *Charge {
	return &Charge{
		Feature: "social_comment_reply",
		Agent:   "a",
		Amount:  &amount,
	}
}

func wantOverBudget(t *testing.T, s *State, amount tokens.Amount, at time.Time) {
	t.Helper()
	if _, err := s.Apply(agentCharge(amount), at, catalog.Builtin()); err == nil ||
		problem.Of(err).Code != "over_budget" {
		t.Errorf("a charge over the budget: %v", err)
	}
}

// Clocks in Paraguay skipped the midnight with which October 2023 began.
func TestAMonthMayBeginAtOne(t *testing.T) {
	t.Parallel()
	last := time.Date(2023, 9, 30, 23, 30, 0, 0, time.FixedZone("", -4*3600)).UTC()
	s := pausableState(t, last, "America/Asuncion", tokens.One)
	mustApply(t, s, agentCharge(tokens.One), last)
	wantOverBudget(t, s, 1, last)
	begins := time.Date(2023, 10, 1, 4, 0, 0, 0, time.UTC)
	if !s.DueAt.Equal(begins) {
		t.Errorf("the month begins at %v, want %v", s.DueAt, begins)
	}
	mustApply(t, s, Settle{}, begins.Add(-time.Microsecond))
	if s.agent("a").State != AgentOverBudget {
		t.Error("it goes on before the month begins")
	}
	mustApply(t, s, Settle{}, begins)
	if s.agent("a").State != AgentOn {
		t.Error("it does not go on with the month")
	}
}

// A server whose clock is behind does not begin a month twice, since the event advanced LastAt.
func TestAMonthBeginsOnce(t *testing.T) {
	t.Parallel()
	february := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	before := february.Add(-time.Second)
	s := pausableState(t, before, "", tokens.One)
	mustApply(t, s, agentCharge(tokens.One), before)
	wantOverBudget(t, s, 1, before)
	mustApply(t, s, Settle{}, february)
	mustApply(t, s, agentCharge(tokens.One), before)
	wantOverBudget(t, s, 1, before)
	if end := s.monthEnd(s.agent("a")); !end.Equal(february.AddDate(0, 1, 0)) {
		t.Errorf("it goes on at %v", end)
	}
}

// A budget counts days that leave Today in the batch that sets the budget.
func TestABudgetCountsWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	s := pausableState(t, day, "", 0)
	mustApply(t, s, agentCharge(3*tokens.One), day)
	mustApply(t, s, agentCharge(2*tokens.One), day.AddDate(0, 0, 1))
	budget := 6 * tokens.One
	mustApply(t, s, &PutAgent{ID: "a", Budget: &budget}, day.AddDate(0, 0, 1))
	wantOverBudget(t, s, tokens.One+1, day.AddDate(0, 0, 1))
	mustApply(t, s, agentCharge(tokens.One), day.AddDate(0, 0, 1))
}

// A free request fits into every budget.
func TestFreeWorkFitsEveryBudget(t *testing.T) {
	t.Parallel()
	now, prices := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), catalogs()[0]
	s := pausableState(t, now, "", 2*tokens.One)
	mustApply(t, s, agentCharge(2*tokens.One), now)
	less := tokens.One
	mustApply(t, s, &PutAgent{ID: "a", Budget: &less}, now)
	if _, err := s.Apply(&Charge{Feature: "free", Agent: "a"}, now, prices); err != nil ||
		s.agent("a").State != AgentOn {
		t.Errorf("free work is refused: %v", err)
	}
}
