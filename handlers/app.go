// Package handlers is the app's face: pages for creators, the JSON API for services, webhooks for
// the payment provider. A handler decodes, calls one domain method and renders; it holds no rule
// and no SQL.
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

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/inflight"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/topup"
	"pop.store/credits/internal/webhook"
	"pop.store/credits/static"
)

// App is what the handlers need. All fields but Sandbox, Jobs and DemoAccount are required.
type App struct {
	Accounts *accounts.Accounts
	Ledger   *engine.Engine
	Billing  *billing.Service
	TopUp    *topup.Service
	Mail     *mail.Mailer
	Results  *results.Results
	Sessions *session.Store
	Webhooks *webhook.Service
	Keys     *apikey.Keys
	Prices   func() *catalog.Catalog
	Clock    clock.Clock
	Log      *slog.Logger
	BaseURL  *url.URL // how browsers reach the app
	Seller   []string // who sells, as receipts have it: lines, the name first
	// Ready says why the app cannot serve, nil when it can.
	Ready func(context.Context) error
	// TrustedProxies are believed when they say whom a request comes from.
	TrustedProxies []netip.Prefix

	// Sandbox is the demo's payment provider, whose pages are served under /sandbox; nil outside the demo.
	Sandbox *sandbox.Provider
	// Jobs runs the demo's sample jobs; nil outside the demo.
	Jobs *demo.Jobs
	// DemoAccount is the external id of the account that one click signs in to; empty outside the demo.
	DemoAccount string

	draining atomic.Bool                  // set by Drain
	reads    *inflight.Limiter[uuid.UUID] // made by Handler
}

// Limits of one request (spec "Server").
const (
	maxBody     = 64 << 10
	maxEvent    = 256 << 10 // a payment event may carry more than a request of ours
	maxBulk     = 1 << 20   // of the calls that take up to a thousand items
	requestTime = 20 * time.Second
)

// Handler builds the routes.
func (a *App) Handler() http.Handler {
	a.reads = newReadLimit()
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = a.respondError
	e.IPExtractor = a.ipExtractor()
	e.Use(a.requestID, a.endConnections, a.securityHeaders, a.limit, a.logRequests, a.recoverPanics, a.readable,
		a.crossOrigin, strict)
	get(e, "/static/*", echo.WrapHandler(static.Handler()))
	get(e, "/healthz", a.healthz)
	get(e, "/readyz", a.readyz)
	a.pageRoutes(e)
	a.apiRoutes(e)
	a.webhookRoutes(e)
	e.POST("/webhooks/stripe", a.stripeWebhook)
	if a.Sandbox != nil {
		a.sandboxRoutes(e)
	}
	return e
}

// NewServer wraps a handler in a server with a limit on everything.
func NewServer(h http.Handler, lines *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          log.New(serverErrors(lines), "", 0),
	}
}

// serverErrors takes what net/http says by itself, such as that no connection can be accepted
// because there are too many open files.
func serverErrors(lines *slog.Logger) logs.Messages {
	return func(text string) {
		message := "http server"
		if strings.Contains(text, "Accept error") {
			message = "connections cannot be accepted"
		}
		lines.Warn(message, "error", text)
	}
}

// get routes GET and HEAD: the server answers HEAD with the same headers and leaves the body out.
func get(e *echo.Echo, path string, serve echo.HandlerFunc) {
	e.GET(path, serve)
	e.HEAD(path, serve)
}

// form routes a form of signed-in creators. Whoever asks for its address in another way, as by
// opening the answer to a rejected form again, is led back to the page that the form is on.
func (a *App) form(e *echo.Echo, path, page string, serve func(v *visit) error) {
	e.POST(path, a.page(serve))
	get(e, path, a.page(func(v *visit) error {
		return v.Redirect(http.StatusSeeOther, strings.Replace(page, ":id", url.PathEscape(v.Param("id")), 1))
	}))
}

func (a *App) pageRoutes(e *echo.Echo) {
	get(e, "/login", a.loginPage)
	e.GET("/login/link/:token", a.loginLink) // and no HEAD: a preview of the link must not use it up
	e.POST("/login/link/:token", a.useLink)
	e.POST("/logout", a.logout)
	get(e, "/unsubscribe/:token", a.unsubscribePage)
	e.POST("/unsubscribe/:token", a.unsubscribe)
	e.POST("/unsubscribe/:token/undo", a.resubscribe)
	get(e, "/unsubscribe/:token/undo", a.unsubscribePage)
	if a.DemoAccount != "" {
		e.POST("/login/demo", a.loginDemo)
	}
	get(e, "/", a.page(a.homePage))
	get(e, "/credits", a.page(a.creditsPage))
	get(e, "/credits/badge", a.page(a.badge))
	a.form(e, "/credits/notice/dismiss", "/credits", a.dismissNotice)
	get(e, "/credits/history", a.page(a.historyPage))
	get(e, "/credits/buy", a.page(a.buyPage))
	e.POST("/credits/buy", a.page(a.buy))
	get(e, "/credits/purchases/:id", a.page(a.purchasePage))
	get(e, "/credits/purchases/:id/status", a.page(a.purchaseStatus))
	a.form(e, "/credits/purchases/:id/return", "/credits/purchases/:id", a.returnPurchase)
	a.form(e, "/credits/purchases/:id/cancel", "/credits/purchases/:id", a.cancelPurchase)
	get(e, "/credits/purchases/:id/receipt", a.page(a.receiptPage))
	get(e, "/credits/how-tokens-work", a.page(a.guidePage))
	get(e, "/plans", a.page(a.plansPage))
	get(e, "/agents", a.page(a.agentsPage))
	a.form(e, "/agents/switch", "/agents", a.switchAgent)
	a.form(e, "/agents/limits", "/agents", a.setLimits)
	get(e, "/tools", a.page(a.toolsPage))
	get(e, "/settings", a.page(a.settingsPage))
	a.form(e, "/settings/auto-top-up", "/settings", a.saveTopUp)
	a.form(e, "/settings/auto-top-up/off", "/settings", a.turnTopUpOff)
	a.form(e, "/settings/card/forget", "/settings", a.forgetCard)
	if a.DemoAccount != "" {
		a.demoRoutes(e)
	}
}

