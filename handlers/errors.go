package handlers

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// statuses is the one place where a kind of failure becomes a status.
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
	problem.Unavailable:      http.StatusServiceUnavailable,
}

// answerTime bounds the making of an error page, which reads the balance for its header.
const answerTime = 2 * time.Second

// respondError answers a failed request: as a page where people are, as a problem document elsewhere.
func (a *App) respondError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := a.problemOf(err)
	status := statuses[p.Kind]
	// A request that ran out of time still gets its answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), answerTime)
	defer cancel()
	c.SetRequest(c.Request().WithContext(ctx))
	a.logFailure(c, p, status)
	if asksAgain(p) {
		setRetryAfter(c)
	}
	if isPage(c.Request()) {
		err = a.errorPage(c, p, status)
	} else {
		err = writeProblem(c, p, status)
	}
	if err != nil {
		a.Log.Error("an error could not be answered", "request_id", requestIDOf(c), "error", err)
	}
}

// isPage says whether a person's browser asked.
func isPage(r *http.Request) bool {
	return !under(r, "/v1") && !under(r, "/webhooks") && !under(r, "/healthz") && !under(r, "/readyz")
}

// problemOf translates what echo and net/http report into the project's own kind of error.
func (a *App) problemOf(err error) *problem.Error {
	var tooLarge *http.MaxBytesError
	var own *problem.Error
	var he *echo.HTTPError
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &tooLarge):
		return problem.New(problem.TooLarge, "body_too_large", "The body is larger than %d bytes.", tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded):
		return problem.New(problem.Unavailable, "timeout",
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

// logFailure writes a line for what went wrong on our side, and for refusals that matter for
// security. The rest is logged at debug level.
func (a *App) logFailure(c echo.Context, p *problem.Error, status int) {
	if status < http.StatusInternalServerError {
		a.logRefusal(c, p)
		return
	}
	lines, level := a.Log, slog.LevelError
	if p.Code == ledger.ErrUnavailable.Code {
		lines = logs.Database(lines)
	}
	if errors.Is(p, context.Canceled) {
		level = slog.LevelDebug // the client left, which is no failure of ours
	}
	lines.Log(c.Request().Context(), level, "request failed", "request_id", requestIDOf(c), "code", p.Code, "method",
		c.Request().Method,
		"route", c.Path(), "status", status, "error", p)
}

// writeProblem answers an RFC 9457 problem document.
func writeProblem(c echo.Context, p *problem.Error, status int) error {
	if p.Kind == problem.Unauthenticated {
		c.Response().Header().Set("WWW-Authenticate", `Bearer realm="credits"`)
	}
	body, err := json.Marshal(problemDocument(c, p, status))
	if err != nil {
		return err
	}
	return c.Blob(status, "application/problem+json", append(body, '\n'))
}

func problemDocument(c echo.Context, p *problem.Error, status int) map[string]any {
	document := map[string]any{
		"type":       "about:blank",
		"title":      http.StatusText(status),
		"status":     status,
		"code":       p.Code,
		"detail":     p.Message,
		"request_id": requestIDOf(c),
	}
	if p.Field != "" {
		document["field"] = p.Field
	}
	for name, value := range p.Details {
		document[name] = value
	}
	return document
}

// errorPage answers a page, or sends people who are not signed in to the way in.
func (a *App) errorPage(c echo.Context, p *problem.Error, status int) error {
	if p.Kind == problem.Unauthenticated {
		return a.toLogin(c)
	}
	id := requestIDOf(c)
	m := views.ErrorModel{
		Chrome:    a.plainChrome(),
		Status:    status,
		RequestID: id,
	}
	if p.Kind == problem.Conflict || p.Kind == problem.Unprocessable || p.Kind == problem.Insufficient {
		m.Detail = p.Message // a rule of the wallet; what else goes wrong the page words by itself
	}
	return a.renderError(c, m, status)
}

// renderError shows the visitor's own chrome. What broke the page may break that, too: then it goes without.
func (a *App) renderError(c echo.Context, m views.ErrorModel, status int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			a.Log.Error("an error page goes without its chrome", "request_id", requestIDOf(c), "panic", r)
			err = render(c, status, views.ErrorPage(m))
		}
	}()
	if status == http.StatusTooManyRequests {
		return render(c, status, views.ErrorPage(m)) // the visitor's own chrome would be one more read
	}
	dressed := m
	dressed.Chrome = a.chromeOrPlain(c)
	return render(c, status, views.ErrorPage(dressed))
}

// toLogin sends a page to the way in. A fragment gets 401 and nothing else: the page that it is
// part of stays as it is, with what was typed, and the script says that the session has ended.
func (a *App) toLogin(c echo.Context) error {
	target := "/login"
	if r := c.Request(); reads(r) && r.Header.Get("HX-Request") == "" && r.URL.Path != "/" {
		target += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	if c.Request().Header.Get("HX-Request") != "" {
		return c.NoContent(http.StatusUnauthorized)
	}
	return c.Redirect(http.StatusSeeOther, target)
}
