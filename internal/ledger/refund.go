package ledger

import (
	"cmp"
	"slices"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Refund asks to give a charge or capture back, in full when Amount is nil. An empty Reference or
// Reason, or no Metadata, means that of the charge.
type Refund struct {
	Entry     int64 // the seq of the charge or capture
	Amount    *tokens.Amount
	Reference string
	Reason    string
	Metadata  map[string]string
}

func (r *Refund) needs(*catalog.Catalog) needs { return needs{whole: true, about: r.Entry} }

func (r *Refund) decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	if !s.exists {
		return nil, ErrNoAccount
	}
	p, ok := s.past[r.Entry]
	if !ok || (p.entry.Kind != KindCharge && p.entry.Kind != KindCapture) {
		return nil, problem.New(problem.NotFound, "charge_not_found", "There is no such charge.")
	}
	left := -p.entry.Amount - p.reversed
	amount := left
	if r.Amount != nil {
		amount = *r.Amount
	}
	switch {
	case left == 0:
		return nil, problem.New(problem.Conflict, "already_refunded", "This charge was refunded in full already.")
	case amount <= 0 || amount > left:
		return nil, problem.Invalid("amount",
			"must be more than zero and at most the %s tokens that are left of the charge",
			left).With("refundable", left)
	}
	return s.refund(p, amount, ending{
		cmp.Or(r.Reference, p.entry.Reference),
		Note{r.Reason, r.Metadata}.or(p.note),
	}, now, prices), nil
}

// refund gives tokens back to the lots that paid. Those that last longest come back first, which is
// the end of the list. Tokens of a lot that has expired come back as a lot of their own, for a
// stated grace. Whether in their lot or in that one, tokens of a revoked lot pay what is owed
// first.
func (s *state) refund(p *past, amount tokens.Amount, said ending, now time.Time, prices *catalog.Catalog) *Entry {
	var parts []Part
	var grace lot
	var owing tokens.Amount // how much of the grace is of revoked lots
	for _, part := range portion(p.entry.Parts, p.reversed, amount) {
		if l := s.lot(part.Lot); !l.expired(now) {
			l.remaining += part.Amount
			parts = append(parts, part)
		} else {
			// tokens of several kinds come back as the kind that burns last
			if grace.amount == 0 || l.kind.priority() > grace.kind.priority() {
				grace.kind, grace.source = l.kind, l.source
			}
			grace.amount += part.Amount
			if l.revoked {
				owing += part.Amount
			}
		}
	}
	if grace.amount > 0 {
		grace.number, grace.remaining = s.seq+1, grace.amount
		grace.effectiveAt, grace.expiresAt = now, now.AddDate(0, 0, prices.RefundGraceDays)
		s.addLot(grace)
		parts = append(parts, Part{Lot: grace.number, Amount: grace.amount})
	}
	s.reverse(p.entry.Seq, reversal{amount: amount})
	p.reversed += amount
	e := s.append(Entry{
		Kind:      KindRefund,
		Amount:    amount,
		Contra:    ContraSpent,
		Feature:   p.entry.Feature,
		Agent:     p.entry.Agent,
		Reference: said.reference,
		About:     p.entry.Seq,
		Parts:     parts,
		note:      said.note,
	}, now)
	for _, part := range parts {
		if l := s.lot(part.Lot); l.revoked {
			s.payOwed(l, now)
		}
	}
	if pay := min(s.owed, owing); pay > 0 {
		s.clawBack(s.lot(grace.number), pay, CauseOwed, "", now)
	}
	return e
}

// portion gives the part of a payment from an offset on, counted from its last lot, as amounts to give back.
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

// reversal is how much of a charge was refunded, or of a purchase taken back.
type reversal struct {
	amount tokens.Amount
	lapsed tokens.Amount // of a purchase: what had expired unused, which nobody owes
}

func (s *state) reverse(seq int64, more reversal) {
	if s.reversals == nil {
		s.reversals = map[int64]reversal{}
	}
	sum := s.reversals[seq]
	s.reversals[seq] = reversal{sum.amount + more.amount, sum.lapsed + more.lapsed}
}
