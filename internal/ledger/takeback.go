package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// TakeBack takes tokens out of an account: a negative adjustment by support. It takes spendable tokens,
// including those that agents have reserved, but no held or frozen ones.
type TakeBack struct {
	Amount    tokens.Amount // above zero
	Lot       int64         // the lot to take from; 0: all lots in burn order
	Reference string        // the caller's
	Reason    string        // required; shown in the creator's history
	Metadata  map[string]string
}

// Needs implements Operation.
func (t *TakeBack) Needs(*catalog.Catalog) Needs { return Needs{Complete: true, BypassCache: true} }

// decide writes an entry of kind grant with a negative amount. Its contra account is that of adjustments,
// whichever lots pay.
func (t *TakeBack) decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	if err := s.mustBeOpen(); err != nil {
		return Outcome{}, err
	}
	most, err := s.takeable(t.Lot, now)
	switch {
	case err != nil:
		return Outcome{}, err
	case t.Reason == "":
		return Outcome{}, problem.Invalid("reason", "is needed: it stands in the creator's history")
	case t.Amount <= 0 || t.Amount > most:
		return Outcome{}, problem.Invalid("amount", "must take at most the %s tokens that can be taken back",
			most).With("spendable", most)
	}
	parts := s.takeBack(t.Amount, t.Lot, now)
	return Outcome{Entry: s.append(Entry{
		Kind:           KindGrant,
		Amount:         -t.Amount,
		Contra:         ContraIssued,
		LotKind:        LotAdjustment,
		CatalogVersion: prices.Version,
		Reference:      t.Reference,
		Parts:          parts,
		Note:           Note{t.Reason, t.Metadata},
	}, now)}, nil
}

// takeable is how much can be taken back of a lot, or of all lots if number is zero.
func (s *State) takeable(number int64, now time.Time) (tokens.Amount, error) {
	if number == 0 {
		return s.spendable(now), nil
	}
	l := s.lot(number)
	if l == nil || l.Remaining == 0 {
		return 0, problem.Invalid("lot", "must be a lot of this account that has tokens left")
	}
	return l.free(now), nil
}

func (s *State) takeBack(amount tokens.Amount, number int64, now time.Time) []Part {
	var parts []Part
	from := func(l *lot, part tokens.Amount) {
		l.Remaining -= part
		l.TakenBack, l.takenChanged = l.TakenBack+part, true
		parts = append(parts, Part{Lot: l.Number, Amount: -part})
	}
	if number != 0 {
		from(s.lot(number), amount)
	} else {
		s.split(amount, now, from)
	}
	return parts
}
