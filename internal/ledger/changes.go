package ledger

import "time"

// Changes lists the rows that a state has to write. It points into the state and is valid until Committed.
type Changes struct {
	Account *AccountRow
	Plan    bool // Account's plan has changed
	Closed  bool // Account was closed
	Summary bool // Account's AgentSummary has changed

	NewLots     []*Lot
	ChangedLots []*Lot // remaining, held, frozen or revoked has changed
	TakenBack   []*Lot // their TakenBack has changed
	Entries     []*Entry
	NewHolds    []*HoldRow
	EndedHolds  []*HoldRow
	Extensions  []*ExtensionRow
	References  []PermanentReference
	Reversals   map[int64]Reversal // by the seq of the reversed entry: amounts to add
	Usage       []DayUsage         // amounts to add
	Declined    []Declined
	Agents      []*AgentRow
	Events      []Event
}

// Changed says whether there is anything to write.
func (s *State) Changed() bool { return s.changed }

// Changes updates the account's row for writing and fills c, reusing its memory.
func (s *State) Changes(now time.Time, c *Changes) {
	s.chooseOpenLot(Later(now, s.LastAt))
	if len(s.Today.Lines) > maxTodayLines {
		s.flushToday()
	}
	s.OpenRemaining, s.OpenHeld = 0, 0
	if l := s.lot(s.OpenLot); l != nil && s.OpenLot != 0 {
		s.OpenRemaining, s.OpenHeld = l.Remaining, l.Held
	}
	*c = Changes{
		Account:     &s.AccountRow,
		Plan:        s.storedPlan != s.currentPlan(),
		Closed:      s.closing,
		Summary:     s.storedSummary != s.AgentSummary,
		NewLots:     c.NewLots[:0],
		ChangedLots: c.ChangedLots[:0],
		TakenBack:   c.TakenBack[:0],
		Entries:     s.entries,
		NewHolds:    c.NewHolds[:0],
		EndedHolds:  c.EndedHolds[:0],
		Extensions:  s.extensions,
		References:  s.refs,
		Reversals:   s.reversals,
		Usage:       s.usageSums(),
		Declined:    s.declined,
		Agents:      c.Agents[:0],
		Events:      s.events,
	}
	s.lotChanges(c)
	for i := range s.holds {
		h := &s.holds[i]
		if h.added {
			c.NewHolds = append(c.NewHolds, &h.HoldRow)
		}
		if h.ended {
			c.EndedHolds = append(c.EndedHolds, &h.HoldRow)
		}
	}
	for i := range s.agents {
		if a := &s.agents[i]; a.added || a.current() != a.stored {
			c.Agents = append(c.Agents, &a.AgentRow)
		}
	}
}

// lotChanges skips the open lot: its remainder is stored in the account's row until another lot becomes the
// open one.
func (s *State) lotChanges(c *Changes) {
	for i := range s.lots {
		l := &s.lots[i]
		now := l.current()
		if l.Number == s.OpenLot {
			now.remaining, now.held = l.stored.remaining, l.stored.held
		}
		switch {
		case l.added:
			c.NewLots = append(c.NewLots, &l.Lot)
		case now != l.stored:
			c.ChangedLots = append(c.ChangedLots, &l.Lot)
		}
		if l.takenChanged {
			c.TakenBack = append(c.TakenBack, &l.Lot)
		}
	}
}

// BindReference records the permanent reference of an entry that the state has just written.
func (s *State) BindReference(scope, reference string, seq int64) {
	s.refs = append(s.refs, PermanentReference{
		Scope:     scope,
		Reference: reference,
		Seq:       seq,
	})
}

// Committed resets the change tracking after the changes were written, so that the next batch can use the
// state.
func (s *State) Committed() {
	if !s.changed && s.pastEntries == nil {
		return // nothing was written
	}
	if s.changed {
		s.Version++
	}
	s.lotsCommitted()
	holds := s.holds[:0]
	for _, h := range s.holds {
		h.Note = Note{}
		if h.added, h.ended = false, false; h.open() {
			holds = append(holds, h)
		}
	}
	s.holds = holds
	for i := range s.agents {
		s.agents[i].stored, s.agents[i].added = s.agents[i].current(), false
	}
	s.storedSummary, s.storedPlan = s.AgentSummary, s.currentPlan()
	for _, e := range s.entries {
		e.Note = Note{} // it may be large, and no replay needs it
	}
	clear(s.entries)
	s.entries = s.entries[:0]
	s.changed, s.closing = false, false
	s.pastEntries, s.refs, s.usage, s.declined, s.reversals, s.extensions, s.events = nil, nil, nil, nil, nil, nil, nil
}

func (s *State) lotsCommitted() {
	lots := s.lots[:0]
	for _, l := range s.lots {
		stored := l.current()
		if l.Number == s.OpenLot && !l.added {
			stored.remaining, stored.held = l.stored.remaining, l.stored.held
		}
		if l.stored, l.added, l.takenChanged = stored, false, false; l.Remaining > 0 {
			lots = append(lots, l)
		}
	}
	s.lots = lots
}
