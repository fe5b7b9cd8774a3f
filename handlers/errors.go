package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/pages"
	"pop.store/credits/handlers/web"
)

// answerTime bounds an error page, which reads the balance for its header.
const answerTime = 2 * time.Second

// respondError answers a failed request: browsers get a page, other clients a problem document.
func (a *App) respondError(p *pages.Handlers) echo.HTTPErrorHandler {
	return func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		failure := web.ProblemOf(err)
		status := web.Status(failure.Kind)
		// A request that ran out of time still gets its answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), answerTime)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		web.LogFailure(a.Log, c, failure, status)
		if web.IsRetryable(failure) {
			web.SetRetryAfter(c)
		}
		if isPage(c.Request()) {
			err = p.Error(c, failure, status)
		} else {
			err = web.WriteProblem(c, failure, status)
		}
		if err != nil {
			a.Log.Error("an error could not be answered", "request_id", web.RequestID(c), "error", err)
		}
	}
}

// isPage reports whether the route is for browsers.
func isPage(r *http.Request) bool {
	return !web.HasPathPrefix(r, "/v1") && !web.HasPathPrefix(r, "/webhooks") && !web.HasPathPrefix(r, "/healthz") &&
		!web.HasPathPrefix(r, "/readyz")
}
