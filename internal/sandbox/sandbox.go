// Package sandbox is the demo's payment provider, where no real money moves. It has its own tables and
// behaves like Stripe: checkout pages on its side, and signed events in Stripe's format over HTTP.
//
// Money is minor units of a currency. Errors that a caller may see are *problem.Error.
package sandbox

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/problem"
)

type Options struct {
	Clock      clock.Clock // decides what is due and what has expired
	BaseURL    string      // public base URL of the app, which has the checkout pages: "http://127.0.0.1:8080"
	DeliverURL string      // receiver of the events: the app's webhook on its loopback address
	Secret     string      // signs the events; see EnsureSecret
	Log        *slog.Logger
	// Misbehave disturbs the delivery of events of a kind, for tests; nil: never.
	Misbehave func(kind string) Delivery
}

// Delivery is how an event's delivery is disturbed. Events with different delays arrive out of order.
type Delivery struct {
	Late  time.Duration
	Again int  // number of repetitions after it arrived
	Never bool // it is only in the list of events
}

// Provider is the sandbox. It is safe for concurrent use; Run delivers its events.
type Provider struct {
	pool   *pgxpool.Pool
	o      Options
	client *http.Client
	wake   chan struct{} // capacity 1: an event is due
}

var (
	ErrNoSession = problem.New(problem.NotFound, "session_not_found", "There is no such checkout.")
	ErrExpired   = problem.New(problem.Conflict, "session_expired",
		"This checkout has expired. Nothing was bought.")
	ErrPaid        = problem.New(problem.Conflict, "session_complete", "This checkout is paid already.")
	ErrCard        = problem.New(problem.Unprocessable, "card_unknown", "The sandbox has no such card.")
	ErrNotPaid     = problem.New(problem.Conflict, "session_unpaid", "This checkout is not paid.")
	errUnavailable = problem.New(problem.KindUnavailable, "provider_unavailable",
		"The payment page cannot answer just now. Try again.")
)

// New returns a provider over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Provider {
	return &Provider{
		pool: pool,
		o:    o,
		wake: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: 10 * time.Second,
			// Without a proxy: it is our own address.
			Transport: &http.Transport{MaxIdleConnsPerHost: maxDeliveries, IdleConnTimeout: time.Minute},
			// A redirect means a wrong setup, and following it would send the event elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}
