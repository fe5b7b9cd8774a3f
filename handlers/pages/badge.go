package pages

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/handlers/web"
	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/present"
	"pop.store/credits/views"
)

// badge answers a poll: 204 while the tab shows the current state, else the new badge and its
// notice. It makes both from the overview and reads nothing more.
func (h *Handlers) badge(v *visit) error {
	model := h.badgeModel(v, pollInterval(v.now, v.LastAt))
	if v.QueryParam("v") == model.Version() {
		return v.NoContent(http.StatusNoContent)
	}
	return render(v, http.StatusOK, views.BadgeFragment(model))
}

// dismissNotice hides the low notice until the level changes.
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
	return render(v, http.StatusOK, views.BadgeFragment(h.badgeModel(v, pollInterval(v.now, v.LastAt))))
}

// badgeModel is the part of the layout that a poll replaces: the badge and the notice.
func (h *Handlers) badgeModel(v *visit, interval time.Duration) views.Chrome {
	if v.StoppedErr != nil {
		h.Log.Warn("paused agents cannot be read", "request_id", web.RequestID(v), "error", v.StoppedErr)
	}
	return views.Chrome{
		Owner:   ownerMark(v.ID),
		Now:     v.now,
		Zone:    v.Zone,
		Billing: v.Account.Zone,
		Here:    here(v.Request()),
		Badge: &views.BadgeModel{
			Level:        views.Level(v.State),
			Spendable:    v.Spendable,
			Held:         v.Held,
			PausedAgents: v.Paused + v.OverBudget,
			Stopped:      h.stopped(v.Stopped),
			Every:        jitter(interval),
			Pace:         interval,
			Closed:       !v.ClosedAt.IsZero(),
		},
		Notice: h.notice(v),
	}
}

// ownerMark tells accounts apart without naming them.
func ownerMark(account uuid.UUID) string {
	sum := sha256.Sum256(account[:])
	return hex.EncodeToString(sum[:6])
}

// pollInterval is how soon a badge polls again: after a few seconds while work runs, half a minute
// when it is quiet, two minutes when nothing has happened for long.
func pollInterval(now, lastWork time.Time) time.Duration {
	switch idle := now.Sub(lastWork); {
	case idle < 2*time.Minute:
		return 3 * time.Second
	case idle < 30*time.Minute:
		return 30 * time.Second
	}
	return 2 * time.Minute
}

// jitter is within a tenth of d, so that tabs do not all poll in the same second after a restart.
func jitter(d time.Duration) time.Duration {
	return (d - d/10 + time.Duration(rand.Int64N(int64(d)/5))).Round(time.Millisecond)
}

// notice is nil when accounts decided that there is nothing to say, and on the page of a purchase:
// who has just paid is not asked to buy more.
func (h *Handlers) notice(v *visit) *views.NoticeModel {
	if v.Notice == accounts.NoNotice {
		return nil
	}
	if at := shownPage(v.Request()); at != nil && isPurchase(at) {
		return nil
	}
	level := views.LevelLow
	if v.Notice == accounts.NoticeEmpty {
		level = views.LevelEmpty
	}
	m := present.Notice(h.Prices(), &v.Overview, level, v.Stopped.Agents)
	m.Soon = v.Notice == accounts.NoticeSoon
	m.Forecast = present.Forecast(v.First, v.Pace, v.Hurried)
	return &m
}

// maxStopped bounds the agents that every page and every poll of the badge describe.
const maxStopped = 20

// stopped are the agents that are paused although their creator did not turn them off: of many
// agents the first, and at least one for each reason.
func (h *Handlers) stopped(set ledger.StoppedAgents) []views.StoppedModel {
	var list []views.StoppedModel
	known := map[ledger.Reason]bool{}
	for i := range set.Agents {
		g := &set.Agents[i]
		if len(list) >= maxStopped && known[g.Reason] {
			continue
		}
		if g.State == ledger.AgentOutOfToken || g.State == ledger.AgentOverBudget {
			known[g.Reason] = true
			list = append(list, views.StoppedModel{
				Name: h.agentName(g),
				Stop: h.stopModel(g, set),
				Back: h.resumedModel(g).Words(),
			})
		}
	}
	return list
}

// stopModel says why an agent is paused, and where that is cured.
func (h *Handlers) stopModel(g *ledger.Agent, set ledger.StoppedAgents) views.StopModel {
	m := present.Stop(g, g.Reason)
	switch g.Reason.Cure() {
	case ledger.CureTokens:
		m.URL = web.BuyURL(g.Missing, "/agents")
	case ledger.CureReserve:
		m.KeptFor, m.URL = h.largestReserve(g, set)
	case ledger.CureBudget:
		m.URL = "/agents#" + views.AgentAnchor(g.ID) + "-budget"
	case ledger.CureTurnOn:
		m.URL = "/agents#" + views.AgentAnchor(g.ID)
	case ledger.CureNone:
	}
	return m
}

// largestReserve names who has most of what an agent may not spend, and where that is set.
func (h *Handlers) largestReserve(g *ledger.Agent, set ledger.StoppedAgents) (holder, url string) {
	holder, url = "your own tools", "/agents#own-reserve"
	most := set.OwnReserve
	for i := range set.Agents {
		if other := &set.Agents[i]; other.ID != g.ID && other.Reserve > most {
			most, holder, url = other.Reserve, h.agentName(other), "/agents#"+views.AgentAnchor(other.ID)+"-reserve"
		}
	}
	return holder, url
}
