package pages

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/recap"
	"pop.store/credits/views"
)

// A visit ends when the home page has not been opened for visitGap. The next visit shows what
// happened since then, unless it comes after longestAway.
const (
	visitGap    = 30 * time.Minute
	longestAway = 60 * 24 * time.Hour
)

// visitTimes is what a browser stores about visits to an account's home page: at most two times, in
// seconds.
type visitTimes struct {
	account uuid.UUID
	before  time.Time // when the previous visit ended; zero at the first visit
	seen    time.Time // the last request of this visit
}

// visitCookie is the name of the cookie with the visit times. They only select the period to sum
// up, so a forged cookie reveals nothing of others.
func (h *Handlers) visitCookie() string {
	if h.BaseURL.Scheme == "https" {
		return "__Host-visits"
	}
	return "visits"
}

// readVisits parses the cookie. It ignores invalid values and those of another account.
func readVisits(text string, account uuid.UUID) visitTimes {
	parts := strings.Split(text, ".")
	none := visitTimes{account: account}
	if len(parts) != 3 || parts[0] != account.String() {
		return none
	}
	before, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return none
	}
	seen, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || before < 0 || seen < before {
		return none
	}
	v := visitTimes{account: account, seen: time.Unix(seen, 0).UTC()}
	if before > 0 {
		v.before = time.Unix(before, 0).UTC()
	}
	return v
}

func (l visitTimes) String() string {
	before := int64(0)
	if !l.before.IsZero() {
		before = l.before.Unix()
	}
	return fmt.Sprintf("%s.%d.%d", l.account, before, l.seen.Unix())
}

// at records a visit at now.
func (l visitTimes) at(now time.Time) visitTimes {
	if !l.seen.IsZero() && now.Sub(l.seen) >= visitGap {
		l.before = l.seen
	}
	l.seen = now
	if now.Sub(l.before) > longestAway || l.before.After(now) {
		l.before = time.Time{}
	}
	return l
}

// recap sums up what happened since this browser's last visit, and records this visit.
func (h *Handlers) recap(req *creatorRequest) (views.RecapModel, error) {
	text := ""
	if c, err := req.Cookie(h.visitCookie()); err == nil {
		text = c.Value
	}
	now := readVisits(text, req.ID).at(req.now)
	req.SetCookie(&http.Cookie{
		Name:     h.visitCookie(),
		Value:    now.String(),
		Path:     "/",
		MaxAge:   int(longestAway / time.Second),
		HttpOnly: true,
		Secure:   h.BaseURL.Scheme == "https",
		SameSite: http.SameSiteLaxMode,
	})
	if now.before.IsZero() {
		return views.RecapModel{}, nil
	}
	r, err := recap.Of(req.Request().Context(), h.Ledger, &req.Account, now.before)
	if err != nil {
		return views.RecapModel{}, err
	}
	m := views.RecapModel{
		Since:     r.Since,
		Spent:     r.Spent,
		Bought:    r.Bought,
		Arrived:   r.Arrived,
		Expired:   r.Expired,
		Returned:  r.Returned,
		TakenBack: r.TakenBack,
		Back:      h.agentNames(r.Back),
	}
	for i := range r.Paused {
		m.Paused = append(
			m.Paused,
			h.agentModel(&r.Paused[i], ledger.StoppedAgents{Agents: r.Agents, OwnReserve: r.Own}),
		)
	}
	return m, nil
}

func (h *Handlers) agentNames(list []ledger.Agent) []string {
	var names []string
	for i := range list {
		names = append(names, h.agentName(&list[i]))
	}
	return names
}
