package ledger

import "time"

// Changes is what a state has to write. It points into the state, and is good until Committed.
type Changes struct {
	Account *AccountRow
	Plan    bool // Account's plan has changed
	Closed  bool // Account was closed
	Summary bool // Account's AgentSummary has changed

	NewLots     []*Lot
	ChangedLots []*Lot // what is left of them, or whether they can be spent
	TakenBack   []*Lot // their TakenBack has changed
	Entries     []*Entry
	NewHolds    []*HoldRow
	EndedHolds  []*HoldRow
	Extensions  []*ExtensionRow
	References  []PermanentReference
	Reversals   map[int64]Reversal // by the seq of the entry that was reversed: what to add
	Usage       []DayUsage         // what to add
	Declined    []Declined
	Agents      []*AgentRow
	Events      []Event
}

// Changed says whether there is anything to write.
func (s *State) Changed() bool { return s.changed }

// Changes prepares the account's row for being written and fills c, whose memory it uses again.
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

// lotChanges leaves out the open lot, whose remainder is in the account's row until another lot takes
// its place.
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

// BindReference ties a permanent reference to an entry that the state has just made.
func (s *State) BindReference(scope, reference string, seq int64) {
	s.refs = append(s.refs, PermanentReference{
		Scope:     scope,
		Reference: reference,
		Seq:       seq,
	})
}

// Committed makes a state whose changes were written the beginning of the next batch.
func (s *State) Committed() {
	if !s.changed && s.pastEntries == nil {
		return // only looked at
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
