package handlers

import (
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/problem"
)

// Names of what a request keeps for the log.
const (
	keyID      = "api key id" // uuid.UUID: which key authorized the request
	actDetails = "details"    // []any: names and values
)

// noteAct adds names and values to the line that the log gets when an operator's act succeeds.
// Names of people, e-mail addresses and reasons stay out: they can be looked up by the ids.
func noteAct(c echo.Context, details ...any) {
	known, _ := c.Get(actDetails).([]any)
	c.Set(actDetails, append(known, details...))
}

// isAct says whether a call is one that an operator answers for: it needs an admin's key and
// changes something, or gives tokens or money back.
func isAct(c echo.Context, scope apikey.Scope) bool {
	return !reads(c.Request()) && (scope == apikey.Admin || strings.HasSuffix(c.Path(), "/refund"))
}

// logAct writes the line of an operator's act that succeeded. account is uuid.Nil for acts that are
// not about one.
func (a *App) logAct(c echo.Context, account uuid.UUID) {
	line := []any{"request_id", requestIDOf(c), "act", c.Request().Method + " " + c.Path(), "key", c.Get(keyID)}
	if account != uuid.Nil {
		line = append(line, "account", account)
	}
	for _, name := range []string{"id", "agent", "delivery"} {
		if value := c.Param(name); value != "" {
			line = append(line, name, value)
		}
	}
	details, _ := c.Get(actDetails).([]any)
	line = append(line, details...)
	if c.Response().Header().Get("Idempotent-Replayed") != "" {
		line = append(line, "replayed", true)
	}
	a.Log.Info("operator act", line...)
}

// securityCodes are refusals that may come from somebody who tries what they must not, beside those
// of kind Forbidden.
var securityCodes = []string{errNoKey.Code, apikey.ErrInvalid.Code, billing.ErrBadSignature.Code}

// logRefusal writes a line for a refusal that matters for security.
func (a *App) logRefusal(c echo.Context, p *problem.Error) {
	if p.Kind != problem.Forbidden && !slices.Contains(securityCodes, p.Code) {
		return
	}
	line := []any{
		"request_id", requestIDOf(c), "code", p.Code, "method", c.Request().Method, "route", c.Path(), "client",
		c.RealIP(),
	}
	if prefix := apikey.PublicPart(bearer(c.Request())); prefix != "" {
		line = append(line, "key_prefix", prefix)
	}
	if p.Cause != nil {
		line = append(line, "error", p.Cause)
	}
	a.Log.Warn("request refused", line...)
}

// errLinkRefused is what the log says of a sign-in link that is not good any more, or never was;
// its page is made by renderLogin.
var errLinkRefused = problem.New(problem.Forbidden, "login_link_refused", "This link cannot be used.")
