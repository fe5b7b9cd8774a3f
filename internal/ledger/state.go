package ledger

import (
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

func (l *lot) present() lotState {
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

func (s *State) addLot(l lot) {
	s.NewestLot = max(s.NewestLot, l.Number)
	at, _ := slices.BinarySearchFunc(s.lots, l, burnOrder)
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

// take spends an amount from the lots in burn order.
func (s *State) take(amount tokens.Amount, now time.Time) []Part {
	parts := make([]Part, 0, 1)
	s.split(amount, now, func(l *lot, part tokens.Amount) {
		l.Remaining -= part
		parts = append(parts, Part{Lot: l.Number, Amount: -part})
	})
	return parts
}

// append numbers an entry, stamps it, and adds it to the books. Everything that changes a balance
// goes through here.
func (s *State) append(e Entry, now time.Time) *Entry {
	s.Seq++
	s.Balance += e.Amount
	s.Held += e.HeldDelta
	if s.LastAt.Before(now) {
		s.LastAt = now
	}
	e.Account, e.Seq, e.At = s.AccountID, s.Seq, s.LastAt
	e.BalanceAfter, e.HeldAfter, e.SpendableAfter = s.Balance, s.Held, s.spendable(s.LastAt)
	e.Day = s.turnDay(s.LastAt)
	s.countUsage(&e)
	s.entries = append(s.entries, &e)
	s.changed = true
	return &e
}

// nextDue is the earliest instant at which settling will have something to do; zero when never.
func (s *State) nextDue() time.Time {
	var due time.Time
	if s.renews() {
		due = Boundary(s.Anchor, s.Zone, s.Period+1)
	}
	for i := range s.lots {
		if l := &s.lots[i]; l.Remaining > l.Held && compareExpiry(l.ExpiresAt, due) < 0 {
			due = l.ExpiresAt
		}
	}
	for i := range s.holds {
		if h := &s.holds[i]; h.open() && compareExpiry(h.ExpiresAt, due) < 0 {
			due = h.ExpiresAt
		}
	}
	for i := range s.agents {
		if a := &s.agents[i]; s.waitsForMonth(a) && compareExpiry(s.monthEnd(a), due) < 0 {
			due = s.monthEnd(a)
		}
	}
	return due
}

// renews says whether the account gets an allowance with each period.
func (s *State) renews() bool { return s.Exists() && s.PlanStatus == PlanActive && s.ClosedAt.IsZero() }

// wakeAt is when a state stops being true without anybody's doing: when something is due, or a lot
// comes into effect.
func (s *State) wakeAt(now time.Time) time.Time {
	due := s.nextDue()
	for i := range s.lots {
		if l := &s.lots[i]; l.EffectiveAt.After(now) && compareExpiry(l.EffectiveAt, due) < 0 {
			due = l.EffectiveAt
		}
	}
	return due
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
