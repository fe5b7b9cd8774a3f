// Package billing sells token packs. A purchase is our own order, made before anybody pays; whatever the payment provider says later is
// checked against it, and only then do tokens get into the ledger: once, whoever brings the news and however often.
//
// Tokens are millionths of a token, money is minor units of a currency, instants are UTC. Errors that a caller may see are
// *problem.Error.
package billing

import (
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sandbox"
)

// Options are what a Service needs besides its database.
type Options struct {
	Ledger        *ledger.Ledger
	Prices        func() *catalog.Catalog // the catalog in force
	Provider      *sandbox.Provider       // nil: buying is not set up
	WebhookSecret string                  // what the provider's events are signed with; while it is empty every event is refused
	BaseURL       string                  // public base of the app, where the provider sends browsers back to
	Clock         clock.Clock
	Log           *slog.Logger
}

// Service takes orders and fulfils them. It is safe for concurrent use.
type Service struct {
	pool *pgxpool.Pool
	o    Options
}

// The ways in which a request fails.
var (
	ErrNotSetUp    = problem.New(problem.Conflict, "payments_not_set_up", "Buying tokens is not set up here.")
	ErrNoPurchase  = problem.New(problem.NotFound, "purchase_not_found", "There is no such purchase.")
	ErrNoKey       = problem.New(problem.Syntax, "missing_idempotency_key", "An idempotency key is needed.")
	ErrKeyReused   = problem.New(problem.Meaning, "idempotency_key_reused", "This idempotency key was used for a different request.")
	ErrUnavailable = problem.New(problem.Unavailable, "unavailable", "Purchases cannot be answered just now. Try again with the same key.")
)

// New makes a service over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Service { return &Service{pool: pool, o: o} }

// Available says whether packs can be bought: there is a provider, and its events can be believed.
func (s *Service) Available() bool { return s.o.Provider != nil && s.o.WebhookSecret != "" }
