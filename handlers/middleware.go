package handlers

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
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

// requestID names the request in answers and logs. It is always ours: a client's own id could be anything.
func (a *App) requestID(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var raw [8]byte
		binary.BigEndian.PutUint64(raw[:], rand.Uint64()) // a name, not a secret
		c.Response().Header().Set(web.RequestIDHeader, hex.EncodeToString(raw[:]))
		return next(c)
	}
}

// logRequests writes one line for what went wrong and, at debug level, for the rest. The path's
// route is logged, not the path: login links carry their secret in it.
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

// contentSecurity allows what the pages are made of and nothing else: no inline code, no eval,
// nothing from elsewhere.
const contentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	formsToUs + "; frame-ancestors 'none'; base-uri 'none'"

// permissions turns off what no page uses.
const permissions = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()"

const formsToUs = "form-action 'self'"

// payingSecurity is contentSecurity for the page whose form ends at the payment page: browsers hold
// the redirect after a form to it, too.
func (a *App) payingSecurity() string {
	return strings.Replace(contentSecurity, formsToUs, strings.TrimSpace(formsToUs+" "+a.Billing.PaymentOrigin()), 1)
}

// alwaysSent stands in every answer. The values are shared: headers are set anew, never written in place.
var alwaysSent = http.Header{
	"Content-Security-Policy": {contentSecurity},
	"X-Content-Type-Options":  {"nosniff"},
	"X-Frame-Options":         {"DENY"},
	// same-origin, not no-referrer: that would make a form's Origin null and the form refused.
	"Referrer-Policy":              {"same-origin"},
	"Cross-Origin-Opener-Policy":   {"same-origin"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"Permissions-Policy":           {permissions},
}

func (a *App) securityHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		maps.Copy(h, alwaysSent)
		if c.Request().URL.Path == "/credits/buy" {
			h.Set("Content-Security-Policy", a.payingSecurity())
		}
		if a.BaseURL.Scheme == "https" {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		if !strings.HasPrefix(c.Request().URL.Path, "/static/") {
			h.Set("Cache-Control", a.caching(c.Request()))
		}
		return next(c)
	}
}

// caching lets browsers keep pages for the way back, where they forget them at sign-out: that is
// what Clear-Site-Data says, which they obey on a secure origin only. Everything else is not kept.
func (a *App) caching(r *http.Request) string {
	if a.secureOrigin() && web.IsSafe(r) && isPage(r) && r.Header.Get("HX-Request") == "" && !web.HasPathPrefix(r, "/login") {
		return "private, no-cache"
	}
	return "no-store"
}

// secureOrigin says whether browsers take the app's origin for a secure one: https, or this machine.
func (a *App) secureOrigin() bool {
	host := a.BaseURL.Hostname()
	ip, err := netip.ParseAddr(host)
	return a.BaseURL.Scheme == "https" || host == "localhost" || (err == nil && ip.IsLoopback())
}

// limit bounds the body and the time of a request.
func (a *App) limit(next echo.HandlerFunc) echo.HandlerFunc {
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

// readable refuses addresses that are no text. The database takes none of it, and its refusal would
// look like a failure of ours; and what cannot be parsed would be left out of a filter in silence.
func (a *App) readable(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if plain(u.Path) && plain(u.RawQuery) {
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

// plain says whether a part of an address is nothing but letters, digits and what needs no
// decoding, as nearly all are.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' || c == ';' {
			return false
		}
	}
	return true
}

var errCrossOrigin = problem.New(problem.Forbidden, "cross_origin", "This form can only be sent from its own page.")

// crossOrigin refuses unsafe requests that another site could have caused: browsers say where a
// request comes from in Sec-Fetch-Site, older ones in Origin; one that says neither is refused.
// What does not rest on a cookie is exempt: bearer keys, signatures and the tokens of links to
// unsubscribe cannot be sent by another site's page, which does not know them.
func (a *App) crossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		safe := web.IsSafe(r) || r.Method == http.MethodOptions
		exempt := web.HasPathPrefix(r, "/v1") || web.HasPathPrefix(r, "/webhooks") || web.HasPathPrefix(r, "/unsubscribe")
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

// ipExtractor believes X-Forwarded-For only from the configured proxies.
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
