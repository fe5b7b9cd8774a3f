package ledger

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/tokens"
)

// State is one account in memory: its row, lots, holds and agents, and the changes that a batch has made so
// far. It is not safe for concurrent use.
type State struct {
	AccountRow
	lots        []lot // in burn order; only the open lot unless complete
	holds       []hold
	agents      []agent              // all if complete, else those that the batch names
	pastEntries map[int64]*PastEntry // entries that the batch's requests refer to

	complete     bool          // all open lots, holds and agents are loaded
	unloadedFree tokens.Amount // spendable in lots that are not loaded

	// Pending changes; see Changes.
	changed    bool
	closing    bool // ClosedAt was set by this batch
	entries    []*Entry
	refs       []PermanentReference
	usage      []DayUsage // lines that left Today
	declined   []Declined
	reversals  map[int64]Reversal
	extensions []*ExtensionRow
	events     []Event

	storedPlan    planState    // as the account's row has it
	storedSummary AgentSummary // as the account's row has it

	grants int // number of grants since the state was opened
}

// lot is a Lot with its stored state.
type lot struct {
	Lot
	stored       lotState
	added        bool // has no row yet
	takenChanged bool // TakenBack differs from the row
}

// lotState is the part of a lot's row that can change.
type lotState struct {
	remaining, held tokens.Amount
	frozen, revoked bool
	open            bool
}

func (l *lot) current() lotState {
	return lotState{
		remaining: l.Remaining,
		held:      l.Held,
		frozen:    l.Frozen,
		revoked:   l.Revoked,
		open:      l.Remaining > 0,
	}
}

// hold is a HoldRow with its change in this batch.
type hold struct {
	HoldRow
	added bool
	ended bool
}

// spendable is what can be spent at an instant: the unheld tokens of lots that are effective, unexpired and
// not frozen.
func (s *State) spendable(now time.Time) tokens.Amount {
	sum := s.unloadedFree
	for i := range s.lots {
		sum += s.lots[i].free(now)
	}
	return sum
}

func byBurnOrder(a, b lot) int { return burnOrder(&a.Lot, &b.Lot) }

func (s *State) addLot(l lot) {
	s.NewestLot = max(s.NewestLot, l.Number)
	at, _ := slices.BinarySearchFunc(s.lots, l, byBurnOrder)
	s.lots = slices.Insert(s.lots, at, l)
}

// lot returns a loaded lot, or nil.
func (s *State) lot(number int64) *lot {
	for i := range s.lots {
		if s.lots[i].Number == number {
			return &s.lots[i]
		}
	}
	return nil
}

// split distributes an amount over the lots in burn order. The caller has checked that the amount is
// spendable.
func (s *State) split(amount tokens.Amount, now time.Time, share func(l *lot, part tokens.Amount)) {
	for i := range s.lots {
		if amount == 0 {
			return // also for an amount of zero, which a free feature has
		}
		if part := min(s.lots[i].free(now), amount); part > 0 {
			share(&s.lots[i], part)
			amount -= part
		}
	}
	if amount > 0 {
		panic("ledger: the loaded lots do not cover the amount")
	}
}

// spendLots takes an amount from the lots in burn order.
func (s *State) spendLots(amount tokens.Amount, now time.Time) []Part {
	parts := make([]Part, 0, 1)
	s.split(amount, now, func(l *lot, part tokens.Amount) {
		l.Remaining -= part
		parts = append(parts, Part{Lot: l.Number, Amount: -part})
	})
	return parts
}

// chooseOpenLot chooses the lot that is spent next and sums up unusable tokens. An incomplete state keeps
// both unless its lot is empty.
func (s *State) chooseOpenLot(now time.Time) {
	if !s.complete {
		if s.lots[0].Remaining == 0 {
			s.OpenLot = 0
		}
		return
	}
	s.OpenLot, s.Unusable = 0, 0
	for i := range s.lots {
		l := &s.lots[i]
		switch {
		case !l.usable(now):
			s.Unusable += l.Remaining - l.Held
		case s.OpenLot == 0 && l.Remaining > l.Held:
			s.OpenLot = l.Number
		}
	}
}

// Later is the later of two instants. An account's time never runs backwards, even when servers' clocks
// differ.
func Later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// planState is the part of an account's row that changes a few times a month.
type planState struct {
	id, next string
	status   PlanStatus
	period   int
	granted  tokens.Amount
}

func (s *State) currentPlan() planState {
	return planState{s.Plan, s.NextPlan, s.PlanStatus, s.Period, s.PeriodGranted}
}

// agent is an AgentRow with its stored state.
type agent struct {
	AgentRow
	stored agentState
	added  bool // has no row yet
}

// agentState is the part of an agent's row that can change.
type agentState struct {
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

func (a *agent) current() agentState {
	r := agentState{
		a.Name, a.Feature, a.State, a.PausedSince, a.TurnedAway, a.ResumedAt, a.Missed, a.Unit, -1,
		a.Reserve,
	}
	if a.Budget != nil {
		r.budget = *a.Budget
	}
	return r
}

func sortAgents(list []agent) {
	slices.SortFunc(list, func(x, y agent) int { return cmp.Compare(x.ID, y.ID) })
}

// agent returns a loaded agent, or nil.
func (s *State) agent(id string) *agent {
	for i := range s.agents {
		if s.agents[i].ID == id {
			return &s.agents[i]
		}
	}
	return nil
}

// mustBeOpen returns ErrNoAccount or ErrClosed unless the account is open.
func (s *State) mustBeOpen() error {
	switch {
	case !s.Exists():
		return ErrNoAccount
	case !s.ClosedAt.IsZero():
		return ErrClosed
	}
	return nil
}
