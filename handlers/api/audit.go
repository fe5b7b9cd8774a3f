package api

import (
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/apikey"
)

// Keys of echo.Context for the audit log.
const (
	keyID        = "api key id" // uuid.UUID: which key authorized the request
	auditDetails = "details"    // []any: names and values
)

// addAuditDetails adds names and values to the audit line of a request. They must not contain personal
// data: names, e-mail addresses and reasons can be looked up by id.
func addAuditDetails(c echo.Context, details ...any) {
	known, _ := c.Get(auditDetails).([]any)
	c.Set(auditDetails, append(known, details...))
}

// isOperatorAction reports whether a request is audited: it changes something with an admin's key, or
// it is a refund.
func isOperatorAction(c echo.Context, scope apikey.Scope) bool {
	return !web.IsSafe(c.Request()) && (scope == apikey.Admin || strings.HasSuffix(c.Path(), "/refund"))
}

// logOperatorAction logs an audited request that succeeded. account is uuid.Nil if it concerns none.
func (h *Handlers) logOperatorAction(c echo.Context, account uuid.UUID) {
	line := []any{"request_id", web.RequestID(c), "act", c.Request().Method + " " + c.Path(), "key", c.Get(keyID)}
	if account != uuid.Nil {
		line = append(line, "account", account)
	}
	for _, name := range []string{"id", "agent", "delivery"} {
		if value := c.Param(name); value != "" {
			line = append(line, name, value)
		}
	}
	details, _ := c.Get(auditDetails).([]any)
	line = append(line, details...)
	if c.Response().Header().Get("Idempotent-Replayed") != "" {
		line = append(line, "replayed", true)
	}
	h.Log.Info("operator act", line...)
}
