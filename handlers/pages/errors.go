package pages

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// Error answers a failed request with a page, or sends people who are not signed in to the way in.
func (h *Handlers) Error(c echo.Context, p *problem.Error, status int) error {
	if p.Kind == problem.Unauthenticated {
		return h.toLogin(c)
	}
	id := web.RequestID(c)
	m := views.ErrorModel{
		Layout:    h.signedOutLayout(),
		Status:    status,
		RequestID: id,
	}
	if p.Kind == problem.Conflict || p.Kind == problem.Unprocessable || p.Kind == problem.Insufficient {
		m.Detail = p.Message // the message states a rule; for other errors the page has its own text
	}
	return h.renderError(c, m, status)
}

// renderError renders the error page in the visitor's own layout. What broke the page may break that
// layout, too; then the page has the layout of a signed-out visitor.
func (h *Handlers) renderError(c echo.Context, m views.ErrorModel, status int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			h.Log.Error("the layout of an error page failed", "request_id", web.RequestID(c), "panic", r)
			err = render(c, status, views.ErrorPage(m))
		}
	}()
	if status == http.StatusTooManyRequests {
		return render(c, status, views.ErrorPage(m)) // the visitor's own layout would be one more read
	}
	own := m
	own.Layout = h.errorLayout(c)
	return render(c, status, views.ErrorPage(own))
}

// toLogin sends a page to the way in. A fragment gets 401 and nothing else: the page that it is
// part of stays as it is, with what was typed, and the script says that the session has ended.
func (h *Handlers) toLogin(c echo.Context) error {
	target := "/login"
	if r := c.Request(); web.IsSafe(r) && r.Header.Get("HX-Request") == "" && r.URL.Path != "/" {
		target += "?next=" + url.QueryEscape(r.URL.RequestURI())
	}
	if c.Request().Header.Get("HX-Request") != "" {
		return c.NoContent(http.StatusUnauthorized)
	}
	return c.Redirect(http.StatusSeeOther, target)
}
