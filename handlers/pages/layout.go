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

// firstPoll is the time to the first poll of a new page: work often begins with a visit. The answer
// then sets the usual interval.
const firstPoll = 5 * time.Second

// layout is the frame of the page: navigation, badge and notices.
func (h *Handlers) layout(req *creatorRequest, nav views.Nav) views.Layout {
	c := h.badgeModel(req, min(pollInterval(req.now, req.LastAt), firstPoll))
	c.ShopName, c.SignedIn, c.Nav, c.Demo = req.Name, true, nav, h.DemoAccount != ""
	c.AccountStatus = h.accountStatus(req)
	if req.ClosedAt.IsZero() {
		c.TopUp = h.topUpStopped(req)
	}
	return c
}

// accountStatus is nil unless the account is closed or its plan cancelled.
func (h *Handlers) accountStatus(req *creatorRequest) *views.AccountStatusModel {
	closed := !req.ClosedAt.IsZero()
	if !closed && req.PlanStatus != ledger.PlanCanceled {
		return nil
	}
	plan, _ := h.Prices().Plan(req.Plan)
	m := &views.AccountStatusModel{
		Closed: closed,
		Plan:   plan.Name,
		Left:   req.Spendable,
	}
	if closed {
		m.Date = req.ClosedAt.In(req.DisplayZone).Format("2 January 2006")
	}
	return m
}

// currentPath is the path of the page if a purchase may return to it, else empty. The pages about
// balance and buying are excluded, because a purchase ends there anyway. An answer to a form has no
// address to return to.
func currentPath(r *http.Request) string {
	at := shownPage(r)
	if at == nil || at.Path == "/credits" || at.Path == "/credits/buy" || isPurchase(at) {
		return ""
	}
	return returnPath(at.RequestURI())
}

// shownPage is the URL of the page that a request is for, or that a fragment belongs to. It is nil
// for the answer to a form, and if the page is unknown.
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

// signedOutLayout is the layout of pages without a creator.
func (h *Handlers) signedOutLayout() views.Layout {
	return views.Layout{
		Now:         h.Clock(),
		DisplayZone: time.UTC,
		Demo:        h.DemoAccount != "",
	}
}

// errorLayout is the layout of an error page: the visitor's own if it can be read, else that of a
// signed-out visitor.
func (h *Handlers) errorLayout(c echo.Context) views.Layout {
	ctx := c.Request().Context()
	visitor, ok, err := h.Sessions.Visitor(c.Request())
	if err != nil || !ok {
		return h.signedOutLayout()
	}
	overview, err := h.Notices.Overview(ctx, visitor.AccountID)
	if err != nil {
		return h.signedOutLayout()
	}
	req := &creatorRequest{
		Context:  c,
		Overview: overview,
		now:      h.Clock(),
	}
	layout := h.badgeModel(req, pollInterval(req.now, req.LastAt))
	layout.ShopName, layout.SignedIn, layout.Demo = req.Name, true, h.DemoAccount != ""
	layout.AccountStatus = h.accountStatus(req)
	layout.Here = "" // a purchase does not return to an error page
	return layout
}
