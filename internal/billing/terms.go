package billing

import (
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// Terms are what somebody agrees to who has a pack bought without being asked again. The zero value
// is nothing.
type Terms struct {
	Pack        string
	Tokens      tokens.Amount
	Price       money.Amount
	ExpiresDays int // after which the tokens expire; zero: never
}

// TermsOf is what a pack is sold for.
func TermsOf(p catalog.Pack) Terms {
	return Terms{
		Pack:        p.ID,
		Tokens:      p.Tokens,
		Price:       p.Price,
		ExpiresDays: p.ExpiresDays,
	}
}

// KeptBy says whether a pack may be bought under these terms: it is the same one in the same
// currency, costs no more, brings no fewer tokens, and they expire no sooner.
func (t Terms) KeptBy(p catalog.Pack) bool {
	lasts := p.ExpiresDays == 0 || (t.ExpiresDays > 0 && p.ExpiresDays >= t.ExpiresDays)
	return t.Pack == p.ID && t.Tokens > 0 && p.Tokens >= t.Tokens && p.Price.Currency == t.Price.Currency &&
		p.Price.Minor <= t.Price.Minor && lasts
}
