package handlers

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/problem"
)

// requestID sets the id of the request. An id sent by the client is ignored: it could be anything.
func (a *App) requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var raw [8]byte
		binary.BigEndian.PutUint64(raw[:], rand.Uint64()) // an id, not a secret
		c.Response().Header().Set(web.RequestIDHeader, hex.EncodeToString(raw[:]))
		return next(c)
	}
}

// logRequests handles the error, so that the log has the final status. It logs the route, not the path:
// the path of a login link contains its secret.
func (a *App) logRequests(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		if !a.Log.Enabled(c.Request().Context(), slog.LevelDebug) {
			return nil
		}
		a.Log.Debug("request", "request_id", web.RequestID(c), "method", c.Request().Method, "route", c.Path(),
			"status", c.Response().Status, "bytes", c.Response().Size, "took", time.Since(start).String())
		return nil
	}
}

func (a *App) recoverPanics(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		return next(c)
	}
}

// contentSecurity allows only what the pages use: no inline code, no eval, no other origin.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	formsToUs + "; frame-ancestors 'none'; base-uri 'none'"

// permissions turns off browser features that no page uses.
const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()"

const formsToUs = "form-action 'self'"

// payingSecurity is contentSecurity for the page whose form redirects to the payment provider:
// form-action covers redirects too.
func (a *App) payingSecurity() string {
	return strings.Replace(contentSecurity, formsToUs, strings.TrimSpace(formsToUs+" "+a.Billing.PaymentOrigin()), 1)
}

// header is one header of a response. values is shared by all responses, so it is never modified.
type header struct {
	name   string
	values []string
}

// fixedHeaders are sent with every response.
var fixedHeaders = []header{
	{"Content-Security-Policy", []string{contentSecurity}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	// same-origin, not no-referrer: no-referrer makes a form's Origin null, and the form is refused.
	{"Referrer-Policy", []string{"same-origin"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Permissions-Policy", []string{permissions}},
}

var (
	cacheNever      = []string{"no-store"}
	cacheRevalidate = []string{"private, no-cache"}
)

// securityHeaders computes what is the same for all requests once: echo calls a middleware anew for
// each request.
func (a *App) securityHeaders() echo.MiddlewareFunc {
	fixed, secure := fixedHeaders, a.secureOrigin()
	if a.BaseURL.Scheme == "https" {
		fixed = append(slices.Clone(fixed),
			header{"Strict-Transport-Security", []string{"max-age=31536000; includeSubDomains"}})
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h, path := c.Response().Header(), c.Request().URL.Path
			for i := range fixed {
				h[fixed[i].name] = fixed[i].values
			}
			if path == "/credits/buy" {
				h.Set("Content-Security-Policy", a.payingSecurity())
			}
			if !strings.HasPrefix(path, "/static/") {
				h["Cache-Control"] = caching(c.Request(), secure)
			}
			return next(c)
		}
	}
}

// caching lets browsers keep pages for the back button only where signing out clears them: browsers
// obey Clear-Site-Data on secure origins only. Nothing else is kept.
func caching(r *http.Request, secureOrigin bool) []string {
	if secureOrigin && web.IsSafe(r) && isPage(r) && r.Header.Get("HX-Request") == "" &&
		!web.HasPathPrefix(r, "/login") {
		return cacheRevalidate
	}
	return cacheNever
}

// secureOrigin reports whether browsers treat the app's origin as secure: https, or this machine.
func (a *App) secureOrigin() bool {
	host := a.BaseURL.Hostname()
	ip, err := netip.ParseAddr(host)
	return a.BaseURL.Scheme == "https" || host == "localhost" || (err == nil && ip.IsLoopback())
}

// limitRequest bounds the body and the time of a request.
func (a *App) limitRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		r.Body = http.MaxBytesReader(c.Response(), r.Body, bodyLimit(r.URL.Path))
		ctx, cancel := context.WithTimeout(r.Context(), requestTime)
		defer cancel()
		c.SetRequest(r.WithContext(ctx))
		return next(c)
	}
}

func bodyLimit(path string) int64 {
	switch {
	case path == "/v1/charges", path == "/v1/balances":
		return maxBulk
	case strings.HasPrefix(path, "/webhooks/"):
		return maxEvent
	}
	return maxBody
}

var errAddress = problem.New(problem.Malformed, "bad_address", "The address cannot be read.")

// rejectInvalidText rejects paths and queries that are not valid text: Postgres would reject them with
// an error that looks internal, and a filter would silently ignore what cannot be parsed.
func (a *App) rejectInvalidText(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if isUnescaped(u.Path) && isUnescaped(u.RawQuery) {
			return next(c)
		}
		query, err := url.ParseQuery(u.RawQuery)
		if err != nil || !web.IsText(u.Path) {
			return errAddress
		}
		for name, values := range query {
			if !web.IsText(name) || slices.ContainsFunc(values, func(v string) bool { return !web.IsText(v) }) {
				return errAddress
			}
		}
		return next(c)
	}
}

// isUnescaped reports whether s needs no decoding, which is true for nearly all requests.
func isUnescaped(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' || c == ';' {
			return false
		}
	}
	return true
}

var errCrossOrigin = problem.New(problem.Forbidden, "cross_origin", "This form can only be sent from its own page.")

// rejectCrossOrigin rejects unsafe requests that another site could have caused. Browsers name the
// origin in Sec-Fetch-Site, older ones in Origin; a request with neither is rejected. Routes that do
// not use the session cookie are exempt: another site knows no API key, signature or unsubscribe token.
func (a *App) rejectCrossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		safe := web.IsSafe(r) || r.Method == http.MethodOptions
		exempt := web.HasPathPrefix(r, "/v1") || web.HasPathPrefix(r, "/webhooks") ||
			web.HasPathPrefix(r, "/unsubscribe")
		if !safe && !exempt && !a.sameOrigin(r) {
			return errCrossOrigin
		}
		return next(c)
	}
}

func (a *App) sameOrigin(r *http.Request) bool {
	if len(r.Header["Sec-Fetch-Site"]) > 1 || len(r.Header["Origin"]) > 1 {
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Host == "" {
		return false
	}
	return origin.Scheme == a.BaseURL.Scheme && (origin.Host == r.Host || origin.Host == a.BaseURL.Host)
}

// ipExtractor uses X-Forwarded-For only from the configured proxies.
func (a *App) ipExtractor() echo.IPExtractor {
	if len(a.TrustedProxies) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range a.TrustedProxies {
		_, network, err := net.ParseCIDR(p.Masked().String())
		if err == nil {
			options = append(options, echo.TrustIPRange(network))
		}
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
