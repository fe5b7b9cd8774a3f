package pages

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// Error answers a failed request with a page. It redirects people who are not signed in to the
// sign-in page.
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
		m.Detail = p.Message // the message states a rule; other errors have a text of the page
	}
	return h.renderError(c, m, status)
}

// renderError renders the error page in the visitor's own layout. If that fails, for example by the
// same fault, it uses the layout of a signed-out visitor.
func (h *Handlers) renderError(c echo.Context, m views.ErrorModel, status int) (err error) {
	defer func() {
		if r := recover(); r != nil {
			h.Log.Error("the layout of an error page failed", "request_id", web.RequestID(c), "panic", r)
			err = render(c, status, views.ErrorPage(m))
		}
	}()
	if status == http.StatusTooManyRequests {
		return render(c, status, views.ErrorPage(m)) // the visitor's own layout would cost another read
	}
	own := m
	own.Layout = h.errorLayout(c)
	return render(c, status, views.ErrorPage(own))
}

// toLogin redirects a page to the sign-in page. A fragment gets 401: its page keeps what was typed,
// and the script says that the session has ended.
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
