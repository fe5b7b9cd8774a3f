// Package webhook sends events to subscribers: it stores the events that some endpoint wants and
// delivers them over HTTP, signed as in Standard Webhooks.
//
// The events of one account for one endpoint are a stream. A stream is delivered in order, one
// event at a time; a failure delays that stream only. Delivery is at least once: receivers
// recognize a repeated event by its id. Instants are UTC. Errors for callers are *problem.Error.
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

// Options configure a Service.
type Options struct {
	Clock        clock.Clock
	Log          *slog.Logger
	AllowPrivate bool       // allow private addresses and http
	Keys         *seal.Keys // seal stored secrets; nil: stored in plain
}

// Service manages endpoints and delivers events. It is safe for concurrent use, also by several
// servers over one database.
type Service struct {
	pool   *pgxpool.Pool
	o      Options
	client *http.Client
}

// New returns a service over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Service {
	return &Service{
		pool:   pool,
		o:      o,
		client: newClient(o.AllowPrivate),
	}
}

// Errors for callers.
var (
	ErrNoEndpoint = problem.New(problem.NotFound, "webhook_endpoint_not_found", "There is no such webhook endpoint.")
	ErrNoDelivery = problem.New(problem.NotFound, "delivery_not_found",
		"This webhook endpoint has no such delivery.")
	ErrTooMany = problem.New(problem.Conflict, "too_many_webhook_endpoints",
		"There can be %d webhook endpoints.", MaxEndpoints)
	ErrDisabled = problem.New(problem.Conflict, "webhook_endpoint_disabled",
		"This webhook endpoint is disabled. Enable it first.")
)

// Limits.
const (
	MaxEndpoints = 20  // each has workers of its own
	MaxPage      = 200 // deliveries on a page
)

// Kinds are the events that an endpoint can subscribe to.
var Kinds = []string{
	ledger.EventBalanceLow, ledger.EventBalanceEmpty, ledger.EventBalanceRestored, ledger.EventAgentPaused,
	ledger.EventAgentResumed,
	ledger.EventPurchaseDone, ledger.EventPurchaseBack, ledger.EventGrantCreated, ledger.EventHoldExpired,
}
