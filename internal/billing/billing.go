// Package billing sells token packs. A purchase is our own order, made before the payment. What the
// payment provider reports is checked against the order, and then the ledger credits the tokens
// exactly once. When the money goes back, so do the tokens.
//
// Tokens are millionths of a token, money is minor units of a currency, instants are UTC. Errors
// that a caller may see are *problem.Error.
package billing

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Options are what a Service needs besides its database.
type Options struct {
	Ledger   *engine.Engine
	Prices   func() *catalog.Catalog // the catalog in force
	Provider Provider                // nil: buying is not set up
	Taxed    bool                    // the provider works out tax, which may come on top of a price
	BaseURL  string                  // public base of the app, where the provider sends browsers back to
	Clock    clock.Clock
	Log      *slog.Logger
}

// Service takes orders, fulfils them and takes them back. It is safe for concurrent use.
type Service struct {
	pool      *pgxpool.Pool
	o         Options
	reversing chan struct{} // who reverses keeps a connection while the ledger needs others: not too many at a time
}

// maxReversing bounds the purchases that are reversed at a time.
const maxReversing = 2

// The ways in which a request fails.
var (
	ErrNotSetUp   = problem.New(problem.Conflict, "payments_not_set_up", "Buying tokens is not set up here.")
	ErrNoPurchase = problem.New(problem.NotFound, "purchase_not_found", "There is no such purchase.")
	ErrNoReceipt  = problem.New(problem.NotFound, "receipt_not_found",
		"There is no receipt: this purchase was not paid.")
	ErrNotTaken = problem.New(problem.Conflict, "payment_refused",
		"The payment provider does not take this order. Nothing was bought.")
	ErrTooMuch = problem.New(problem.Conflict, "balance_limit",
		"An account holds at most %s tokens, and this pack would be too much.", tokens.Max)
)

// New makes a service over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Service {
	return &Service{
		pool:      pool,
		o:         o,
		reversing: make(chan struct{}, maxReversing),
	}
}

// Available says whether packs can be bought: there is a provider, and its events can be believed.
func (s *Service) Available() bool { return s.o.Provider != nil && s.o.Provider.CanVerify() }

// Taxed says whether tax may come on top of a pack's price, to be shown on the payment page.
func (s *Service) Taxed() bool { return s.Available() && s.o.Taxed }

// PaymentOrigin is where browsers are sent to pay, as "https://host"; empty: nowhere else.
func (s *Service) PaymentOrigin() string {
	if !s.Available() {
		return ""
	}
	return s.o.Provider.Origin()
}

// ours says whether a purchase is one that the provider at hand can be asked about.
func (s *Service) ours(p *Purchase) bool {
	return s.o.Provider != nil && p.provider == s.o.Provider.Name() && p.session != ""
}
