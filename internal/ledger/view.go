package ledger

import (
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/tokens"
)

// Account is an account at an instant, with everything due settled.
type Account struct {
	ID          uuid.UUID
	Plan        string
	NextPlan    string // a downgrade that takes effect at NextReset; empty: none
	PlanStatus  PlanStatus
	ClosedAt    time.Time // zero: it is open
	Anchor      time.Time
	BillingZone *time.Location // days of usage and calendar months are counted in it
	Spendable   tokens.Amount
	Held        tokens.Amount
	Total       tokens.Amount
	Owed        tokens.Amount // taken off the next purchase
	Seq         int64         // of the newest entry
	NewestLot   int64         // highest lot number
	LastAt      time.Time     // of the newest entry or declined attempt
	// when the next allowance comes; zero if the plan is past due or canceled, or the account is closed
	NextReset time.Time
	// when something next expires, ends or begins, or earlier; zero: never
	NextDue    time.Time
	Level      Level
	Threshold  tokens.Amount // low threshold
	Agents     int           // registered agents
	Paused     int           // agents paused for lack of tokens
	OverBudget int           // agents paused by their budget
	Reserved   tokens.Amount // by agents, and for the creator's own tools
	// usage of one day by feature and agent, up to maxTodayLines; RecentUsage has all of a day
	Today []Usage
	Lots  []Lot // in burn order
	Holds int   // open holds
}

// Usages converts the lines.
func (t *Today) Usages() []Usage {
	list := make([]Usage, len(t.Lines))
	for i, l := range t.Lines {
		list[i] = Usage{t.Day, l.Feature, l.Agent, l.Amount, l.Quantity, l.Count, l.Returned}
	}
	return list
}

// ViewSettled settles a state in memory and shows it.
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

// View shows a state of which nothing is due.
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

// Day is the date of an instant in the billing zone, as midnight UTC.
func (a *Account) Day(at time.Time) time.Time { return DayIn(at, a.BillingZone) }

// PeriodStart is the date in the billing zone on which the billing period of an instant began, as midnight
// UTC. Instants before the anchor belong to the first period.
func (a *Account) PeriodStart(at time.Time) time.Time {
	return DayIn(Boundary(a.Anchor, a.BillingZone, max(periodAt(a.Anchor, a.BillingZone, at), 0)), a.BillingZone)
}

// NextAllowance is the amount granted at NextReset under the plan then in force; zero if nothing is.
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

// Resets lists the instants of the next allowances, soonest first: those before an instant and one more. It
// is empty while the plan is not paid for.
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

// StartsPeriod reports whether a billing period begins exactly at an instant.
func (a *Account) StartsPeriod(at time.Time) bool {
	return Boundary(a.Anchor, a.BillingZone, periodAt(a.Anchor, a.BillingZone, at)).Equal(at)
}

// Agent is one of an account's agents at an instant.
type Agent struct {
	ID          string
	Name        string // as the creator calls it; empty: as its feature is called
	Feature     string // what it spends on; empty until it is known
	State       AgentState
	PausedSince time.Time
	TurnedAway  int64          // requests refused since then
	ResumedAt   time.Time      // when it last resumed; zero: never
	Missed      int64          // requests refused in that pause
	Budget      *tokens.Amount // tokens per calendar month of the billing zone; nil: no limit
	Reserve     tokens.Amount  // tokens that only this agent may spend
	Spent       tokens.Amount  // net cost of this calendar month's work
	Held        tokens.Amount  // by its running jobs
	Reason      Reason         // why it is paused
	Ready       bool           // it is on, and tokens and budget cover its next request
	Missing     tokens.Amount  // tokens to add before it resumes, if it waits for tokens
}

// showAgent shows an agent at an instant not before LastAt. All holds must be loaded.
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

// ViewAgents lists the agents, and the reserve of the creator's own tools. All agents and holds must be
// loaded.
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

// WouldResume lists the agents that a grant would resume. It leaves the state unchanged.
func (s *State) WouldResume(g *Grant, now time.Time, prices *catalog.Catalog) []Agent {
	after := s.Clone()
	if _, err := after.Apply(g, now, prices); err != nil {
		return nil // the grant would be refused
	}
	var list []Agent
	for i := range s.agents {
		if a := &s.agents[i]; a.State == AgentOutOfToken && after.agents[i].State == AgentOn {
			list = append(list, s.showAgent(a, Later(now, s.LastAt), prices))
		}
	}
	return list
}

// AtEmpty counts the agents that wait for tokens, and those that can still work with the present balance.
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

// AgentName is how an agent is displayed.
type AgentName struct {
	ID      string
	Name    string // as the creator calls it; empty: as its feature is called
	Feature string // what it spends on; empty until it is known
}

// StoppedAgents lists an account's agents that are paused for lack of tokens or budget, and those with a
// reserve, which may be the reason.
type StoppedAgents struct {
	Agents     []Agent       // by id
	OwnReserve tokens.Amount // for the creator's own tools
}
