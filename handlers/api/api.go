// Package api is the JSON API for services, and the endpoint for the payment provider's events.
package api

import (
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/results"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/strictjson"
	"pop.store/credits/internal/webhook"
)

var (
	errScope      = problem.New(problem.Forbidden, "insufficient_scope", "This API key's scope does not allow that.")
	errKeyMissing = problem.New(problem.Malformed, "missing_idempotency_key",
		"Send an Idempotency-Key header: 1 to 200 printable characters.")
	errMediaType = problem.New(problem.MediaType, "unsupported_media_type", "Send the body as application/json.")
)

// Handlers serves the JSON API. All fields are required.
type Handlers struct {
	Directory *directory.Directory
	Agents    *agents.Agents
	Notices   *notice.Notices
	Ledger    *engine.Engine
	Billing   *billing.Service
	Results   *results.Results
	Sessions  *session.Store
	Webhooks  *webhook.Service
	Keys      *apikey.Keys
	Prices    func() *catalog.Catalog
	Log       *slog.Logger
	BaseURL   *url.URL // how browsers reach the app
	Reads     web.ReadLimiter
}

// Routes adds the API's routes.
func (h *Handlers) Routes(e *echo.Echo) {
	e.PUT("/v1/accounts/:account", h.requireKey(apikey.Admin, h.putAccount))
	web.Get(e, "/v1/accounts/:account", h.requireAccount(apikey.Read, h.getAccount))
	e.POST("/v1/accounts/:account/close", h.requireAccount(apikey.Admin, h.postClose))
	e.POST("/v1/accounts/:account/login-links", h.requireAccount(apikey.Admin, h.postLoginLink))
	web.Get(e, "/v1/accounts/:account/lots", h.requireAccount(apikey.Read, h.getLots))
	e.POST("/v1/accounts/:account/quote", h.requireAccount(apikey.Read, h.postQuote))
	e.POST("/v1/accounts/:account/charges", h.requireAccount(apikey.Spend, post(h.postCharge)))
	e.POST("/v1/accounts/:account/charges/:id/refund", h.requireAccount(apikey.Spend, post(h.postRefund)))
	e.POST("/v1/accounts/:account/holds", h.requireAccount(apikey.Spend, post(h.postHold)))
	web.Get(e, "/v1/accounts/:account/holds", h.requireAccount(apikey.Read, h.getHolds))
	web.Get(e, "/v1/accounts/:account/holds/:id", h.requireAccount(apikey.Read, h.getHold))
	e.POST("/v1/accounts/:account/holds/:id/extend", h.requireAccount(apikey.Spend, post(h.postExtend)))
	e.POST("/v1/accounts/:account/holds/:id/capture", h.requireAccount(apikey.Spend, postOptional(h.postCapture)))
	e.POST("/v1/accounts/:account/holds/:id/release", h.requireAccount(apikey.Spend, postOptional(h.postRelease)))
	e.POST("/v1/charges", h.requireKey(apikey.Spend, h.postCharges))
	e.POST("/v1/balances", h.requireKey(apikey.Read, h.postBalances))
	e.POST("/v1/accounts/:account/grants", h.requireAccount(apikey.Admin, post(h.postGrant)))
	web.Get(e, "/v1/accounts/:account/agents", h.requireAccount(apikey.Read, h.getAgents))
	e.PUT("/v1/accounts/:account/agents/:agent", h.requireAccount(apikey.Spend, h.putAgent))
	e.POST("/v1/accounts/:account/agents/:agent/pause", h.requireAccount(apikey.Spend, h.postSwitch(false)))
	e.POST("/v1/accounts/:account/agents/:agent/resume", h.requireAccount(apikey.Spend, h.postSwitch(true)))
	e.POST("/v1/accounts/:account/results", h.requireAccount(apikey.Spend, post(h.postResult)))
	web.Get(e, "/v1/accounts/:account/transactions", h.requireAccount(apikey.Read, h.getTransactions))
	web.Get(e, "/v1/accounts/:account/transactions/:id", h.requireAccount(apikey.Read, h.getTransaction))
	web.Get(e, "/v1/accounts/:account/usage", h.requireAccount(apikey.Read, h.getUsage))
	e.POST("/v1/accounts/:account/purchases", h.requireAccount(apikey.Spend, post(h.postPurchase)))
	web.Get(e, "/v1/accounts/:account/purchases", h.requireAccount(apikey.Read, h.getPurchases))
	web.Get(e, "/v1/accounts/:account/purchases/:id", h.requireAccount(apikey.Read, h.getPurchase))
	e.POST("/v1/accounts/:account/purchases/:id/refund", h.requireAccount(apikey.Admin, post(h.postPurchaseRefund)))
	web.Get(e, "/v1/catalog", h.requireKey(apikey.Read, h.getCatalog))
	h.webhookRoutes(e)
	e.POST("/webhooks/stripe", h.stripeWebhook)
}

