package ledger

import (
	"cmp"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Grant asks to add tokens of a kind. Purchases carry a permanent reference, so that a payment
// becomes tokens once.
type Grant struct {
	Kind      LotKind
	Amount    tokens.Amount
	ExpiresAt time.Time // zero: never
	Source    string    // a purchase's id
	Reference string    // the caller's, of what is no purchase
	Reason    string
	Metadata  map[string]string
}

// maxOpenLots bounds what one account's batch has to load. Purchases do not count against it.
const maxOpenLots = 1_000

const scopePurchase = "purchase"

func (g *Grant) needs(*catalog.Catalog) needs {
	n := needs{whole: true, fresh: true} // rare, and a refusal must be about what is there now
	if g.Kind == LotPurchase {
		n.scope, n.reference = scopePurchase, g.Source
	}
	return n
}

func (g *Grant) decide(s *state, now time.Time, prices *catalog.Catalog) (*Entry, error) {
	bought := g.Kind == LotPurchase // its money was taken: no state of the account refuses it
	if err := s.mustBeOpen(); err != nil && (!bought || !s.exists) {
		return nil, err
	}
	if g.Amount <= 0 {
		return nil, problem.Invalid("amount", "must be more than zero")
	}
	if !g.ExpiresAt.IsZero() && !g.ExpiresAt.After(now) {
		return nil, problem.Invalid("expires_at", "must be in the future")
	}
	if !bought && g.Amount > tokens.Max-s.balance {
		return nil, problem.Invalid("amount", "would take the balance over %s tokens", tokens.Max)
	}
	if !bought && len(s.lots) >= maxOpenLots {
		return nil, problem.New(problem.Conflict, "too_many_lots", "This account has %d open grants already.",
			len(s.lots))
	}
	e := s.grant(lot{
		kind:        g.Kind,
		amount:      g.Amount,
		source:      g.Source,
		effectiveAt: now,
		expiresAt:   g.ExpiresAt,
	}, prices, now)
	e.Reference, e.note = cmp.Or(g.Source, g.Reference), Note{g.Reason, g.Metadata}
	if bought {
		s.payOwed(s.lot(e.Seq), now)
	}
	return e, nil
}
