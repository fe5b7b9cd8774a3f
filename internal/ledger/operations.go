package ledger

import (
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// operation is one request to the core. decide looks at a settled state and either refuses, leaving the state as it was, or
// applies itself and answers the entry that records it. It is pure: no clock, no database, no goroutine.
type operation interface {
	decide(s *state, now time.Time, prices *catalog.Catalog) (Entry, error)
	// permanent is the reference that the operation can use once only, if it has one.
	permanent() (scope, reference string)
}

// apply is the core's one door: settle first, then decide.
func (s *state) apply(op operation, now time.Time, prices *catalog.Catalog) (Entry, error) {
	if now.Before(s.lastAt) {
		now = s.lastAt
	}
	if s.exists {
		s.settle(now, prices)
	}
	return op.decide(s, now, prices)
}

// ErrNoAccount is the answer for an account that was never opened.
var ErrNoAccount = problem.New(problem.NotFound, "account_not_found", "There is no such account.")

// Charge asks to spend tokens on a feature. Nil Quantity means one; Amount is what an agent's or a metered feature's work used.
type Charge struct {
	Feature   string
	Quantity  *int64
	Amount    *tokens.Amount
	Agent     string
	Reference string
	// UniqueReference makes Reference good for one charge of this account only, for ever.
	UniqueReference bool
	Metadata        map[string]string
}

func (c *Charge) permanent() (scope, reference string) {
	if c.UniqueReference {
		return "charge", c.Reference
	}
	return "", ""
}

func (c *Charge) decide(s *state, now time.Time, prices *catalog.Catalog) (Entry, error) {
	if !s.exists {
		return Entry{}, ErrNoAccount
	}
	price, err := prices.Price(c.Feature, c.Quantity, c.Amount)
	if err != nil {
		return Entry{}, err
	}
	if spendable := s.spendable(now); spendable < price.Amount {
		return Entry{}, insufficient(spendable, price.Amount)
	}
	parts := s.take(price.Amount, now)
	e := s.append(Entry{
		Kind: KindCharge, Amount: -price.Amount, Contra: ContraSpent, Feature: c.Feature, Agent: c.Agent, Quantity: price.Quantity,
		UnitPrice: price.Unit, CatalogVersion: prices.Version, Reference: c.Reference, Parts: parts, note: Note{Metadata: c.Metadata},
	}, now)
	s.addUsage(&e)
	return e, nil
}

// insufficient is the 402: what there is, what is needed, what is missing.
func insufficient(spendable, required tokens.Amount) error {
	return problem.New(problem.Insufficient, "insufficient_tokens",
		"This needs %s tokens and you have %s. It didn't run, and no tokens were used.", required, spendable).
		With("spendable", spendable).With("required", required).With("shortfall", required-spendable)
}

// Grant asks to add tokens of a kind. Purchases carry a permanent reference, so that a payment becomes tokens once.
type Grant struct {
	Kind      LotKind
	Amount    tokens.Amount
	ExpiresAt time.Time // zero: never
	Source    string    // a purchase's id
	Reason    string
}

// maxOpenLots bounds what one account's batch has to load. Purchases are never refused: their money was taken.
const maxOpenLots = 1_000

func (g *Grant) permanent() (scope, reference string) {
	if g.Kind == LotPurchase {
		return "purchase", g.Source
	}
	return "", ""
}

func (g *Grant) decide(s *state, now time.Time, prices *catalog.Catalog) (Entry, error) {
	if !s.exists {
		return Entry{}, ErrNoAccount
	}
	if g.Amount <= 0 {
		return Entry{}, problem.Invalid("amount", "must be more than zero")
	}
	if !g.ExpiresAt.IsZero() && !g.ExpiresAt.After(now) {
		return Entry{}, problem.Invalid("expires_at", "must be in the future")
	}
	if sum := s.balance + g.Amount; sum > tokens.Max {
		return Entry{}, problem.Invalid("amount", "would take the balance over %s tokens", tokens.Max)
	}
	if g.Kind != LotPurchase && len(s.lots) >= maxOpenLots {
		return Entry{}, problem.New(problem.Conflict, "too_many_lots", "This account has %d open grants already.", len(s.lots))
	}
	e := s.grant(lot{kind: g.Kind, amount: g.Amount, source: g.Source, effectiveAt: now, expiresAt: g.ExpiresAt}, prices, now)
	s.entries[len(s.entries)-1].note = Note{Reason: g.Reason}
	return e, nil
}

// settling is the operation that does nothing but what is due.
type settling struct{}

func (settling) permanent() (scope, reference string) { return "", "" }

func (settling) decide(s *state, _ time.Time, _ *catalog.Catalog) (Entry, error) {
	if !s.exists {
		return Entry{}, ErrNoAccount
	}
	return Entry{}, nil
}
