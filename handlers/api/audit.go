package api

import (
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/apikey"
)

// Names of what a request keeps for the log.
const (
	keyID        = "api key id" // uuid.UUID: which key authorized the request
	auditDetails = "details"    // []any: names and values
)

// addAuditDetails adds names and values to the line that the log gets when an operator's act succeeds.
// Names of people, e-mail addresses and reasons stay out: they can be looked up by the ids.
func addAuditDetails(c echo.Context, details ...any) {
	known, _ := c.Get(auditDetails).([]any)
	c.Set(auditDetails, append(known, details...))
}

// isOperatorAction says whether a call is one that an operator answers for: it needs an admin's key and
// changes something, or gives tokens or money back.
func isOperatorAction(c echo.Context, scope apikey.Scope) bool {
	return !web.IsSafe(c.Request()) && (scope == apikey.Admin || strings.HasSuffix(c.Path(), "/refund"))
}

// logOperatorAction writes the line of an operator's act that succeeded. account is uuid.Nil for acts that are
// not about one.
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
