package billing

import (
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// Terms are what a creator agrees to for automatic purchases. The zero value means none.
type Terms struct {
	Pack        string
	Tokens      tokens.Amount
	Price       money.Amount
	ExpiresDays int // days until the tokens expire; zero: never
}

// TermsOf returns the terms of a pack on sale.
func TermsOf(p catalog.Pack) Terms {
	return Terms{
		Pack:        p.ID,
		Tokens:      p.Tokens,
		Price:       p.Price,
		ExpiresDays: p.ExpiresDays,
	}
}

// Allows reports whether a pack is within these terms: the same id and currency, no dearer, no fewer
// tokens, no earlier expiry.
func (t Terms) Allows(p catalog.Pack) bool {
	lasts := p.ExpiresDays == 0 || (t.ExpiresDays > 0 && p.ExpiresDays >= t.ExpiresDays)
	return t.Pack == p.ID && t.Tokens > 0 && p.Tokens >= t.Tokens && p.Price.Currency == t.Price.Currency &&
		p.Price.Minor <= t.Price.Minor && lasts
}
