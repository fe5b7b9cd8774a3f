// Package web holds what the JSON API and the pages share: reading requests, answering problems,
// cursors, and the limit on one account's concurrent reads.
package web

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/tokens"
)

// RequestIDHeader carries the id of a request in its answer.
const RequestIDHeader = "X-Request-Id"

// RequestID is the id under which the log and the answer name a request.
func RequestID(c echo.Context) string { return c.Response().Header().Get(RequestIDHeader) }

// Get routes GET and HEAD: net/http answers HEAD with the same headers and drops the body.
func Get(e *echo.Echo, path string, serve echo.HandlerFunc) {
	e.GET(path, serve)
	e.HEAD(path, serve)
}

// IsSafe reports whether a request's method changes nothing: GET or HEAD.
func IsSafe(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// HasPathPrefix reports whether a request is for prefix or a path below it.
func HasPathPrefix(r *http.Request, prefix string) bool {
	rest, ok := strings.CutPrefix(r.URL.Path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// IsText reports whether s can be stored by Postgres: valid UTF-8 without NUL.
func IsText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// BearerToken is the secret of the Authorization header, or empty.
func BearerToken(r *http.Request) string {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

// PurchaseID parses the path parameter "id". Anything but a canonical UUID is billing.ErrNoPurchase.
func PurchaseID(c echo.Context) (uuid.UUID, error) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || id.String() != c.Param("id") {
		return id, billing.ErrNoPurchase
	}
	return id, nil
}

// BuyURL is the path of the page that sells packs. need preselects a pack that is large enough;
// next is the path that a purchase returns to. Both are optional.
func BuyURL(need tokens.Amount, next string) string {
	query := url.Values{}
	if need > 0 {
		query.Set("need", need.String())
	}
	if next != "" {
		query.Set("next", next)
	}
	if len(query) == 0 {
		return "/credits/buy"
	}
	return "/credits/buy?" + query.Encode()
}
