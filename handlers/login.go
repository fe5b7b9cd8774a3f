package handlers

import (
	"errors"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/sitepath"
	"pop.store/credits/views"
)

func (a *App) loginPage(c echo.Context) error {
	_, signedIn, err := a.Sessions.Visitor(c.Request())
	if err != nil {
		return err
	}
	if signedIn {
		return c.Redirect(http.StatusSeeOther, sitepath.Safe(c.QueryParam("next")))
	}
	return a.renderLogin(c, http.StatusOK, func(m *views.SignInModel) { m.SignedOut = c.QueryParam("out") == "1" })
}

func (a *App) renderLogin(c echo.Context, status int, set func(*views.SignInModel)) error {
	m := views.SignInModel{Chrome: a.plainChrome(), Demo: a.DemoAccount != ""}
	if next := sitepath.Safe(c.QueryParam("next")); next != "/" {
		m.Next = next
	}
	if m.Demo {
		m.DemoName = a.demoName(c)
	}
	set(&m)
	return render(c, status, views.SignInPage(m))
}

// demoName is what the demo's shop is called; the page words it without a name when it cannot be read.
func (a *App) demoName(c echo.Context) string {
	ctx := c.Request().Context()
	id, err := a.Accounts.Find(ctx, a.DemoAccount)
	if err != nil {
		return ""
	}
	overview, err := a.Accounts.Overview(ctx, id)
	if err != nil {
		return ""
	}
	return overview.Name
}

// loginDemo is the demo's one click.
func (a *App) loginDemo(c echo.Context) error {
	form, err := formParams(c)
	if err != nil {
		return err
	}
	id, err := a.Accounts.Find(c.Request().Context(), a.DemoAccount)
	if err != nil {
		return err
	}
	if err := a.Sessions.SignIn(c.Response(), c.Request(),
		session.Visitor{Account: id, Role: session.RoleCreator}); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, sitepath.Safe(form.Get("next")))
}

var errPrefetch = problem.New(problem.Forbidden, "prefetch", "A sign-in link works when it is opened, not before.")

// loginLink signs in whoever brings an unused link of the host platform. It is the one GET that
// changes something: the host's dashboard sends the creator's browser here by a plain link, and the
// secret in it is good once, for a minute. Where somebody else is signed in it asks first: any site
// can send a browser here. A browser that only looks ahead does not use the link up.
func (a *App) loginLink(c echo.Context) error {
	if looksAhead(c.Request()) {
		return errPrefetch
	}
	visitor, signedIn, err := a.Sessions.Visitor(c.Request())
	if err != nil {
		return err
	}
	if !signedIn {
		return a.useLink(c)
	}
	account, err := a.Sessions.LinkAccount(c.Request().Context(), c.Param("token"))
	switch {
	case errors.Is(err, session.ErrLinkInvalid):
		return a.linkExpired(c)
	case err != nil:
		return err
	case account == visitor.Account:
		return a.useLink(c)
	}
	return a.askToSwitch(c, visitor.Account, account)
}

// looksAhead says whether a browser fetches a page that nobody has opened yet.
func looksAhead(r *http.Request) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if said := strings.ToLower(r.Header.Get(name)); strings.Contains(said, "prefetch") ||
			strings.Contains(said, "preview") || strings.Contains(said, "prerender") {
			return true
		}
	}
	return false
}

// askToSwitch asks whether to go on as another creator than the one who is signed in. The link is
// used up by the answer.
func (a *App) askToSwitch(c echo.Context, from, to uuid.UUID) error {
	m := views.SwitchModel{Chrome: a.plainChrome(), Action: c.Request().URL.Path}
	for id, name := range map[uuid.UUID]*string{from: &m.From, to: &m.To} {
		overview, err := a.Accounts.Overview(c.Request().Context(), id)
		if err != nil {
			return err
		}
		*name = overview.Name
	}
	return render(c, http.StatusOK, views.SwitchPage(m))
}

func (a *App) linkExpired(c echo.Context) error {
	a.logRefusal(c, errLinkRefused)
	return a.renderLogin(c, http.StatusForbidden, func(m *views.SignInModel) { m.Expired = true })
}

// useLink uses a link up and signs its creator in. As POST it is the answer to askToSwitch.
func (a *App) useLink(c echo.Context) error {
	account, next, err := a.Sessions.UseLink(c.Request().Context(), c.Param("token"))
	if errors.Is(err, session.ErrLinkInvalid) {
		return a.linkExpired(c)
	}
	if err != nil {
		return err
	}
	if err := a.Sessions.SignIn(c.Response(), c.Request(),
		session.Visitor{Account: account, Role: session.RoleCreator}); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, next)
}

func (a *App) logout(c echo.Context) error {
	if err := a.Sessions.SignOut(c.Response(), c.Request()); err != nil {
		return err
	}
	// What the browser has kept of this site, for the way back, is nobody's business any more.
	c.Response().Header().Set("Clear-Site-Data", `"cache"`)
	return c.Redirect(http.StatusSeeOther, "/login?out=1")
}
