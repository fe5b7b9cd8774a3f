// Package billing sells token packs through a payment provider. It records each order before the payment,
// checks what the provider reports against the order, has the ledger credit the tokens exactly once, and
// takes them back when the money is refunded.
//
// Tokens are millionths of a token, money is minor units of a currency, instants are UTC. Errors that a
// caller may see are *problem.Error.
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

type Options struct {
	Ledger   *engine.Engine
	Prices   func() *catalog.Catalog // the current catalog
	Provider Provider                // nil: buying is not set up
	Taxed    bool                    // the provider adds tax to a price where it is due
	BaseURL  string                  // public base URL of the app, for the provider's redirects
	Clock    clock.Clock
	Log      *slog.Logger
}

// Service takes, fulfils and refunds orders. It is safe for concurrent use.
type Service struct {
	pool      *pgxpool.Pool
	o         Options
	reversing chan struct{} // semaphore: each reversal holds a connection while the ledger needs others
}

// maxReversing bounds the concurrent reversals.
const maxReversing = 2

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

// New returns a service over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Service {
	return &Service{
		pool:      pool,
		o:         o,
		reversing: make(chan struct{}, maxReversing),
	}
}

// Available reports whether packs can be bought: there is a provider, and its events can be verified.
func (s *Service) Available() bool { return s.o.Provider != nil && s.o.Provider.CanVerify() }

// Taxed reports whether the payment page may add tax to a pack's price.
func (s *Service) Taxed() bool { return s.Available() && s.o.Taxed }

// PaymentOrigin is the origin of the provider's payment pages, as "https://host"; empty for our own.
func (s *Service) PaymentOrigin() string {
	if !s.Available() {
		return ""
	}
	return s.o.Provider.Origin()
}

// sameProvider reports whether the current provider knows a purchase.
func (s *Service) sameProvider(p *Purchase) bool {
	return s.o.Provider != nil && p.provider == s.o.Provider.Name() && p.session != ""
}
