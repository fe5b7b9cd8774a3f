package web

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/apikey"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/problem"
)

var (
	// ErrSignedOut redirects a page to the sign-in page.
	ErrSignedOut = problem.New(problem.Unauthenticated, "signed_out", "Sign in first.")
	// ErrMissingKey refuses an API request without a key.
	ErrMissingKey = problem.New(problem.Unauthenticated, "missing_api_key",
		"Send an API key: Authorization: Bearer <key>.")
)

// statuses is the one place where a kind of problem becomes a status.
var statuses = map[problem.Kind]int{
	problem.Internal:         http.StatusInternalServerError,
	problem.Malformed:        http.StatusBadRequest,
	problem.Unauthenticated:  http.StatusUnauthorized,
	problem.Insufficient:     http.StatusPaymentRequired,
	problem.Forbidden:        http.StatusForbidden,
	problem.NotFound:         http.StatusNotFound,
	problem.MethodNotAllowed: http.StatusMethodNotAllowed,
	problem.Conflict:         http.StatusConflict,
	problem.TooLarge:         http.StatusRequestEntityTooLarge,
	problem.MediaType:        http.StatusUnsupportedMediaType,
	problem.Unprocessable:    http.StatusUnprocessableEntity,
	problem.RateLimited:      http.StatusTooManyRequests,
	problem.KindUnavailable:  http.StatusServiceUnavailable,
}

// Status is the HTTP status of a kind of problem.
func Status(kind problem.Kind) int { return statuses[kind] }

// ProblemOf translates the errors of echo and net/http. A *problem.Error is returned as it is; an
// unknown error becomes an internal one.
func ProblemOf(err error) *problem.Error {
	var tooLarge *http.MaxBytesError
	var known *problem.Error
	var he *echo.HTTPError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &tooLarge):
		return problem.New(problem.TooLarge, "body_too_large", "The body is larger than %d bytes.", tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded):
		return problem.New(problem.KindUnavailable, "timeout",
			"This took too long. Try again with the same key.").Wrap(err)
	case !errors.As(err, &he):
		return problem.Of(err)
	case he.Code == http.StatusNotFound:
		return problem.New(problem.NotFound, "not_found", "There is nothing at this address.")
	case he.Code == http.StatusMethodNotAllowed:
		return problem.New(problem.MethodNotAllowed, "method_not_allowed", "This address does not take that method.")
	case he.Code < http.StatusInternalServerError:
		return problem.New(problem.Malformed, "bad_request", "The request cannot be read.").Wrap(err)
	}
	return problem.Of(err)
}

// IsRetryable reports whether the same request may succeed a moment later.
func IsRetryable(p *problem.Error) bool {
	return p.Kind == problem.KindUnavailable || p.Kind == problem.RateLimited
}

// SetRetryAfter asks the client to wait one to three seconds. The jitter keeps rejected clients from
// returning in the same second.
func SetRetryAfter(c echo.Context) {
	c.Response().Header().Set("Retry-After", strconv.Itoa(1+rand.IntN(3)))
}

// WriteProblem answers with an RFC 9457 problem document.
func WriteProblem(c echo.Context, p *problem.Error, status int) error {
	if p.Kind == problem.Unauthenticated {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="credits"`)
	}
	body, err := json.Marshal(ProblemDocument(c, p, status))
	if err != nil {
		return err
	}
	return c.Blob(status, "application/problem+json", append(body, '\n'))
}

// ProblemDocument is the body of WriteProblem.
func ProblemDocument(c echo.Context, p *problem.Error, status int) map[string]any {
	document := map[string]any{
		"type":       "about:blank",
		"title":      http.StatusText(status),
		"status":     status,
		"code":       p.Code,
		"detail":     p.Message,
		"request_id": RequestID(c),
	}
	if p.Field != "" {
		document["field"] = p.Field
	}
	for name, value := range p.Details {
		document[name] = value
	}
	return document
}

// LogFailure logs server errors, and client errors that matter for security.
func LogFailure(log *slog.Logger, c echo.Context, p *problem.Error, status int) {
	if status < http.StatusInternalServerError {
		LogRefusal(log, c, p)
		return
	}
	level := slog.LevelError
	if problem.IsUnavailable(p) {
		log = logs.Database(log)
	}
	if errors.Is(p, context.Canceled) {
		level = slog.LevelDebug // the client disconnected
	}
	log.Log(c.Request().Context(), level, "request failed",
		"request_id", RequestID(c),
		"code", p.Code,
		"method", c.Request().Method,
		"route", c.Path(),
		"status", status,
		"error", p,
	)
}

// securityCodes are logged besides all problems of kind Forbidden: each may be an attack.
var securityCodes = []string{ErrMissingKey.Code, apikey.ErrInvalid.Code, billing.ErrBadSignature.Code}

// LogRefusal logs a client error that matters for security, and ignores others.
func LogRefusal(log *slog.Logger, c echo.Context, p *problem.Error) {
	if p.Kind != problem.Forbidden && !slices.Contains(securityCodes, p.Code) {
		return
	}
	line := []any{
		"request_id", RequestID(c),
		"code", p.Code,
		"method", c.Request().Method,
		"route", c.Path(),
		"client", c.RealIP(),
	}
	if prefix := apikey.PublicPart(BearerToken(c.Request())); prefix != "" {
		line = append(line, "key_prefix", prefix)
	}
	if p.Cause != nil {
		line = append(line, "error", p.Cause)
	}
	log.Warn("request refused", line...)
}
