package handlers

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"pop.store/credits/internal/session"
	"pop.store/credits/views"
)

func (a *App) loginPage(c echo.Context) error {
	_, signedIn, err := a.Sessions.Visitor(c.Request())
	if err != nil {
		return err
	}
	if signedIn {
		return c.Redirect(http.StatusSeeOther, session.SafeNext(c.QueryParam("next")))
	}
	return a.renderLogin(c, http.StatusOK, func(m *views.SignInModel) { m.SignedOut = c.QueryParam("out") == "1" })
}

func (a *App) renderLogin(c echo.Context, status int, set func(*views.SignInModel)) error {
	m := views.SignInModel{Chrome: a.plainChrome(), Demo: a.DemoAccount != ""}
	if next := session.SafeNext(c.QueryParam("next")); next != "/" {
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
	if err := a.Sessions.SignIn(c.Response(), c.Request(), session.Visitor{Account: id, Role: session.RoleCreator}); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, session.SafeNext(form.Get("next")))
}

// loginLink signs in whoever brings an unused link of the host platform. It is the one GET that changes something: the host's
// dashboard sends the creator's browser here by a plain link, and the secret in it is good once, for a minute.
func (a *App) loginLink(c echo.Context) error {
	account, next, err := a.Sessions.UseLink(c.Request().Context(), c.Param("token"))
	if errors.Is(err, session.ErrLinkInvalid) {
		a.logRefusal(c, errLinkRefused)
		return a.renderLogin(c, http.StatusForbidden, func(m *views.SignInModel) { m.Expired = true })
	}
	if err != nil {
		return err
	}
	if err := a.Sessions.SignIn(c.Response(), c.Request(), session.Visitor{Account: account, Role: session.RoleCreator}); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, next)
}

func (a *App) logout(c echo.Context) error {
	if err := a.Sessions.SignOut(c.Response(), c.Request()); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/login?out=1")
}
