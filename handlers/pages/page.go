package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/views"
)

// visit is a signed-in creator's request for a page.
type visit struct {
	echo.Context
	accounts.Overview
	now time.Time
}

// requireCreator serves signed-in creators, with their account as of now.
func (h *Handlers) requireCreator(serve func(v *visit) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		visitor, ok, err := h.Sessions.Visitor(c.Request())
		if err != nil {
			return err
		}
		if !ok {
			return web.ErrSignedOut
		}
		done, err := h.Reads.Acquire(c.Request().Context(), visitor.Account)
		if err != nil {
			return err
		}
		defer done()
		overview, err := h.Accounts.Overview(c.Request().Context(), visitor.Account)
		if err != nil {
			return err
		}
		return serve(&visit{
			Context:  c,
			Overview: overview,
			now:      h.Clock(),
		})
	}
}

// firstPoll is how soon a page that was just opened asks, whatever the pace: work often begins with
// a visit. The answer brings the pace that fits.
const firstPoll = 5 * time.Second

// chrome is what surrounds the page: the shop, the balance, the notice. Fragments have no place in
// the navigation.
func (h *Handlers) chrome(v *visit, nav views.Nav) views.Chrome {
	every := pace(v.now, v.LastAt)
	closed := !v.ClosedAt.IsZero()
	var stopped *views.TopUpNotice
	if nav != views.NavNone {
		every = min(every, firstPoll)
	}
	if nav != views.NavNone && !closed {
		stopped = h.topUpStopped(v)
	}
	set := h.agentsOf(v.Request().Context(), v)
	return views.Chrome{
		ShopName: v.Name,
		SignedIn: true,
		Owner:    ownerMark(v.ID),
		Nav:      nav,
		Now:      v.now,
		Zone:     v.Zone,
		Billing:  v.Account.Zone,
		Here:     here(v.Request()),
		Demo:     h.DemoAccount != "",
		Badge: &views.BadgeModel{
			Level:        views.Level(v.State),
			Spendable:    v.Spendable,
			Held:         v.Held,
			PausedAgents: v.Paused + v.OverBudget,
			Stopped:      h.stopped(set),
			Every:        jitter(every),
			Pace:         every,
			Closed:       closed,
		},
		Notice:   h.notice(v, set),
		TopUp:    stopped,
		Standing: h.standing(v),
	}
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

// ownerMark tells accounts apart without naming them.
func ownerMark(account uuid.UUID) string {
	sum := sha256.Sum256(account[:])
	return hex.EncodeToString(sum[:6])
}

// here is the address of the page that a request is for, or that a fragment is part of, where a
// purchase may lead back to it; else empty. The pages about balance and buying are where one ends
// up anyway, and an answer to a form has no address.
func here(r *http.Request) string {
	at := r.URL
	if r.Header.Get("HX-Request") != "" {
		shown, err := url.Parse(r.Header.Get("HX-Current-URL"))
		if err != nil {
			return ""
		}
		at = shown
	} else if !web.IsSafe(r) {
		return ""
	}
	if at.Path == "/credits" || at.Path == "/credits/buy" || strings.HasPrefix(at.Path, "/credits/purchases/") {
		return ""
	}
	return wayBack(at.RequestURI())
}

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
	chrome := h.chrome(&visit{
		Context:  c,
		Overview: overview,
		now:      h.Clock(),
	}, views.NavNone)
	chrome.Here = "" // nobody wants to come back to this
	return chrome
}

// notice says what accounts decided to say.
func (h *Handlers) notice(v *visit, set agentSet) *views.NoticeModel {
	if v.Notice == accounts.NoNotice {
		return nil
	}
	m := &views.NoticeModel{
		Level:       views.LevelLow,
		Soon:        v.Notice == accounts.NoticeSoon,
		Spendable:   v.Spendable,
		Held:        v.Held,
		Equivalents: h.equivalents(v.Spendable+v.Held, noticeFeatures),
		NextGrant:   h.nextGrant(v),
	}
	if v.Notice == accounts.NoticeEmpty {
		m.Level = views.LevelEmpty
		m.Waiting, m.GoOn = ledger.AtEmpty(set.agents)
	}
	if v.First != nil {
		m.Forecast = &views.Forecast{
			Who:  v.First.Who(),
			At:   v.First.At,
			Days: v.Pace.CompleteDays(),
			Hour: v.Hurried,
		}
	}
	return m
}

// nextGrant is the allowance that comes at the next boundary; nil when none will.
func (h *Handlers) nextGrant(v *visit) *views.NextGrant {
	if amount := v.NextAllowance(h.Prices()); amount > 0 {
		return &views.NextGrant{Amount: amount, At: v.NextReset}
	}
	return nil
}

// pace is how soon a badge asks again: a few seconds while work runs, half a minute when it is
// quiet, two minutes when nothing has happened for long.
func pace(now, lastWork time.Time) time.Duration {
	switch idle := now.Sub(lastWork); {
	case idle < 2*time.Minute:
		return 3 * time.Second
	case idle < 30*time.Minute:
		return 30 * time.Second
	}
	return 2 * time.Minute
}

// jitter is a duration within a tenth of d: tabs must not ask all in the same second after a restart.
func jitter(d time.Duration) time.Duration {
	return (d - d/10 + time.Duration(rand.Int64N(int64(d)/5))).Round(time.Millisecond)
}

// formParams are the fields of a form, which each come once.
func formParams(c echo.Context) (url.Values, error) {
	kind := c.Request().Header.Get("Content-Type")
	if kind != "" && !web.IsMediaType(kind, echo.MIMEApplicationForm) {
		return nil, errFormType
	}
	form, err := c.FormParams()
	if err != nil {
		return nil, web.BodyError(err)
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, web.Malformed("duplicate_parameter", name, name+" must come once.")
		}
	}
	return form, nil
}

var errFormType = problem.New(problem.MediaType, "unsupported_media_type",
	"Send the form as application/x-www-form-urlencoded.")

// completeForm is formParams for a form that has all of these fields: one that is missing must not
// pass for one that was left empty.
func completeForm(c echo.Context, fields ...string) (url.Values, error) {
	form, err := formParams(c)
	if err != nil {
		return nil, err
	}
	for _, name := range fields {
		if !form.Has(name) {
			return nil, &problem.Error{
				Kind:    problem.Malformed,
				Code:    "field_missing",
				Field:   name,
				Message: "The form has no field " + name + ". Nothing was changed.",
			}
		}
	}
	return form, nil
}

// badge answers the poll: 204 while the tab shows what is true, else the new badge, and its notice
// out of band.
func (h *Handlers) badge(v *visit) error {
	chrome := h.chrome(v, views.NavNone)
	if v.QueryParam("v") == chrome.Version() {
		return v.NoContent(http.StatusNoContent)
	}
	return render(v, http.StatusOK, views.BadgeFragment(chrome))
}

// dismissNotice puts the notice away.
func (h *Handlers) dismissNotice(v *visit) error {
	if err := h.Accounts.DismissNotice(v.Request().Context(), v.ID); err != nil {
		return err
	}
	if v.Request().Header.Get("HX-Request") == "" {
		return v.Redirect(http.StatusSeeOther, "/credits")
	}
	overview, err := h.Accounts.Overview(v.Request().Context(), v.ID)
	if err != nil {
		return err
	}
	v.Overview = overview
	return render(v, http.StatusOK, views.BadgeFragment(h.chrome(v, views.NavNone)))
}
