package ledger

import (
	"cmp"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Grant adds a lot of tokens. A purchase has a permanent reference, so that a payment is credited once.
type Grant struct {
	Kind      LotKind
	Amount    tokens.Amount
	ExpiresAt time.Time // zero: never
	Source    string    // purchase id
	Reference string    // the caller's, for anything but a purchase
	Reason    string
	Metadata  map[string]string
}

// maxOpenLots limits how many lots loading an account can read. Purchases are accepted beyond it.
const maxOpenLots = 1_000

// ScopePurchase is the scope of the permanent references of purchases.
const ScopePurchase = "purchase"

// Needs implements Operation.
func (g *Grant) Needs(*catalog.Catalog) Needs {
	n := Needs{Complete: true, BypassCache: true} // rare, and a refusal must be based on the stored state
	if g.Kind == LotPurchase {
		n.Scope, n.Reference = ScopePurchase, g.Source
	}
	return n
}

func (g *Grant) decide(s *State, now time.Time, prices *catalog.Catalog) (Outcome, error) {
	bought := g.Kind == LotPurchase // it is paid for, so it is never refused for the account's state
	if err := s.mustBeOpen(); err != nil && (!bought || !s.Exists()) {
		return Outcome{}, err
	}
	if g.Amount <= 0 {
		return Outcome{}, problem.Invalid("amount", "must be more than zero")
	}
	if !g.ExpiresAt.IsZero() && !g.ExpiresAt.After(now) {
		return Outcome{}, problem.Invalid("expires_at", "must be in the future")
	}
	if !bought && g.Amount > tokens.Max-s.Balance {
		return Outcome{}, problem.Invalid("amount", "would take the balance over %s tokens", tokens.Max)
	}
	if !bought && len(s.lots) >= maxOpenLots {
		return Outcome{}, problem.New(problem.Conflict, "too_many_lots", "This account has %d open grants already.",
			len(s.lots))
	}
	e := s.grant(Lot{
		Kind:        g.Kind,
		Amount:      g.Amount,
		Source:      g.Source,
		EffectiveAt: now,
		ExpiresAt:   g.ExpiresAt,
	}, prices, now)
	e.Reference, e.Note = cmp.Or(g.Source, g.Reference), Note{g.Reason, g.Metadata}
	if bought {
		s.payOwed(s.lot(e.Seq), now)
	}
	return Outcome{Entry: e}, nil
}

// grant adds a lot and its entry. The lot's number is the entry's seq.
func (s *State) grant(l Lot, prices *catalog.Catalog, now time.Time) *Entry {
	l.Number, l.Remaining = s.Seq+1, l.Amount
	s.addLot(lot{Lot: l, added: true})
	s.grants++
	e := s.append(Entry{
		Kind:           KindGrant,
		Amount:         l.Amount,
		Contra:         l.Kind.contra(),
		LotKind:        l.Kind,
		Reference:      l.Source,
		CatalogVersion: prices.Version,
		Parts:          []Part{{Lot: l.Number, Amount: l.Amount}},
	}, now)
	s.emitGrant(e)
	return e
}
