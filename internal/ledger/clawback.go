package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Cause says why tokens of a purchase were clawed back. It is stored in the entry's metadata.
type Cause string

// The causes of a clawback.
const (
	CauseRefund  Cause = "refund"  // its payment was refunded
	CauseReturn  Cause = "return"  // the buyer returned it
	CauseDispute Cause = "dispute" // its payment was charged back
	CauseOwed    Cause = "owed"    // it pays for spent tokens of another reversed purchase
)

// causeKey is the metadata key of the cause.
const causeKey = "cause"

// Revoke claws back the tokens of a refunded purchase, up to a cumulative total, so that repeating it has
// no effect. Remaining tokens are taken first, then expired ones are counted; tokens that were spent or are
// held become owed.
type Revoke struct {
	Lot    int64
	Total  tokens.Amount // cumulative, over all revocations of this purchase
	Cause  Cause
	Reason string
}

// Needs implements Operation.
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
		l.Frozen = false // the dispute is over
	}
	s.changed = true
	more := min(r.Total, l.Amount-l.TakenBack) - p.Reversed // what support took back is gone and not owed
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

// clawBackGrace takes tokens of the purchase that a refund returned in lots of their own, after the
// purchase's lot had expired.
func (s *State) clawBackGrace(of *lot, amount tokens.Amount, r *Revoke, now time.Time) {
	for i := range s.lots {
		l := &s.lots[i]
		if amount == 0 || l.Kind != LotPurchase || l.Source != of.Source || l.Number == of.Number {
			continue
		}
		l.Revoked = true // held tokens pay what is owed when they are released
		if part := min(amount, l.Remaining-l.Held); part > 0 {
			s.clawBack(l, part, r.Cause, r.Reason, now)
			amount -= part
		}
	}
}

// purchase returns the lot of the purchase and the entry that granted it, or ErrNoAccount or ErrNoPurchase.
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

// clawBack takes tokens from a lot to reduce what is owed. An amount of zero records that everything became
// owed.
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

// payOwed takes what is owed from the free tokens of a lot.
func (s *State) payOwed(l *lot, now time.Time) {
	if amount := min(s.Owed, l.Remaining-l.Held); amount > 0 {
		s.clawBack(l, amount, CauseOwed, "", now)
	}
}

// Freeze makes a purchase's tokens unspendable while its payment is disputed, or spendable again.
type Freeze struct {
	Lot    int64
	Frozen bool
}

// Needs implements Operation.
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
