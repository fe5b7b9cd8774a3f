package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Cause says why tokens of a purchase were taken back. It stands in the notes, beside the free text.
type Cause string

// The causes of a clawback.
const (
	CauseRefund  Cause = "refund"  // its money went back
	CauseReturn  Cause = "return"  // its buyer returned it
	CauseDispute Cause = "dispute" // its money was lost to a dispute
	CauseOwed    Cause = "owed"    // it pays for tokens of another purchase that were spent and whose money went back
)

// causeKey is where a note's metadata hold the cause.
const causeKey = "cause"

// Revoke takes the tokens of a purchase back, because its money went back: up to a total, so that
// telling it twice takes them once. It touches only the tokens of that purchase: those that are
// there are taken first, then those count that expired unused, and what was spent or is held is
// owed.
type Revoke struct {
	Lot    int64
	Total  tokens.Amount // taken back of this purchase, in all
	Cause  Cause
	Reason string
}

// Needs is part of Operation.
func (r *Revoke) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, RefersTo: r.Lot} }

func (r *Revoke) decide(s *State, now time.Time, _ *catalog.Catalog) (Outcome, error) {
	p, l, err := s.purchase(r.Lot)
	if err != nil {
		return Outcome{}, err
	}
	if r.Total <= 0 || r.Total > l.Amount {
		return Outcome{}, problem.Invalid("amount", "must be more than zero and at most the %s tokens that were bought",
			l.Amount)
	}
	l.Revoked = true
	if r.Total == l.Amount {
		l.Frozen = false // a dispute that was lost is over
	}
	s.changed = true
	more := min(r.Total, l.Amount-l.TakenBack) - p.Reversed // what support took back is gone already, and not owed
	if more <= 0 {
		return Outcome{}, nil
	}
	taken := min(more, l.Remaining-l.Held)
	lapsed := min(more-taken, p.Expired-p.Lapsed)
	s.reverse(r.Lot, Reversal{Amount: more, Lapsed: lapsed})
	p.Reversed += more
	p.Lapsed += lapsed
	s.Owed += more - lapsed
	e := s.clawBack(l, taken, r.Cause, r.Reason, now)
	s.emit(EventPurchaseBack, e.At, grantEvent{
		Transaction: e.ID(),
		Kind:        l.Kind.String(),
		Amount:      more,
		Purchase:    l.Source,
	})
	s.clawBackGrace(l, more-lapsed-taken, r, now)
	return Outcome{Entry: e}, nil
}

// clawBackGrace takes tokens of a purchase that came back after its lot had ended, in lots of their own.
func (s *State) clawBackGrace(of *lot, amount tokens.Amount, r *Revoke, now time.Time) {
	for i := range s.lots {
		l := &s.lots[i]
		if amount == 0 || l.Kind != LotPurchase || l.Source != of.Source || l.Number == of.Number {
			continue
		}
		l.Revoked = true // what is held of it pays what is owed when it comes free
		if part := min(amount, l.Remaining-l.Held); part > 0 {
			s.clawBack(l, part, r.Cause, r.Reason, now)
			amount -= part
		}
	}
}

// purchase finds the lot of a purchase that the request is about.
func (s *State) purchase(number int64) (*PastEntry, *lot, error) {
	if !s.Exists() {
		return nil, nil, ErrNoAccount
	}
	p, ok := s.pastEntries[number]
	l := s.lot(number)
	if !ok || l == nil || l.Kind != LotPurchase {
		return nil, nil, ErrNoPurchase
	}
	return p, l, nil
}

// clawBack takes tokens from a lot against what is owed. An amount of zero records that all of it is owed.
func (s *State) clawBack(l *lot, amount tokens.Amount, cause Cause, reason string, now time.Time) *Entry {
	l.Remaining -= amount
	s.Owed -= amount
	return s.append(Entry{
		Kind:      KindClawback,
		Amount:    -amount,
		Contra:    ContraReturned,
		LotKind:   l.Kind,
		Reference: l.Source,
		About:     l.Number,
		Parts:     []Part{{Lot: l.Number, Amount: -amount}},
		Note:      Note{Reason: reason, Metadata: map[string]string{causeKey: string(cause)}},
	}, now)
}

// payOwed nets what is owed against tokens that are free in a lot: a new purchase, or what comes
// back to a revoked one.
func (s *State) payOwed(l *lot, now time.Time) {
	if amount := min(s.Owed, l.Remaining-l.Held); amount > 0 {
		s.clawBack(l, amount, CauseOwed, "", now)
	}
}

// Freeze stops a purchase's tokens from being spent while its payment is disputed, or thaws them.
type Freeze struct {
	Lot    int64
	Frozen bool
}

// Needs is part of Operation.
func (f *Freeze) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, RefersTo: f.Lot} }

func (f *Freeze) decide(s *State, _ time.Time, _ *catalog.Catalog) (Outcome, error) {
	_, l, err := s.purchase(f.Lot)
	if err != nil {
		return Outcome{}, err
	}
	l.Frozen = f.Frozen
	s.changed = true
	return Outcome{}, nil
}

func (s *State) reverse(seq int64, more Reversal) {
	if s.reversals == nil {
		s.reversals = map[int64]Reversal{}
	}
	sum := s.reversals[seq]
	s.reversals[seq] = Reversal{sum.Amount + more.Amount, sum.Lapsed + more.Lapsed}
}