// requireKey serves requests with an API key of the scope.
func (h *Handlers) requireKey(scope apikey.Scope, serve echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := h.authorize(c, scope); err != nil {
			return err
		}
		if err := serve(c); err != nil {
			return err
		}
		if isOperatorAction(c, scope) {
			h.logOperatorAction(c, uuid.Nil)
		}
		return nil
	}
}

// requireAccount serves requests about the account in the path, for an API key of the scope. A
// signed-in creator may read their own account as "me". Reads are limited per account.
func (h *Handlers) requireAccount(
	scope apikey.Scope,
	serve func(c echo.Context, account uuid.UUID) error,
) echo.HandlerFunc {
	return func(c echo.Context) error {
		id, err := h.accountOf(c, scope)
		if err != nil {
			return err
		}
		if scope == apikey.Read {
			done, err := h.Reads.Acquire(c.Request().Context(), id)
			if err != nil {
				return err
			}
			defer done()
		}
		if err := serve(c, id); err != nil {
			return err
		}
		if isOperatorAction(c, scope) {
			h.logOperatorAction(c, id)
		}
		return nil
	}
}

// accountOf authorizes a request and returns the account that its path names.
func (h *Handlers) accountOf(c echo.Context, scope apikey.Scope) (uuid.UUID, error) {
	if c.Param("account") == "me" && web.IsSafe(c.Request()) && web.BearerToken(c.Request()) == "" {
		visitor, ok, err := h.Sessions.Visitor(c.Request())
		if err == nil && !ok {
			err = web.ErrSignedOut
		}
		return visitor.AccountID, err
	}
	if err := h.authorize(c, scope); err != nil {
		return uuid.Nil, err
	}
	return h.Directory.Find(c.Request().Context(), c.Param("account"))
}

func (h *Handlers) authorize(c echo.Context, scope apikey.Scope) error {
	secret := web.BearerToken(c.Request())
	if secret == "" {
		return web.ErrMissingKey
	}
	key, err := h.Keys.Verify(c.Request().Context(), secret)
	if err != nil {
		return err
	}
	c.Set(keyID, key.ID)
	if !key.Scope.Allows(scope) {
		return errScope
	}
	return nil
}

// decode reads a JSON body strictly: unknown and repeated fields are errors.
func decode(c echo.Context, into any) error {
	body, err := jsonBody(c)
	if err != nil {
		return err
	}
	return strictjson.Decode(body, into)
}

// decodeOptional is decode for bodies that may be empty.
func decodeOptional(c echo.Context, into any) error {
	body, err := jsonBody(c)
	if err != nil {
		return err
	}
	return strictjson.DecodeOptional(body, into)
}

// jsonBody reads a body. Unless it is empty, it must be sent as uncompressed JSON in UTF-8.
func jsonBody(c echo.Context) ([]byte, error) {
	body, err := io.ReadAll(c.Request().Body)
	if err != nil {
		return nil, web.BodyError(err)
	}
	h := c.Request().Header
	if len(body) > 0 &&
		(!web.IsMediaType(h.Get("Content-Type"), "application/json") || h.Get("Content-Encoding") != "") {
		return nil, errMediaType
	}
	return body, nil
}

// idempotencyKey reads the header that every POST needs that writes.
func idempotencyKey(c echo.Context) (string, error) {
	key := c.Request().Header.Get("Idempotency-Key")
	if key == "" {
		return "", errKeyMissing
	}
	if !web.ValidKey(key) {
		return "", web.ErrInvalidKey
	}
	return key, nil
}

// defaultPage is the size of a list's page when the request names none.
const defaultPage = 50

// pageSize reads the size of a page, at most ledger.MaxPage.
func pageSize(c echo.Context) (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > ledger.MaxPage {
		return 0, problem.Invalid("limit", "must be between 1 and %d", ledger.MaxPage)
	}
	return n, nil
}

// timeParam parses an optional time of the query string.
func timeParam(c echo.Context, name string) (time.Time, error) {
	text := c.QueryParam(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, problem.Invalid(name, `must be a time such as "2026-11-22T14:02:00Z"`)
	}
	return validTime(name, t)
}

// validTime converts a time to UTC and microseconds, as the ledger stores it. The zero time is invalid,
// since it means none, and so are years of five digits.
func validTime(field string, t time.Time) (time.Time, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if t.IsZero() || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, problem.Invalid(field, "must be within the years 1 to 9999")
	}
	return t, nil
}

// formatTime is a time as the API writes it; null for the zero time.
func formatTime(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339Nano)
	return &text
}

func nullIfEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
