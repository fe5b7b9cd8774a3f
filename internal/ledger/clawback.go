package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

var errNoPurchase = problem.New(problem.NotFound, "purchase_not_found", "There is no such purchase.")

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

// revoke takes the tokens of a purchase back, because its money went back: up to a total, so that
// telling it twice takes them once. It touches only the tokens of that purchase: those that are
// there are taken first, then those count that expired unused, and what was spent or is held is
// owed.
type revoke struct {
	lot    int64
	total  tokens.Amount // taken back of this purchase, in all
	cause  Cause
	reason string
}

func (r *revoke) needs(*catalog.Catalog) needs { return needs{whole: true, about: r.lot} }

func (r *revoke) decide(s *state, now time.Time, _ *catalog.Catalog) (*Entry, error) {
	p, l, err := s.purchase(r.lot)
	if err != nil {
		return nil, err
	}
	if r.total <= 0 || r.total > l.amount {
		return nil, problem.Invalid("amount", "must be more than zero and at most the %s tokens that were bought",
			l.amount)
	}
	l.revoked = true
	if r.total == l.amount {
		l.frozen = false // a dispute that was lost is over
	}
	s.changed = true
	more := min(r.total, l.amount-l.taken) - p.reversed // what support took back is gone already, and nobody's debt
	if more <= 0 {
		return nil, nil
	}
	taken := min(more, l.remaining-l.held)
	lapsed := min(more-taken, p.expired-p.lapsed)
	s.reverse(r.lot, reversal{amount: more, lapsed: lapsed})
	p.reversed += more
	p.lapsed += lapsed
	s.owed += more - lapsed
	e := s.clawBack(l, taken, r.cause, r.reason, now)
	s.emit(EventPurchaseBack, e.At, grantEvent{
		Transaction: e.ID(),
		Kind:        l.kind.String(),
		Amount:      more,
		Purchase:    l.source,
	})
	s.clawBackGrace(l, more-lapsed-taken, r, now)
	return e, nil
}

// clawBackGrace takes tokens of a purchase that came back after its lot had ended, in lots of their own.
func (s *state) clawBackGrace(of *lot, amount tokens.Amount, r *revoke, now time.Time) {
	for i := range s.lots {
		l := &s.lots[i]
		if amount == 0 || l.kind != LotPurchase || l.source != of.source || l.number == of.number {
			continue
		}
		l.revoked = true // what is held of it pays what is owed when it comes free
		if part := min(amount, l.remaining-l.held); part > 0 {
			s.clawBack(l, part, r.cause, r.reason, now)
			amount -= part
		}
	}
}

// purchase finds the lot of a purchase that the request is about.
func (s *state) purchase(number int64) (*past, *lot, error) {
	if !s.exists {
		return nil, nil, ErrNoAccount
	}
	p, ok := s.past[number]
	l := s.lot(number)
	if !ok || l == nil || l.kind != LotPurchase {
		return nil, nil, errNoPurchase
	}
	return p, l, nil
}

// clawBack takes tokens from a lot against what is owed. An amount of zero records that all of it is owed.
func (s *state) clawBack(l *lot, amount tokens.Amount, cause Cause, reason string, now time.Time) *Entry {
	l.remaining -= amount
	s.owed -= amount
	return s.append(Entry{
		Kind:      KindClawback,
		Amount:    -amount,
		Contra:    ContraReturned,
		LotKind:   l.kind,
		Reference: l.source,
		About:     l.number,
		Parts:     []Part{{Lot: l.number, Amount: -amount}},
		note:      Note{Reason: reason, Metadata: map[string]string{causeKey: string(cause)}},
	}, now)
}

// payOwed nets what is owed against tokens that are free in a lot: a new purchase, or what comes
// back to a revoked one.
func (s *state) payOwed(l *lot, now time.Time) {
	if amount := min(s.owed, l.remaining-l.held); amount > 0 {
		s.clawBack(l, amount, CauseOwed, "", now)
	}
}

// freeze stops a purchase's tokens from being spent while its payment is disputed, or thaws them.
type freeze struct {
	lot    int64
	frozen bool
}

func (f *freeze) needs(*catalog.Catalog) needs { return needs{whole: true, about: f.lot} }

func (f *freeze) decide(s *state, _ time.Time, _ *catalog.Catalog) (*Entry, error) {
	_, l, err := s.purchase(f.lot)
	if err != nil {
		return nil, err
	}
	l.frozen = f.frozen
	s.changed = true
	return nil, nil
}
