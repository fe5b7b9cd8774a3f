package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
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
	web.SetRetryAfter(c)
	return web.WriteProblem(c, errDraining, http.StatusServiceUnavailable)
}
