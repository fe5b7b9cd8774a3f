package handlers

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/problem"
)

var errDraining = problem.New(problem.KindUnavailable, "shutting_down", "This server is shutting down.")

// Drain prepares the server for shutdown: /readyz answers 503, so that proxies send new requests
// elsewhere, and every response closes its connection. Other requests are still served.
func (a *App) Drain() { a.draining.Store(true) }

// endConnections closes connections after the response while the server is draining.
func (a *App) endConnections(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if a.draining.Load() {
			c.Response().Header().Set("Connection", "close")
		}
		return next(c)
	}
}

// notReady answers /readyz while draining. It is expected, so it is not logged.
func notReady(c echo.Context) error {
	web.SetRetryAfter(c)
	return web.WriteProblem(c, errDraining, http.StatusServiceUnavailable)
}
