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

// wholeAgents are the agents as they are loaded. What one with a budget spent this month is read
// from the rollup, or every other time is what the lane remembers, which must be the same.
func (p *paper) wholeAgents() (list []agent) {
	month := monthOf(p.row.today.day)
	for _, a := range p.agents {
		read := monthSpend{month: month}
		for key, line := range p.usage {
			if key.agent == a.id && monthOf(key.day).Equal(month) {
				read.amount += line.net()
			}
		}
		if remembered := a.before; a.budget != nil && remembered.month.Equal(month) &&
			remembered.amount != read.amount {
			p.fatalf("agent %s spent %v in %v before today, and it is remembered that it was %v", a.id,
				read.amount, month, remembered.amount)
		}
		if a.budget == nil || p.events%2 == 0 {
			a.before = read
		}
		list = append(list, a)
	}
	sortAgents(list)
	return list
}

// hear takes in an event, as somebody does who knows no more than events.
func (p *paper) hear(e Event) {
	if p.events++; e.Seq != p.events {
		p.fatalf("event %d (%s) has the number %d", p.events, e.Kind, e.Seq)
	}
	switch e.Kind {
	case EventAgentPaused, EventAgentResumed:
		var data agentEvent
		if err := json.Unmarshal(e.Data, &data); err != nil {
			p.fatalf("%v", err)
		}
		before := p.told[data.Agent]
		for state, name := range agentStateNames {
			if name == data.State {
				p.told[data.Agent] = AgentState(state)
			}
		}
		if now := p.told[data.Agent]; now == before || (now == AgentOn) != (e.Kind == EventAgentResumed) {
			p.fatalf("%s of %s, which was %v and is %v", e.Kind, data.Agent, before, now)
		}
	case EventBalanceLow, EventBalanceEmpty, EventBalanceRestored:
		if e.Kind != EventBalanceEmpty && p.toldLow == (e.Kind == EventBalanceLow) {
			p.fatalf("%s is told twice", e.Kind)
		}
		p.toldLow = e.Kind != EventBalanceRestored
	}
}

// checkAgents compares what a row says of the agents with the agents, and them with what was told of them.
func (p *paper) checkAgents(s *state) {
	var want guards
	for _, a := range p.agents {
		if a.id != "" {
			want.agentCount++
		}
		if a.state == AgentOutOfToken {
			want.pausedAgents++
		}
		want.reserved += a.reserve
		want.guarded = want.guarded || a.state != AgentOn || a.reserve > 0 || a.budget != nil
		if a.state != p.told[a.id] || (a.state == AgentOn) != a.pausedSince.IsZero() ||
			(a.state == AgentOn && a.turnedAway != 0) {
			p.fatalf("agent %+v was told to be %v", a, p.told[a.id])
		}
	}
	want.level, want.lowThreshold, want.eventSeq = s.level, s.lowThreshold, p.events
	if s.guards != want {
		p.fatalf("the row says %+v of the agents, they %+v", s.guards, want)
	}
	if p.toldLow != (s.level != LevelOK) {
		p.fatalf("the level is %v, and it was told that it is low: %v", s.level, p.toldLow)
	}
}

// checkLimits holds what was just spent against the budget of who spent it, and against what others
// have reserved. It adds up the entries.
func (p *paper) checkLimits(s *state, op operation, now time.Time) {
	id := ""
	switch o := op.(type) {
	case *Charge:
		id = o.Agent
	case *Hold:
		id = o.Agent
	case *Capture:
		h := s.holdOf(o)
		if o.Amount == nil || *o.Amount <= h.amount {
			return // it spends what was held within the limits
		}
		id = h.work.agent
	default:
		return
	}
	now = later(now, s.lastAt)
	var spent, held, others tokens.Amount
	for key, line := range p.spent {
		if key.agent == id && monthOf(key.day).Equal(monthOf(dayIn(now, s.zone))) {
			spent += line.net()
		}
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && h.work.agent == id {
			held += h.amount
		}
	}
	for _, a := range s.agents {
		if a.id != id {
			others += a.reserve
		} else if a.budget != nil && id != "" && max(spent, 0)+held > *a.budget && !p.free(s) {
			p.fatalf("agent %s has spent %v and holds %v of its budget of %v", id, spent, held, *a.budget)
		}
	}
	if left := s.spendable(now); left < others && !p.free(s) {
		p.fatalf("%q has left %v of %v that others reserved", id, left, others)
	}
}

