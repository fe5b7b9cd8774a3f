package ledger

import (
	"cmp"
	"slices"
)

// Snapshot is the stored data that Open makes a State of: an account's row and, if needed, its other rows.
type Snapshot struct {
	Account AccountRow
	// Complete means that Lots, Holds and Agents are all that exist. Otherwise Lots is ignored.
	Complete bool
	Lots     []Lot
	Holds    []HoldRow
	Agents   []AgentRow
	Past     map[int64]*PastEntry // entries that requests refer to, by seq
}

// Open makes a state of stored data. It takes over the snapshot.
func Open(snap *Snapshot) *State {
	s := &State{
		AccountRow:    snap.Account,
		complete:      snap.Complete,
		pastEntries:   snap.Past,
		storedSummary: snap.Account.AgentSummary,
	}
	s.storedPlan = s.currentPlan()
	s.agents = make([]agent, len(snap.Agents))
	for i := range snap.Agents {
		s.agents[i].AgentRow = snap.Agents[i]
		s.agents[i].stored = s.agents[i].current()
	}
	s.holds = make([]hold, len(snap.Holds))
	for i := range snap.Holds {
		s.holds[i].HoldRow = snap.Holds[i]
	}
	if !s.complete {
		s.openFromRow()
		return s
	}
	s.openLots(snap.Lots)
	sortAgents(s.agents)
	// holds that end at one instant time out in this order
	slices.SortFunc(s.holds, func(a, b hold) int { return cmp.Compare(a.Number, b.Number) })
	return s
}

// openFromRow restores the open lot from the account's row.
func (s *State) openFromRow() {
	s.unloadedFree = s.Balance - s.Held - s.Unusable - (s.OpenRemaining - s.OpenHeld)
	if s.OpenLot == 0 {
		return
	}
	open := Lot{
		Number:    s.OpenLot,
		Remaining: s.OpenRemaining,
		Held:      s.OpenHeld,
	}
	s.lots = []lot{{Lot: open, stored: lotState{open: true}}}
}

// openLots sorts the lots into burn order and restores the open lot's remainder from the account's row.
func (s *State) openLots(rows []Lot) {
	s.lots = make([]lot, len(rows))
	for i := range rows {
		l := &s.lots[i]
		l.Lot = rows[i]
		l.stored = l.current()
		if l.Number == s.OpenLot {
			l.Remaining, l.Held = s.OpenRemaining, s.OpenHeld
		}
	}
	slices.SortFunc(s.lots, byBurnOrder)
}

// Clone copies a state for a dry run. The copy has no pending changes.
func (s *State) Clone() *State {
	c := *s
	c.lots, c.holds, c.agents = slices.Clone(s.lots), slices.Clone(s.holds), slices.Clone(s.agents)
	c.Today.Lines = slices.Clone(s.Today.Lines)
	c.entries, c.refs, c.usage, c.declined, c.events, c.reversals = nil, nil, nil, nil, nil, nil
	return &c
}
