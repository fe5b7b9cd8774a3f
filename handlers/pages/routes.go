// Package pages serves what browsers see: the creators' pages, the badge, forms, sign-in, links to
// unsubscribe, and the demo's shop and payment pages.
package pages

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/demo"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/topup"
)

// Handlers serves the pages. All fields but Sandbox, Jobs and DemoAccount are required.
type Handlers struct {
	Directory *directory.Directory
	Agents    *agents.Agents
	Notices   *notice.Notices
	Ledger    *engine.Engine
	Billing   *billing.Service
	TopUp     *topup.Service
	Mail      *mail.Mailer
	Results   *results.Results
	Sessions  *session.Store
	Prices    func() *catalog.Catalog
	Clock     clock.Clock
	Log       *slog.Logger
	BaseURL   *url.URL // how browsers reach the app
	Seller    []string // the seller on receipts: lines, the name first
	Reads     web.ReadLimiter

	// Sandbox is the demo's payment provider, whose pages are served under /sandbox; nil outside the demo.
	Sandbox *sandbox.Provider
	// Jobs runs the demo's sample jobs; nil outside the demo.
	Jobs *demo.Jobs
	// DemoAccount is the external id of the account that one click signs in to; empty outside the demo.
	DemoAccount string
}

// Routes adds the routes of the pages.
func (h *Handlers) Routes(e *echo.Echo) {
	web.Get(e, "/login", h.loginPage)
	e.GET("/login/link/:token", h.loginLink) // and no HEAD: a preview of the link must not use it up
	e.POST("/login/link/:token", h.useLink)
	e.POST("/logout", h.logout)
	web.Get(e, "/unsubscribe/:token", h.unsubscribePage)
	e.POST("/unsubscribe/:token", h.unsubscribe)
	e.POST("/unsubscribe/:token/undo", h.resubscribe)
	web.Get(e, "/unsubscribe/:token/undo", h.unsubscribePage)
	if h.DemoAccount != "" {
		e.POST("/login/demo", h.loginDemo)
	}
	web.Get(e, "/", h.requireCreator(h.homePage))
	web.Get(e, "/credits", h.requireCreator(h.creditsPage))
	web.Get(e, "/credits/badge", h.requireCreator(h.badge))
	h.postForm(e, "/credits/notice/dismiss", "/credits", h.dismissNotice)
	web.Get(e, "/credits/history", h.requireCreator(h.historyPage))
	web.Get(e, "/credits/buy", h.requireCreator(h.buyPage))
	e.POST("/credits/buy", h.requireCreator(h.buy))
	web.Get(e, "/credits/purchases/:id", h.requireCreator(h.purchasePage))
	web.Get(e, "/credits/purchases/:id/status", h.requireCreator(h.purchaseStatus))
	h.postForm(e, "/credits/purchases/:id/return", "/credits/purchases/:id", h.returnPurchase)
	h.postForm(e, "/credits/purchases/:id/cancel", "/credits/purchases/:id", h.cancelPurchase)
	web.Get(e, "/credits/purchases/:id/receipt", h.requireCreator(h.receiptPage))
	web.Get(e, "/credits/how-tokens-work", h.requireCreator(h.guidePage))
	web.Get(e, "/plans", h.requireCreator(h.plansPage))
	web.Get(e, "/agents", h.requireCreator(h.agentsPage))
	h.postForm(e, "/agents/switch", "/agents", h.switchAgent)
	h.postForm(e, "/agents/limits", "/agents", h.setLimits)
	web.Get(e, "/tools", h.requireCreator(h.toolsPage))
	web.Get(e, "/settings", h.requireCreator(h.settingsPage))
	h.postForm(e, "/settings/auto-top-up", "/settings", h.saveTopUp)
	h.postForm(e, "/settings/auto-top-up/off", "/settings", h.turnTopUpOff)
	h.postForm(e, "/settings/card/forget", "/settings", h.forgetCard)
	if h.DemoAccount != "" {
		h.demoRoutes(e)
	}
	if h.Sandbox != nil {
		h.sandboxRoutes(e)
	}
}

// demoRoutes are what a host platform provides elsewhere: changing plans, running tools, and a
// shop.
func (h *Handlers) demoRoutes(e *echo.Echo) {
	e.POST("/plans", h.requireCreator(h.switchPlan))
	e.POST("/tools", h.requireCreator(h.runTool))
	web.Get(e, "/tools/job", h.requireCreator(h.toolJob))
	web.Get(e, "/storefront", h.requireCreator(h.storefrontPage))
	e.POST("/storefront", h.requireCreator(h.order))
}

// postForm routes a form of signed-in creators. A GET of the form's address, such as reloading the
// answer to a rejected form, redirects to the page that has the form.
func (h *Handlers) postForm(e *echo.Echo, path, page string, serve func(req *creatorRequest) error) {
	e.POST(path, h.requireCreator(serve))
	web.Get(e, path, h.requireCreator(func(req *creatorRequest) error {
		return req.Redirect(http.StatusSeeOther, strings.Replace(page, ":id", url.PathEscape(req.Param("id")), 1))
	}))
}
