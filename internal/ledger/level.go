package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// next is the level for an amount that is spendable or held; held tokens may come back. A low balance stays
// low until it exceeds the threshold by a quarter, so that a balance near the threshold does not emit
// repeated events.
func (l Level) next(there, threshold, toolMinimum tokens.Amount) Level {
	switch {
	case there < toolMinimum:
		return LevelEmpty
	case there < threshold, l != LevelOK && 4*(there-threshold) < threshold:
		return LevelLow
	}
	return LevelOK
}

// threshold is the creator's low threshold, or the catalog's share of the plan's allowance.
func (s *State) threshold(prices *catalog.Catalog) tokens.Amount {
	if s.LowThreshold != NoThreshold {
		return s.LowThreshold
	}
	return prices.LowThreshold(s.Plan)
}

// updateLevel stores the level and emits an event when it changes.
func (s *State) updateLevel(now time.Time, prices *catalog.Catalog) {
	if !s.Exists() {
		return
	}
	spendable, threshold := s.spendable(now), s.threshold(prices)
	to := s.Level.next(spendable+s.Held, threshold, prices.ToolMinimum)
	if to == s.Level {
		return
	}
	from := s.Level
	s.Level = to
	s.changed = true
	data := balanceEvent{
		Spendable: spendable,
		Held:      s.Held,
		Threshold: threshold,
	}
	switch {
	case to == LevelOK:
		s.emit(EventBalanceRestored, now, data)
	case to == LevelEmpty:
		s.emit(EventBalanceEmpty, now, data)
	case from == LevelOK:
		s.emit(EventBalanceLow, now, data)
	}
}

// SetThreshold sets the balance below which the creator is warned.
type SetThreshold struct {
	Amount *tokens.Amount // nil: the catalog's share of the plan's allowance
}

// Needs implements Operation.
func (p *SetThreshold) Needs(*catalog.Catalog) Needs { return Needs{BypassCache: true} }

func (p *SetThreshold) decide(s *State, _ time.Time, _ *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	if p.Amount != nil && (*p.Amount < 0 || *p.Amount > tokens.Max) {
		return Outcome{}, problem.Invalid("threshold", "must not be below zero, nor above %s tokens", tokens.Max)
	}
	to := NoThreshold
	if p.Amount != nil {
		to = *p.Amount
	}
	if to != s.LowThreshold {
		s.LowThreshold, s.changed = to, true
	}
	return Outcome{}, nil
}