// turnedOff lists the agents that the creator has turned off.
func turnedOff(s *state) (ids []string) {
	for _, a := range s.agents {
		if a.state == AgentByCreator {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// checkTurnedOff wants them to be so still, unless it was the creator who asked.
func (p *paper) checkTurnedOff(s *state, op operation, off []string) {
	if _, creator := op.(*SwitchAgent); creator {
		return
	}
	for _, id := range off {
		if now := s.agent(id).state; now != AgentByCreator {
			p.fatalf("%T made agent %s, which the creator turned off, %v", op, id, now)
		}
	}
}

// holdOf is the hold that a capture is about.
func (s *state) holdOf(c *Capture) *hold {
	at := slices.IndexFunc(s.holds, func(h hold) bool { return h.number == c.Hold })
	return &s.holds[at]
}

// checkLacking holds a refusal against what there is but for what others reserved, and wants the
// agent paused that was refused.
func (p *paper) checkLacking(s *state, op operation, refusal *problem.Error) {
	id := ""
	switch o := op.(type) {
	case *Charge:
		id = o.Agent
	case *Hold:
		id = o.Agent
	case *Capture:
		id = s.holdOf(o).work.agent
	}
	left := s.spendable(s.lastAt)
	for _, a := range s.agents {
		if a.id != id {
			left -= a.reserve
		}
		if a.id == id && id != "" && a.state != AgentOutOfToken {
			p.fatalf("agent %s lacks tokens and is %v", id, a.state)
		}
	}
	if told := refusal.Details["spendable"]; told != max(left, 0) {
		p.fatalf("%q is told that %v are left, there are %v", id, told, left)
	}
}

// free says whether the newest entry moved nothing.
func (p *paper) free(s *state) bool { return s.entries[len(s.entries)-1].moved() == 0 }

func (s *state) agentRowOf(id string) agentRow {
	if a := s.agent(id); a != nil {
		return a.present()
	}
	return agentRow{}
}

// agentRequest is about an agent, the creator's reserve, or the threshold.
func (r *player) agentRequest(s *state) operation {
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
func agentState(t *testing.T, at time.Time, zone string, budget tokens.Amount) *state {
	t.Helper()
	s := &state{
		account: uuid.UUID{1},
		whole:   true,
		period:  -1,
		zone:    time.UTC,
		guards:  guards{lowThreshold: noThreshold},
	}
	mustApply(t, s, &SetPlan{Plan: "star", Zone: zone}, at)
	if budget > 0 {
		mustApply(t, s, &PutAgent{ID: "a", Budget: &budget}, at)
	}
	return s
}

func mustApply(t *testing.T, s *state, op operation, at time.Time) {
	t.Helper()
	if _, err := s.apply(op, at, catalog.Builtin()); err != nil {
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

func wantOverBudget(t *testing.T, s *state, amount tokens.Amount, at time.Time) {
	t.Helper()
	if _, err := s.apply(agentCharge(amount), at, catalog.Builtin()); err == nil ||
		problem.Of(err).Code != "over_budget" {
		t.Errorf("a charge over the budget: %v", err)
	}
}

// Clocks in Paraguay skipped the midnight with which October 2023 began.
func TestAMonthMayBeginAtOne(t *testing.T) {
	t.Parallel()
	last := time.Date(2023, 9, 30, 23, 30, 0, 0, time.FixedZone("", -4*3600)).UTC()
	s := agentState(t, last, "America/Asuncion", tokens.One)
	mustApply(t, s, agentCharge(tokens.One), last)
	wantOverBudget(t, s, 1, last)
	begins := time.Date(2023, 10, 1, 4, 0, 0, 0, time.UTC)
	if !s.dueAt.Equal(begins) {
		t.Errorf("the month begins at %v, want %v", s.dueAt, begins)
	}
	mustApply(t, s, settling{}, begins.Add(-time.Microsecond))
	if s.agent("a").state != AgentOverBudget {
		t.Error("it goes on before the month begins")
	}
	mustApply(t, s, settling{}, begins)
	if s.agent("a").state != AgentOn {
		t.Error("it does not go on with the month")
	}
}

// A server whose clock is behind begins no month twice: the event has moved the account's time on.
func TestAMonthBeginsOnce(t *testing.T) {
	t.Parallel()
	february := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	before := february.Add(-time.Second)
	s := agentState(t, before, "", tokens.One)
	mustApply(t, s, agentCharge(tokens.One), before)
	wantOverBudget(t, s, 1, before)
	mustApply(t, s, settling{}, february)
	mustApply(t, s, agentCharge(tokens.One), before)
	wantOverBudget(t, s, 1, before)
	if end := s.monthEnd(s.agent("a")); !end.Equal(february.AddDate(0, 1, 0)) {
		t.Errorf("it goes on at %v", end)
	}
}

// A budget counts what was spent on days that were put away in the very batch in which it is set.
func TestABudgetCountsWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	s := agentState(t, day, "", 0)
	mustApply(t, s, agentCharge(3*tokens.One), day)
	mustApply(t, s, agentCharge(2*tokens.One), day.AddDate(0, 0, 1))
	budget := 6 * tokens.One
	mustApply(t, s, &PutAgent{ID: "a", Budget: &budget}, day.AddDate(0, 0, 1))
	wantOverBudget(t, s, tokens.One+1, day.AddDate(0, 0, 1))
	mustApply(t, s, agentCharge(tokens.One), day.AddDate(0, 0, 1))
}

// What is free fits into every budget.
func TestFreeWorkFitsEveryBudget(t *testing.T) {
	t.Parallel()
	now, prices := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC), catalogs()[0]
	s := agentState(t, now, "", 2*tokens.One)
	mustApply(t, s, agentCharge(2*tokens.One), now)
	less := tokens.One
	mustApply(t, s, &PutAgent{ID: "a", Budget: &less}, now)
	if _, err := s.apply(&Charge{Feature: "free", Agent: "a"}, now, prices); err != nil ||
		s.agent("a").state != AgentOn {
		t.Errorf("free work is refused: %v", err)
	}
}