// demoRoutes are what a platform does elsewhere: plans are changed, tools run, and there is a shop.
func (a *App) demoRoutes(e *echo.Echo) {
	e.POST("/plans", a.page(a.switchPlan))
	e.POST("/tools", a.page(a.runTool))
	get(e, "/tools/job", a.page(a.toolJob))
	get(e, "/storefront", a.page(a.storefrontPage))
	e.POST("/storefront", a.page(a.order))
}

func (a *App) apiRoutes(e *echo.Echo) {
	e.PUT("/v1/accounts/:account", a.key(apikey.Admin, a.putAccount))
	get(e, "/v1/accounts/:account", a.account(apikey.Read, a.getAccount))
	e.POST("/v1/accounts/:account/close", a.account(apikey.Admin, a.postClose))
	e.POST("/v1/accounts/:account/login-links", a.account(apikey.Admin, a.postLoginLink))
	get(e, "/v1/accounts/:account/lots", a.account(apikey.Read, a.getLots))
	e.POST("/v1/accounts/:account/quote", a.account(apikey.Read, a.postQuote))
	e.POST("/v1/accounts/:account/charges", a.account(apikey.Spend, a.postCharge))
	e.POST("/v1/accounts/:account/charges/:id/refund", a.account(apikey.Spend, a.postRefund))
	e.POST("/v1/accounts/:account/holds", a.account(apikey.Spend, a.postHold))
	get(e, "/v1/accounts/:account/holds", a.account(apikey.Read, a.getHolds))
	get(e, "/v1/accounts/:account/holds/:id", a.account(apikey.Read, a.getHold))
	e.POST("/v1/accounts/:account/holds/:id/extend", a.account(apikey.Spend, a.postExtend))
	e.POST("/v1/accounts/:account/holds/:id/capture", a.account(apikey.Spend, a.postCapture))
	e.POST("/v1/accounts/:account/holds/:id/release", a.account(apikey.Spend, a.postRelease))
	e.POST("/v1/charges", a.key(apikey.Spend, a.postCharges))
	e.POST("/v1/balances", a.key(apikey.Read, a.postBalances))
	e.POST("/v1/accounts/:account/grants", a.account(apikey.Admin, a.postGrant))
	get(e, "/v1/accounts/:account/agents", a.account(apikey.Read, a.getAgents))
	e.PUT("/v1/accounts/:account/agents/:agent", a.account(apikey.Spend, a.putAgent))
	e.POST("/v1/accounts/:account/agents/:agent/pause", a.account(apikey.Spend, a.postSwitch(false)))
	e.POST("/v1/accounts/:account/agents/:agent/resume", a.account(apikey.Spend, a.postSwitch(true)))
	e.POST("/v1/accounts/:account/results", a.account(apikey.Spend, a.postResult))
	get(e, "/v1/accounts/:account/transactions", a.account(apikey.Read, a.getTransactions))
	get(e, "/v1/accounts/:account/transactions/:id", a.account(apikey.Read, a.getTransaction))
	get(e, "/v1/accounts/:account/usage", a.account(apikey.Read, a.getUsage))
	e.POST("/v1/accounts/:account/purchases", a.account(apikey.Spend, a.postPurchase))
	get(e, "/v1/accounts/:account/purchases", a.account(apikey.Read, a.getPurchases))
	get(e, "/v1/accounts/:account/purchases/:id", a.account(apikey.Read, a.getPurchase))
	e.POST("/v1/accounts/:account/purchases/:id/refund", a.account(apikey.Admin, a.postPurchaseRefund))
	get(e, "/v1/catalog", a.key(apikey.Read, a.getCatalog))
}

func (a *App) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

func (a *App) readyz(c echo.Context) error {
	if a.draining.Load() {
		return notReady(c)
	}
	if err := a.Ready(c.Request().Context()); err != nil {
		return ledger.ErrUnavailable.Wrap(err)
	}
	return c.String(http.StatusOK, "ready\n")
}
