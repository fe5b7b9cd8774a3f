package ledger

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/tokens"
)

// State is one account in memory: its row, its lots, holds and agents, and what the requests of a
// batch have changed so far. It is owned by one goroutine.
//
// Most charges are paid by one lot, and the account's row carries the remainder of that lot. So a
// state may be opened without its other lots: then it is not complete, and only a charge that the
// open lot can pay may be applied (CanServe).
type State struct {
	AccountRow
	lots        []lot // in burn order; only the open one unless complete
	holds       []hold
	agents      []agent              // all of them when complete, else those that the batch names
	pastEntries map[int64]*PastEntry // entries that a request of this batch refers to

	complete     bool          // all open lots, holds and agents are loaded
	unloadedFree tokens.Amount // free in lots that are not loaded

	// What is written when the batch commits; see Changes.
	changed    bool
	closing    bool // ClosedAt is new
	entries    []*Entry
	refs       []PermanentReference
	usage      []DayUsage // of days that are over
	declined   []Declined
	reversals  map[int64]Reversal
	extensions []*ExtensionRow
	events     []Event

	storedPlan    planState    // as the account's row has it
	storedSummary AgentSummary // as the account's row has it

	grants int // how often tokens were granted since the state was opened
}

// lot is a Lot and what its row says.
type lot struct {
	Lot
	stored       lotState
	added        bool // has no row yet
	takenChanged bool // TakenBack differs from the row
}

// lotState is the part of a lot that changes often.
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

// hold is a HoldRow and what has become of it in this batch.
type hold struct {
	HoldRow
	added bool
	ended bool
}

// spendable is rule 1: effective, unexpired, unfrozen lots, less what is held of them.
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

// lot finds a loaded lot by its number.
func (s *State) lot(number int64) *lot {
	for i := range s.lots {
		if s.lots[i].Number == number {
			return &s.lots[i]
		}
	}
	return nil
}

// split goes through the lots in burn order and shares an amount among them. The caller has checked
// that it is there.
func (s *State) split(amount tokens.Amount, now time.Time, share func(l *lot, part tokens.Amount)) {
	for i := range s.lots {
		if amount == 0 {
			return // also when nothing was asked for: a feature may be free
		}
		if part := min(s.lots[i].free(now), amount); part > 0 {
			share(&s.lots[i], part)
			amount -= part
		}
	}
	if amount > 0 {
		panic("ledger: an amount was spent that is not in the loaded lots")
	}
}

// spendLots spends an amount from the lots in burn order.
func (s *State) spendLots(amount tokens.Amount, now time.Time) []Part {
	parts := make([]Part, 0, 1)
	s.split(amount, now, func(l *lot, part tokens.Amount) {
		l.Remaining -= part
		parts = append(parts, Part{Lot: l.Number, Amount: -part})
	})
	return parts
}

// chooseOpenLot picks the lot that will be spent next and sums up what cannot be. A state that is
// not whole keeps both, unless its lot is used up.
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

// Later is the later of two instants: an account's time never runs backwards, even when two
// servers' clocks disagree.
func Later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// planState is the part of an account that changes a few times a month.
type planState struct {
	id, next string
	status   PlanStatus
	period   int
	granted  tokens.Amount
}

func (s *State) currentPlan() planState {
	return planState{s.Plan, s.NextPlan, s.PlanStatus, s.Period, s.PeriodGranted}
}

// agent is an AgentRow and what is stored of it.
type agent struct {
	AgentRow
	stored agentState
	added  bool // has no row yet
}

// agentState is what can change about an agent.
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

// agent finds an agent that is loaded.
func (s *State) agent(id string) *agent {
	for i := range s.agents {
		if s.agents[i].ID == id {
			return &s.agents[i]
		}
	}
	return nil
}

// mustBeOpen says why an account takes no request that spends, adds or changes something; nil when it does.
func (s *State) mustBeOpen() error {
	switch {
	case !s.Exists():
		return ErrNoAccount
	case !s.ClosedAt.IsZero():
		return ErrClosed
	}
	return nil
}
