package pages

import (
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/sitepath"
	"pop.store/credits/views"
)

func (h *Handlers) loginPage(c echo.Context) error {
	_, signedIn, err := h.Sessions.Visitor(c.Request())
	if err != nil {
		return err
	}
	if signedIn {
		return c.Redirect(http.StatusSeeOther, sitepath.Safe(c.QueryParam("next")))
	}
	return h.renderLogin(c, http.StatusOK, func(m *views.SignInModel) { m.SignedOut = c.QueryParam("out") == "1" })
}

func (h *Handlers) renderLogin(c echo.Context, status int, set func(*views.SignInModel)) error {
	m := views.SignInModel{Layout: h.signedOutLayout(), Demo: h.DemoAccount != ""}
	if next := sitepath.Safe(c.QueryParam("next")); next != "/" {
		m.Next = next
	}
	if m.Demo {
		m.DemoName = h.demoName(c)
	}
	set(&m)
	return render(c, status, views.SignInPage(m))
}

// demoName is the name of the demo's shop, or empty if it cannot be read.
func (h *Handlers) demoName(c echo.Context) string {
	ctx := c.Request().Context()
	id, err := h.Directory.Find(ctx, h.DemoAccount)
	if err != nil {
		return ""
	}
	overview, err := h.Notices.Overview(ctx, id)
	if err != nil {
		return ""
	}
	return overview.Name
}

// loginDemo signs in to the demo account without a link.
func (h *Handlers) loginDemo(c echo.Context) error {
	form, err := formParams(c)
	if err != nil {
		return err
	}
	id, err := h.Directory.Find(c.Request().Context(), h.DemoAccount)
	if err != nil {
		return err
	}
	if err := h.Sessions.SignIn(c.Response(), c.Request(),
		session.Visitor{AccountID: id, Role: session.RoleCreator}); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, sitepath.Safe(form.Get("next")))
}

var errPrefetch = problem.New(problem.Forbidden, "prefetch", "A sign-in link works when it is opened, not before.")

// loginLink signs a browser in with an unused link of the host platform. It is the only GET that
// writes: the host's dashboard redirects the creator's browser here. The secret is valid once, for
// a minute. If another account is signed in, a page asks first, since any site can send a browser
// here. A prefetch does not use the link.
func (h *Handlers) loginLink(c echo.Context) error {
	if isPrefetch(c.Request()) {
		return errPrefetch
	}
	visitor, signedIn, err := h.Sessions.Visitor(c.Request())
	if err != nil {
		return err
	}
	if !signedIn {
		return h.useLink(c)
	}
	account, err := h.Sessions.LinkAccount(c.Request().Context(), c.Param("token"))
	switch {
	case errors.Is(err, session.ErrLinkInvalid):
		return h.linkExpired(c)
	case err != nil:
		return err
	case account == visitor.AccountID:
		return h.useLink(c)
	}
	return h.confirmSwitch(c, visitor.AccountID, account)
}

// isPrefetch reports whether the browser fetches a page ahead of time.
func isPrefetch(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if said := strings.ToLower(r.Header.Get(name)); strings.Contains(said, "prefetch") ||
			strings.Contains(said, "preview") || strings.Contains(said, "prerender") {
			return true
		}
	}
	return false
}

// confirmSwitch asks whether to continue as another creator. The answer uses the link up.
func (h *Handlers) confirmSwitch(c echo.Context, from, to uuid.UUID) error {
	m := views.SwitchModel{Layout: h.signedOutLayout(), Action: c.Request().URL.Path}
	for id, name := range map[uuid.UUID]*string{from: &m.From, to: &m.To} {
		overview, err := h.Notices.Overview(c.Request().Context(), id)
		if err != nil {
			return err
		}
		*name = overview.Name
	}
	return render(c, http.StatusOK, views.SwitchPage(m))
}

func (h *Handlers) linkExpired(c echo.Context) error {
	web.LogRefusal(h.Log, c, errLinkRefused)
	return h.renderLogin(c, http.StatusForbidden, func(m *views.SignInModel) { m.Expired = true })
}

// useLink uses up a link and signs its creator in. As POST it is the answer to confirmSwitch.
func (h *Handlers) useLink(c echo.Context) error {
	account, next, err := h.Sessions.UseLink(c.Request().Context(), c.Param("token"))
	if errors.Is(err, session.ErrLinkInvalid) {
		return h.linkExpired(c)
	}
	if err != nil {
		return err
	}
	if err := h.Sessions.SignIn(c.Response(), c.Request(),
		session.Visitor{AccountID: account, Role: session.RoleCreator}); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, next)
}

func (h *Handlers) logout(c echo.Context) error {
	if err := h.Sessions.SignOut(c.Response(), c.Request()); err != nil {
		return err
	}
	// Pages in the browser's cache must not be shown to the next user.
	c.Response().Header().Set("Clear-Site-Data", `"cache"`)
	return c.Redirect(http.StatusSeeOther, "/login?out=1")
}

// errLinkRefused is logged for an expired or unknown sign-in link; renderLogin makes its page.
var errLinkRefused = problem.New(problem.Forbidden, "login_link_refused", "This link cannot be used.")
