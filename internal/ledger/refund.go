package ledger

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Refund returns tokens of a charge or capture, all of them if Amount is nil. An empty Reference, Reason or
// Metadata is copied from the charge.
type Refund struct {
	Entry     int64 // the seq of the charge or capture
	Amount    *tokens.Amount
	Reference string
	Reason    string
	Metadata  map[string]string
}

// Needs implements Operation.
func (r *Refund) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, RefersTo: r.Entry} }

func (r *Refund) decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	if !s.Exists() {
		return Outcome{}, ErrNoAccount
	}
	p, ok := s.pastEntries[r.Entry]
	if !ok || (p.Entry.Kind != KindCharge && p.Entry.Kind != KindCapture) {
		return Outcome{}, problem.New(problem.NotFound, "charge_not_found", "There is no such charge.")
	}
	left := -p.Entry.Amount - p.Reversed
	amount := left
	if r.Amount != nil {
		amount = *r.Amount
	}
	switch {
	case left == 0:
		return Outcome{}, problem.New(problem.Conflict, "already_refunded", "This charge was refunded in full already.")
	case amount <= 0 || amount > left:
		return Outcome{}, problem.Invalid("amount",
			"must be more than zero and at most the %s tokens that are left of the charge",
			left).With("refundable", left)
	}
	return Outcome{Entry: s.refund(p, amount, details{
		cmp.Or(r.Reference, p.Entry.Reference),
		Note{r.Reason, r.Metadata}.or(p.Entry.Note),
	}, now, prices)}, nil
}

// refund returns tokens to the lots that paid, in reverse burn order. Tokens of an expired lot come back as
// a new lot that lasts RefundGraceDays. Tokens of a revoked lot pay what is owed first.
func (s *State) refund(p *PastEntry, amount tokens.Amount, d details, now time.Time, prices *catalog.Catalog) *Entry {
	var parts []Part
	var grace Lot
	var owing tokens.Amount // the part of grace that comes from revoked lots
	for _, part := range portion(p.Entry.Parts, p.Reversed, amount) {
		if l := s.lot(part.Lot); !l.expired(now) {
			l.Remaining += part.Amount
			parts = append(parts, part)
		} else {
			// tokens of several kinds come back as the kind that burns last
			if grace.Amount == 0 || l.Kind.Priority() > grace.Kind.Priority() {
				grace.Kind, grace.Source = l.Kind, l.Source
			}
			grace.Amount += part.Amount
			if l.Revoked {
				owing += part.Amount
			}
		}
	}
	if grace.Amount > 0 {
		grace.Number, grace.Remaining = s.Seq+1, grace.Amount
		grace.EffectiveAt, grace.ExpiresAt = now, now.AddDate(0, 0, prices.RefundGraceDays)
		s.addLot(lot{Lot: grace, added: true})
		parts = append(parts, Part{Lot: grace.Number, Amount: grace.Amount})
	}
	s.reverse(p.Entry.Seq, Reversal{Amount: amount})
	p.Reversed += amount
	e := s.append(Entry{
		Kind:      KindRefund,
		Amount:    amount,
		Contra:    ContraSpent,
		Feature:   p.Entry.Feature,
		Agent:     p.Entry.Agent,
		Reference: d.reference,
		About:     p.Entry.Seq,
		Parts:     parts,
		Note:      d.note,
	}, now)
	for _, part := range parts {
		if l := s.lot(part.Lot); l.Revoked {
			s.payOwed(l, now)
		}
	}
	if pay := min(s.Owed, owing); pay > 0 {
		s.clawBack(s.lot(grace.Number), pay, CauseOwed, "", now)
	}
	return e
}

// portion selects amount tokens of a payment, after skipping offset tokens, both counted from its last lot.
func portion(paid []Part, offset, amount tokens.Amount) []Part {
	var parts []Part
	for _, p := range slices.Backward(paid) {
		skip := min(offset, -p.Amount)
		offset -= skip
		if part := min(-p.Amount-skip, amount); part > 0 {
			amount -= part
			parts = append(parts, Part{Lot: p.Lot, Amount: part})
		}
	}
	return parts
}
