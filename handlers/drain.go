package handlers

import (
	"math/rand/v2"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/problem"
)

var errDraining = problem.New(problem.Unavailable, "shutting_down", "This server is shutting down.")

// Drain announces that the server is about to stop: from now on /readyz answers 503, so that
// proxies send new requests elsewhere, and every answer ends its connection, so that no client
// keeps one open. Requests that come nevertheless are served as before.
func (a *App) Drain() { a.draining.Store(true) }

// endConnections makes net/http close the connection after the answer while the server is draining.
func (a *App) endConnections(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.draining.Load() {
			c.Response().Header().Set("Connection", "close")
		}
		return next(c)
	}
}

// notReady answers /readyz while draining. That is no failure, so the log says nothing.
func notReady(c echo.Context) error {
	setRetryAfter(c)
	return writeProblem(c, errDraining, http.StatusServiceUnavailable)
}

// setRetryAfter says when to ask again, in seconds. The jitter keeps everyone who was turned away
// from coming back in the same second.
func setRetryAfter(c echo.Context) {
	c.Response().Header().Set("Retry-After", strconv.Itoa(1+rand.IntN(3)))
}

// asksAgain says whether a failure goes away by itself.
func asksAgain(p *problem.Error) bool {
	return p.Kind == problem.Unavailable || p.Kind == problem.RateLimited
}
