package ledger

import (
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Account is an account as it stands at an instant, settled to it.
type Account struct {
	ID          uuid.UUID
	Plan        string
	NextPlan    string // a downgrade that takes effect at NextReset; empty: none
	PlanStatus  PlanStatus
	ClosedAt    time.Time // when it was closed, for good; zero: it is open
	Anchor      time.Time
	BillingZone *time.Location // days of usage and months are counted in it
	Spendable   tokens.Amount
	Held        tokens.Amount
	Total       tokens.Amount
	Owed        tokens.Amount // will be taken off the next purchase
	Seq         int64         // of the newest entry
	NewestLot   int64         // the highest number of a lot
	LastAt      time.Time     // of the newest entry or declined attempt
	// when the next allowance comes; zero while none does: the plan is past due or canceled, or the
	// account is closed
	NextReset time.Time
	// no later than the next instant at which something expires, ends or comes of itself; zero: never
	NextDue    time.Time
	Level      Level
	Threshold  tokens.Amount // below it the balance is low
	Agents     int           // registered ones
	Paused     int           // agents that wait for tokens
	OverBudget int           // agents that their budget has stopped
	Reserved   tokens.Amount // by agents, and for the creator's own tools
	// the newest day's part of the rollup, by feature and agent; Day says which, and a long day may
	// have more (RecentUsage)
	Today []Usage
	Lots  []Lot // in the order in which they are spent
	Holds int   // open ones
}

// Usages lists the lines as usage of the day.
func (t *Today) Usages() []Usage {
	list := make([]Usage, len(t.Lines))
	for i, l := range t.Lines {
		list[i] = Usage{t.Day, l.Feature, l.Agent, l.Amount, l.Quantity, l.Count, l.Returned}
	}
	return list
}

// ViewSettled settles a state, which nothing is written of, and shows it.
func (s *State) ViewSettled(now time.Time, prices *catalog.Catalog) Account {
	now = Later(now, s.LastAt)
	due := s.IsDue(now)
	s.settle(now, prices)
	a := s.View(now, prices)
	if due || !s.AgentRules {
		a.NextDue = s.nextChange(now)
	}
	return a
}

// View shows a state that nothing is due of.
func (s *State) View(now time.Time, prices *catalog.Catalog) Account {
	now = Later(now, s.LastAt)
	a := Account{
		ID:          s.AccountID,
		Plan:        s.Plan,
		NextPlan:    s.NextPlan,
		PlanStatus:  s.PlanStatus,
		ClosedAt:    s.ClosedAt,
		Anchor:      s.Anchor,
		BillingZone: s.Zone,
		Spendable:   s.spendable(now),
		Held:        s.Held,
		Total:       s.Balance,
		Owed:        s.Owed,
		Seq:         s.Seq,
		NewestLot:   s.NewestLot,
		LastAt:      s.LastAt,
		NextDue:     s.DueAt,
		Today:       s.Today.Usages(),
		Threshold:   s.threshold(prices),
		Agents:      s.AgentCount,
		Paused:      s.PausedAgents,
		OverBudget:  s.StoppedByBudget,
		Reserved:    s.Reserved,
	}
	a.Level = s.Level.next(a.Spendable+a.Held, a.Threshold, prices.ToolMinimum)
	if s.renews() {
		a.NextReset = Boundary(s.Anchor, s.Zone, s.Period+1)
	}
	for i := range s.lots {
		if l := &s.lots[i]; l.Remaining > 0 {
			shown := l.Lot
			shown.Revoked, shown.TakenBack = false, 0 // nothing shows them
			a.Lots = append(a.Lots, shown)
		}
	}
	for i := range s.holds {
		if s.holds[i].open() {
			a.Holds++
		}
	}
	return a
}

// Day is the date of an instant in the account's billing zone, as midnight UTC of that date.
func (a *Account) Day(at time.Time) time.Time { return DayIn(at, a.BillingZone) }

// PeriodStart is the date in the billing zone on which the billing period of an instant began, as
// midnight UTC of that date. The first period began when the account was opened, or at the anchor
// that the host gave.
func (a *Account) PeriodStart(at time.Time) time.Time {
	return DayIn(Boundary(a.Anchor, a.BillingZone, max(periodAt(a.Anchor, a.BillingZone, at), 0)), a.BillingZone)
}

// NextAllowance is what comes at NextReset, of the plan that will be in force then; zero when nothing will.
func (a *Account) NextAllowance(prices *catalog.Catalog) tokens.Amount {
	if a.NextReset.IsZero() {
		return 0
	}
	id := a.Plan
	if a.NextPlan != "" {
		id = a.NextPlan
	}
	plan, _ := prices.Plan(id)
	return plan.Allowance
}

// Resets are the instants at which the next allowances come, soonest first: those before an instant
// and one more. None while the plan is not paid for.
func (a *Account) Resets(before time.Time) []time.Time {
	if a.NextReset.IsZero() {
		return nil
	}
	list := []time.Time{a.NextReset}
	for k := periodAt(a.Anchor, a.BillingZone, a.NextReset); list[len(list)-1].Before(before); {
		k++
		list = append(list, Boundary(a.Anchor, a.BillingZone, k))
	}
	return list
}

// StartsPeriod says whether an instant is the very beginning of one of the account's periods.
func (a *Account) StartsPeriod(at time.Time) bool {
	return Boundary(a.Anchor, a.BillingZone, periodAt(a.Anchor, a.BillingZone, at)).Equal(at)
}

// Agent is one of an account's agents as it stands.
type Agent struct {
	ID          string
	Name        string // as the creator calls it; empty: as its feature is called
	Feature     string // what it spends on; empty until it is known
	State       AgentState
	PausedSince time.Time
	TurnedAway  int64          // requests that were not handled since then
	ResumedAt   time.Time      // when it last went on after a pause; zero: never
	Missed      int64          // requests that were not handled in that pause
	Budget      *tokens.Amount // tokens a calendar month of the billing zone; nil: no limit
	Reserve     tokens.Amount  // tokens that only this agent may spend
	Spent       tokens.Amount  // on work of this calendar month, less what was returned of that work
	Held        tokens.Amount  // by its jobs under way
	Reason      Reason         // why it is paused
	Ready       bool           // it is on, and there are tokens and budget for its next piece of work
	Missing     tokens.Amount  // tokens that have to come before it goes on, for one that waits for them
}

// showAgent shows an agent at an instant that is not before the account's newest; what it holds is
// told by a state that has all holds.
func (s *State) showAgent(a *agent, now time.Time, prices *catalog.Catalog) Agent {
	return Agent{
		ID:          a.ID,
		Name:        a.Name,
		Feature:     a.Feature,
		State:       a.State,
		PausedSince: a.PausedSince,
		TurnedAway:  a.TurnedAway,
		ResumedAt:   a.ResumedAt,
		Missed:      a.Missed,
		Budget:      a.Budget,
		Reserve:     a.Reserve,
		Spent:       s.spentThisMonth(a, now),
		Held:        s.heldBy(a.ID),
		Reason:      s.pauseReason(a, now, prices),
		Missing:     s.missing(a, now, prices),
		Ready:       s.ready(a, now, prices),
	}
}

// ViewAgents shows the agents of a state that has all of them and what each one holds, and what is
// reserved for the creator's own tools.
func (s *State) ViewAgents(now time.Time, prices *catalog.Catalog) (list []Agent, own tokens.Amount) {
	now = Later(now, s.LastAt)
	sortAgents(s.agents)
	for i := range s.agents {
		a := &s.agents[i]
		if a.ID == "" {
			own = a.Reserve
			continue
		}
		list = append(list, s.showAgent(a, now, prices))
	}
	return list, own
}

// WouldResume tells which agents a grant would let go on, and leaves the state as it is.
func (s *State) WouldResume(g *Grant, now time.Time, prices *catalog.Catalog) []Agent {
	after := s.Clone()
	if _, err := after.Apply(g, now, prices); err != nil {
		return nil // it would not come
	}
	var list []Agent
	for i := range s.agents {
		if a := &s.agents[i]; a.State == AgentOutOfToken && after.agents[i].State == AgentOn {
			list = append(list, s.showAgent(a, Later(now, s.LastAt), prices))
		}
	}
	return list
}

// AtEmpty counts, of an account's agents, those that wait for tokens to come, and those that can
// still work with what is left.
func AtEmpty(list []Agent) (waiting, goOn int) {
	for i := range list {
		switch a := &list[i]; {
		case a.Ready:
			goOn++
		case a.State == AgentOn, a.Reason.Cure() == CureTokens:
			waiting++
		}
	}
	return waiting, goOn
}

// AgentName is what an agent is called.
type AgentName struct {
	ID      string
	Name    string // as the creator calls it; empty: as its feature is called
	Feature string // what it spends on; empty until it is known
}

// StoppedAgents are an account's agents that are paused by tokens or by their budget, with all that
// have a reserve, since a reserve may be the reason. The zero value is an account without any.
type StoppedAgents struct {
	Agents     []Agent       // by id
	OwnReserve tokens.Amount // of the creator's own tools
}
