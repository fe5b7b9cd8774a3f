// Package sandbox is the demo's payment provider. It keeps books of its own and talks to the app as
// Stripe would: checkout pages on its side, and signed, Stripe-shaped events over real HTTP.
// Nobody's money moves.
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

// Options are what a Provider needs besides its database.
type Options struct {
	Clock      clock.Clock // decides what is due and what has expired
	BaseURL    string      // public base of the app, where the checkout pages are: "http://127.0.0.1:8080"
	DeliverURL string      // where events are sent: the app's own webhook on its loopback address
	Secret     string      // signs the events; see EnsureSecret
	Log        *slog.Logger
	// Misbehave says what goes wrong with the delivery of an event of a kind; nil: nothing does.
	Misbehave func(kind string) Delivery
}

// Delivery is what goes wrong with an event. Events that are late by different times come out of order.
type Delivery struct {
	Late  time.Duration
	Again int  // how often it is sent once more after it arrived
	Never bool // it can only be listed
}

// Provider is the sandbox. It is safe for concurrent use; Run delivers its events.
type Provider struct {
	pool   *pgxpool.Pool
	o      Options
	client *http.Client
	wake   chan struct{} // has room for one: an event waits
}

// The ways in which a request fails.
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

// New makes a provider over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Provider {
	return &Provider{
		pool: pool,
		o:    o,
		wake: make(chan struct{}, 1),
		client: &http.Client{
			Timeout: 10 * time.Second,
			// no proxy: it is our own address
			Transport: &http.Transport{MaxIdleConnsPerHost: maxDeliveries, IdleConnTimeout: time.Minute},
			// An endpoint that redirects is set up wrongly; following would send the event elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}
