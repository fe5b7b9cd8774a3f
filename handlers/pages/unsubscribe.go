package pages

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"pop.store/credits/views"
)

// unsubscribePage asks for confirmation. It changes nothing, since mail programs open links by
// themselves.
func (h *Handlers) unsubscribePage(c echo.Context) error {
	on, err := h.Mail.Subscribed(c.Request().Context(), c.Param("token"))
	if err != nil {
		return err
	}
	return render(c, http.StatusOK, views.UnsubscribePage(views.UnsubscribeModel{
		Layout: h.signedOutLayout(),
		URL:    strings.TrimSuffix(c.Request().URL.Path, "/undo"),
		Done:   !on,
	}))
}

// unsubscribe handles the page's form and the one-click request of a mail program (RFC 8058). The
// latter has no cookie, has any origin, and follows no redirect. The token identifies and
// authorizes, so the body is not read.
func (h *Handlers) unsubscribe(c echo.Context) error {
	if err := h.Mail.Unsubscribe(c.Request().Context(), c.Param("token")); err != nil {
		return err
	}
	return render(c, http.StatusOK, views.UnsubscribePage(views.UnsubscribeModel{
		Layout: h.signedOutLayout(),
		URL:    c.Request().URL.Path,
		Done:   true,
	}))
}

// resubscribe undoes unsubscribe.
func (h *Handlers) resubscribe(c echo.Context) error {
	if err := h.Mail.Resubscribe(c.Request().Context(), c.Param("token")); err != nil {
		return err
	}
	path := strings.TrimSuffix(c.Request().URL.Path, "/undo")
	return render(c, http.StatusOK, views.UnsubscribePage(views.UnsubscribeModel{
		Layout: h.signedOutLayout(),
		URL:    path,
		Undone: true,
	}))
}
