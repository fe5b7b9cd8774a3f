// Package handlers serves the app over HTTP: it builds the routes of the API and the pages, and holds
// the middleware that both need. Handlers decode, call one domain method and render: no rules, no SQL.
package handlers

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/api"
	"pop.store/credits/handlers/pages"
	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/topup"
	"pop.store/credits/internal/webhook"
	"pop.store/credits/static"
)

// App is what the handlers need. All fields but Sandbox, Jobs and DemoAccount are required.
type App struct {
	Directory *directory.Directory
	Agents    *agents.Agents
	Notices   *notice.Notices
	Ledger    *engine.Engine
	Billing   *billing.Service
	TopUp     *topup.Service
	Mail      *mail.Mailer
	Results   *results.Results
	Sessions  *session.Store
	Webhooks  *webhook.Service
	Keys      *apikey.Keys
	Prices    func() *catalog.Catalog
	Clock     clock.Clock
	Log       *slog.Logger
	BaseURL   *url.URL // how browsers reach the app
	Seller    []string // the seller on receipts: lines, the name first
	// Ready returns why the app cannot serve; nil when it can.
	Ready func(context.Context) error
	// TrustedProxies may set X-Forwarded-For.
	TrustedProxies []netip.Prefix

	// Sandbox is the demo's payment provider, whose pages are served under /sandbox; nil outside the demo.
	Sandbox *sandbox.Provider
	// Jobs runs the demo's sample jobs; nil outside the demo.
	Jobs *demo.Jobs
	// DemoAccount is the external id of the account that one click signs in to; empty outside the demo.
	DemoAccount string

	draining atomic.Bool // set by Drain
}

// Limits of one request.
const (
	maxBody     = 64 << 10
	maxEvent    = 256 << 10 // payment events are larger than API requests
	maxBulk     = 1 << 20   // calls with up to a thousand items
	requestTime = 20 * time.Second
)

// Handler builds the routes.
func (a *App) Handler() http.Handler {
	reads := web.NewReadLimiter()
	browser := a.pageHandlers(reads)
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = a.respondError(browser)
	e.IPExtractor = a.ipExtractor()
	e.Use(
		a.requestID,
		a.endConnections,
		a.securityHeaders(),
		a.limitRequest,
		a.logRequests,
		a.recoverPanics,
		a.rejectInvalidText,
		a.rejectCrossOrigin,
		rejectUnknownInput,
	)
	web.Get(e, "/static/*", echo.WrapHandler(static.Handler()))
	web.Get(e, "/healthz", a.healthz)
	web.Get(e, "/readyz", a.readyz)
	browser.Routes(e)
	a.apiHandlers(reads).Routes(e)
	return e
}

func (a *App) pageHandlers(reads web.ReadLimiter) *pages.Handlers {
	return &pages.Handlers{
		Directory:   a.Directory,
		Agents:      a.Agents,
		Notices:     a.Notices,
		Ledger:      a.Ledger,
		Billing:     a.Billing,
		TopUp:       a.TopUp,
		Mail:        a.Mail,
		Results:     a.Results,
		Sessions:    a.Sessions,
		Prices:      a.Prices,
		Clock:       a.Clock,
		Log:         a.Log,
		BaseURL:     a.BaseURL,
		Seller:      a.Seller,
		Reads:       reads,
		Sandbox:     a.Sandbox,
		Jobs:        a.Jobs,
		DemoAccount: a.DemoAccount,
	}
}

func (a *App) apiHandlers(reads web.ReadLimiter) *api.Handlers {
	return &api.Handlers{
		Directory: a.Directory,
		Agents:    a.Agents,
		Notices:   a.Notices,
		Ledger:    a.Ledger,
		Billing:   a.Billing,
		Results:   a.Results,
		Sessions:  a.Sessions,
		Webhooks:  a.Webhooks,
		Keys:      a.Keys,
		Prices:    a.Prices,
		Log:       a.Log,
		BaseURL:   a.BaseURL,
		Reads:     reads,
	}
}

// NewServer returns a server for h with limits on time and header size. logger gets net/http's own errors.
func NewServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(serverErrors(logger), "", 0),
	}
}

// serverErrors logs what net/http reports itself, such as too many open files.
func serverErrors(logger *slog.Logger) logs.Messages {
	return func(text string) {
		message := "http server"
		if strings.Contains(text, "Accept error") {
			message = "connections cannot be accepted"
		}
		logger.Warn(message, "error", text)
	}
}

func (a *App) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

func (a *App) readyz(c echo.Context) error {
	if a.draining.Load() {
		return notReady(c)
	}
	if err := a.Ready(c.Request().Context()); err != nil {
		return problem.Unavailable(err)
	}
	return c.String(http.StatusOK, "ready\n")
}
