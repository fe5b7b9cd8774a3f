// Package webhook tells subscribers what happens: it stores the events that some endpoint wants,
// and delivers them over HTTP, signed as Standard Webhooks asks for.
//
// What one endpoint is told of one account is a lane: it goes out strictly in order, one at a time,
// and a failure holds up that lane and nothing else. An event is delivered at least once; a
// receiver tells one that comes again by its id. Instants are UTC. Errors that a caller may see are
// *problem.Error.
package webhook

import (
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/seal"
)

// Options are what a Service needs besides its database.
type Options struct {
	Clock        clock.Clock
	Log          *slog.Logger
	AllowPrivate bool       // endpoints may be in the operator's own network, and without https
	Keys         *seal.Keys // what secrets are stored with; nil: as they are
}

// Service keeps the endpoints and delivers to them. It is safe for concurrent use, and any number
// of servers may run it over one database.
type Service struct {
	pool   *pgxpool.Pool
	o      Options
	client *http.Client
}

// New makes a service over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Service {
	return &Service{
		pool:   pool,
		o:      o,
		client: newClient(o.AllowPrivate),
	}
}

// The ways in which a request fails.
var (
	ErrNoEndpoint = problem.New(problem.NotFound, "webhook_endpoint_not_found", "There is no such webhook endpoint.")
	ErrNoDelivery = problem.New(problem.NotFound, "delivery_not_found",
		"This webhook endpoint has no such delivery.")
	ErrTooMany = problem.New(problem.Conflict, "too_many_webhook_endpoints",
		"There can be %d webhook endpoints.", MaxEndpoints)
	ErrDisabled = problem.New(problem.Conflict, "webhook_endpoint_disabled",
		"This webhook endpoint is disabled. Enable it first.")
)

// Limits of what there can be.
const (
	MaxEndpoints = 20  // each has workers of its own
	MaxPage      = 200 // deliveries on a page
)

// Kinds are the events that an endpoint can ask for.
var Kinds = []string{
	ledger.EventBalanceLow, ledger.EventBalanceEmpty, ledger.EventBalanceRestored, ledger.EventAgentPaused,
	ledger.EventAgentResumed,
	ledger.EventPurchaseDone, ledger.EventPurchaseBack, ledger.EventGrantCreated, ledger.EventHoldExpired,
}
