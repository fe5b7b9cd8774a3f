package ledger

import (
	"errors"
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Capture spends held tokens. Nil Amount captures all of them; the rest of the hold is released. An amount
// above the hold takes the difference from the spendable balance, under the conditions of a charge. An
// empty Reference, Reason or Metadata is copied from the hold.
type Capture struct {
	Hold      int64 // the seq of the hold's entry
	Amount    *tokens.Amount
	Reference string
	Reason    string
	Metadata  map[string]string
}

// Needs implements Operation.
func (c *Capture) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, RefersTo: c.Hold} }

func (c *Capture) decide(s *State, now time.Time, _ *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	h, err := s.openHold(c.Hold)
	if err != nil {
		return Outcome{}, err
	}
	amount := h.Amount
	if c.Amount != nil {
		amount = *c.Amount
	}
	if amount <= 0 {
		return Outcome{}, problem.Invalid("amount", "must be more than zero")
	}
	if more := amount - h.Amount; more > 0 {
		if err := s.affordMore(h, more, now); err != nil {
			return Outcome{}, err
		}
	}
	return Outcome{Entry: s.capture(h, amount, details{c.Reference, Note{c.Reason, c.Metadata}}, now)}, nil
}

// affordMore checks whether a capture may exceed its hold. A refusal leaves the hold open.
func (s *State) affordMore(h *hold, more tokens.Amount, now time.Time) error {
	err := s.afford(h.Feature, h.Agent, more, now)
	var lacking *shortfall
	if errors.As(err, &lacking) {
		lacking.beyond = h.Amount
	}
	return err
}

// capture spends an amount from the lots that the hold reserved, even if they have expired, then from the
// spendable balance.
func (s *State) capture(h *hold, amount tokens.Amount, d details, now time.Time) *Entry {
	rest := amount
	var parts []Part
	for _, p := range h.Parts {
		l := s.lot(p.Lot)
		l.Held -= p.Amount
		if part := min(p.Amount, rest); part > 0 {
			l.Remaining -= part
			rest -= part
			parts = append(parts, Part{Lot: p.Lot, Amount: -part})
		}
	}
	if rest > 0 {
		parts = s.mergeParts(parts, s.spendLots(rest, now))
	}
	h.Outcome, h.ended = KindCapture, true
	d = d.inherit(s, h)
	e := s.append(Entry{
		Kind:           KindCapture,
		Amount:         -amount,
		HeldDelta:      -h.Amount,
		Contra:         ContraSpent,
		Feature:        h.Feature,
		Agent:          h.Agent,
		Quantity:       h.Quantity,
		UnitPrice:      h.UnitPrice,
		CatalogVersion: h.CatalogVersion,
		Reference:      d.reference,
		About:          h.Number,
		Parts:          parts,
		Note:           d.note,
	}, now)
	s.afterRelease(h, now)
	return e
}

// mergeParts adds up the parts of each lot and sorts them in burn order, which a refund reverses.
func (s *State) mergeParts(a, b []Part) []Part {
	parts := slices.Concat(a, b)
	slices.SortStableFunc(parts, func(x, y Part) int { return burnOrder(&s.lot(x.Lot).Lot, &s.lot(y.Lot).Lot) })
	merged := parts[:0]
	for _, p := range parts {
		if last := len(merged) - 1; last >= 0 && merged[last].Lot == p.Lot {
			merged[last].Amount += p.Amount
			continue
		}
		merged = append(merged, p)
	}
	return merged
}
