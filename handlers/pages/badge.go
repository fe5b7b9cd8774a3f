package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/notice"
	"pop.store/credits/internal/present"
	"pop.store/credits/views"
)

// badge answers a poll: 204 while the tab shows the current state, else the new badge and its
// notice. It makes both from the overview and reads nothing more.
func (h *Handlers) badge(req *creatorRequest) error {
	model := h.badgeModel(req, pollInterval(req.now, req.LastAt))
	if req.QueryParam("v") == model.Version() {
		return req.NoContent(http.StatusNoContent)
	}
	return render(req, http.StatusOK, views.BadgeFragment(model))
}

// dismissNotice hides the low notice until the level changes.
func (h *Handlers) dismissNotice(req *creatorRequest) error {
	if err := h.Notices.Dismiss(req.Request().Context(), req.ID); err != nil {
		return err
	}
	if req.Request().Header.Get("HX-Request") == "" {
		return req.Redirect(http.StatusSeeOther, "/credits")
	}
	overview, err := h.Notices.Overview(req.Request().Context(), req.ID)
	if err != nil {
		return err
	}
	req.Overview = overview
	return render(req, http.StatusOK, views.BadgeFragment(h.badgeModel(req, pollInterval(req.now, req.LastAt))))
}

// badgeModel is the part of the layout that a poll replaces: the badge and the notice.
func (h *Handlers) badgeModel(req *creatorRequest, interval time.Duration) views.Layout {
	if req.StoppedErr != nil {
		h.Log.Warn("paused agents cannot be read", "request_id", web.RequestID(req), "error", req.StoppedErr)
	}
	return views.Layout{
		Owner:       ownerMark(req.ID),
		Now:         req.now,
		DisplayZone: req.DisplayZone,
		BillingZone: req.BillingZone,
		Here:        currentPath(req.Request()),
		Badge: &views.BadgeModel{
			Level:        views.Level(req.Level.String()),
			Spendable:    req.Spendable,
			Held:         req.Held,
			PausedAgents: req.Paused + req.OverBudget,
			Stopped:      h.stopped(req.Stopped),
			Every:        jitter(interval),
			Pace:         interval,
			Closed:       !req.ClosedAt.IsZero(),
		},
		Notice: h.notice(req),
	}
}

// ownerMark tells accounts apart without naming them.
func ownerMark(account uuid.UUID) string {
	sum := sha256.Sum256(account[:])
	return hex.EncodeToString(sum[:6])
}

// pollInterval is the time until a badge polls again: a few seconds while jobs run, half a minute
// soon after, two minutes when the account has long been idle.
func pollInterval(now, lastWork time.Time) time.Duration {
	switch idle := now.Sub(lastWork); {
	case idle < 2*time.Minute:
		return 3 * time.Second
	case idle < 30*time.Minute:
		return 30 * time.Second
	}
	return 2 * time.Minute
}

// jitter is a random duration within a tenth of d, so that tabs do not all poll in the same second
// after a restart.
func jitter(d time.Duration) time.Duration {
	return (d - d/10 + time.Duration(rand.Int64N(int64(d)/5))).Round(time.Millisecond)
}

// notice is nil when there is nothing to show, and on the page of a purchase: after a payment no notice
// suggests a further one.
func (h *Handlers) notice(req *creatorRequest) *views.NoticeModel {
	if req.Notice == notice.None {
		return nil
	}
	if at := shownPage(req.Request()); at != nil && isPurchase(at) {
		return nil
	}
	level := views.LevelLow
	if req.Notice == notice.Empty {
		level = views.LevelEmpty
	}
	m := present.Notice(h.Prices(), &req.Overview, level, req.Stopped.Agents)
	m.Soon = req.Notice == notice.Soon
	m.Forecast = present.Forecast(req.First, req.Pace, req.Hurried)
	return &m
}

// maxStopped limits the paused agents that pages and badge polls describe.
const maxStopped = 20

// stopped lists the agents that are paused, except by their creator. Of many agents it lists the
// first ones, and at least one for each reason.
func (h *Handlers) stopped(set ledger.StoppedAgents) []views.StoppedModel {
	var list []views.StoppedModel
	known := map[ledger.Reason]bool{}
	for i := range set.Agents {
		agent := &set.Agents[i]
		if len(list) >= maxStopped && known[agent.Reason] {
			continue
		}
		if agent.State == ledger.AgentOutOfToken || agent.State == ledger.AgentOverBudget {
			known[agent.Reason] = true
			list = append(list, views.StoppedModel{
				Name: h.agentName(agent),
				Stop: h.stopModel(agent, set),
				Back: h.resumedModel(agent).Text(),
			})
		}
	}
	return list
}

// stopModel says why an agent is paused, and where the creator can change that.
func (h *Handlers) stopModel(agent *ledger.Agent, set ledger.StoppedAgents) views.StopModel {
	m := present.Stop(agent, agent.Reason)
	switch agent.Reason.Cure() {
	case ledger.CureTokens:
		m.URL = web.BuyURL(agent.Missing, "/agents")
	case ledger.CureReserve:
		m.KeptFor, m.URL = h.largestReserve(agent, set)
	case ledger.CureBudget:
		m.URL = "/agents#" + views.AgentAnchor(agent.ID) + "-budget"
	case ledger.CureTurnOn:
		m.URL = "/agents#" + views.AgentAnchor(agent.ID)
	case ledger.CureNone:
	}
	return m
}

// largestReserve names the holder of the largest reserve that the agent cannot spend, and links to
// its form.
func (h *Handlers) largestReserve(agent *ledger.Agent, set ledger.StoppedAgents) (holder, url string) {
	holder, url = "your own tools", "/agents#own-reserve"
	most := set.OwnReserve
	for i := range set.Agents {
		if other := &set.Agents[i]; other.ID != agent.ID && other.Reserve > most {
			most, holder, url = other.Reserve, h.agentName(other), "/agents#"+views.AgentAnchor(other.ID)+"-reserve"
		}
	}
	return holder, url
}
