package pages

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/views"
)

// firstPoll is how soon a page that was just opened asks, whatever the pace: work often begins with
// a visit. The answer brings the pace that fits.
const firstPoll = 5 * time.Second

// chrome is what surrounds the page: the shop, the balance, the notice.
func (h *Handlers) chrome(v *visit, nav views.Nav) views.Chrome {
	c := h.badgeModel(v, min(pollInterval(v.now, v.LastAt), firstPoll))
	c.ShopName, c.SignedIn, c.Nav, c.Demo = v.Name, true, nav, h.DemoAccount != ""
	c.Standing = h.standing(v)
	if v.ClosedAt.IsZero() {
		c.TopUp = h.topUpStopped(v)
	}
	return c
}

// standing says that the account is closed or its plan canceled; nil for neither.
func (h *Handlers) standing(v *visit) *views.StandingModel {
	closed := !v.ClosedAt.IsZero()
	if !closed && v.PlanStatus != ledger.PlanCanceled {
		return nil
	}
	plan, _ := h.Prices().Plan(v.Plan)
	m := &views.StandingModel{
		Closed: closed,
		Plan:   plan.Name,
		Left:   v.Spendable,
	}
	if closed {
		m.Date = v.ClosedAt.In(v.Zone).Format("2 January 2006")
	}
	return m
}

// here is the address of the page to which a purchase may lead back; else empty. The pages about
// balance and buying are where a purchase ends anyway, and an answer to a form has no address.
func here(r *http.Request) string {
	at := shownPage(r)
	if at == nil || at.Path == "/credits" || at.Path == "/credits/buy" || isPurchase(at) {
		return ""
	}
	return wayBack(at.RequestURI())
}

// shownPage is the page that a request is for, or that a fragment is part of; nil for the answer to
// a form and for a page that cannot be told.
func shownPage(r *http.Request) *url.URL {
	if r.Header.Get("HX-Request") == "" {
		if web.IsSafe(r) {
			return r.URL
		}
		return nil
	}
	shown, err := url.Parse(r.Header.Get("HX-Current-URL"))
	if err != nil {
		return nil
	}
	return shown
}

func isPurchase(at *url.URL) bool { return strings.HasPrefix(at.Path, "/credits/purchases/") }

// plainChrome is the chrome for nobody in particular.
func (h *Handlers) plainChrome() views.Chrome {
	return views.Chrome{
		Now:  h.Clock(),
		Zone: time.UTC,
		Demo: h.DemoAccount != "",
	}
}

// chromeOrPlain is the chrome of an error page: the visitor's own when that can be had, else a plain one.
func (h *Handlers) chromeOrPlain(c echo.Context) views.Chrome {
	ctx := c.Request().Context()
	visitor, ok, err := h.Sessions.Visitor(c.Request())
	if err != nil || !ok {
		return h.plainChrome()
	}
	overview, err := h.Accounts.Overview(ctx, visitor.Account)
	if err != nil {
		return h.plainChrome()
	}
	v := &visit{
		Context:  c,
		Overview: overview,
		now:      h.Clock(),
	}
	chrome := h.badgeModel(v, pollInterval(v.now, v.LastAt))
	chrome.ShopName, chrome.SignedIn, chrome.Demo, chrome.Standing = v.Name, true, h.DemoAccount != "", h.standing(v)
	chrome.Here = "" // a purchase does not return to an error page
	return chrome
}
