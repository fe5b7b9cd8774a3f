package engine_test

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// twinAgent is an agent of the twin's.
type twinAgent struct {
	id, name, feature string
	state             ledger.AgentState
	since             time.Time
	away              int64 // turned away since then
	resumed           time.Time
	missed            int64         // turned away in the pause before that
	wanted            tokens.Amount // by the request that made it pause
	budget            *tokens.Amount
	reserve           tokens.Amount
}

// twinEvent is something that others are told.
type twinEvent struct {
	at   time.Time
	kind string
	data map[string]any
}

func (a *twinAccount) tell(kind string, at time.Time, data map[string]any) {
	if a.last.Before(at) {
		a.last = at
	}
	a.events = append(a.events, twinEvent{a.last, kind, data})
}

func (a *twinAccount) agent(id string) *twinAgent {
	for i := range a.agents {
		if a.agents[i].id == id {
			return &a.agents[i]
		}
	}
	return nil
}

// known is an agent, registered now if it was not yet.
func (a *twinAccount) known(id string) *twinAgent {
	if a.agent(id) == nil {
		a.agents = append(a.agents, twinAgent{id: id})
		slices.SortFunc(a.agents, func(x, y twinAgent) int { return cmp.Compare(x.id, y.id) })
	}
	return a.agent(id)
}

// reserved is what is set aside in all.
func (a *twinAccount) reserved() tokens.Amount {
	sum := a.own
	for _, g := range a.agents {
		sum += g.reserve
	}
	return sum
}

// available is what is left for someone once what all others reserved is put aside; the creator is
// the one without a name.
func (a *twinAccount) available(id string, at time.Time) tokens.Amount {
	left := a.spendable(at)
	if id != "" {
		left -= a.own
	}
	for _, g := range a.agents {
		if g.id != id {
			left -= g.reserve
		}
	}
	return max(left, 0)
}

// used is what counts towards an agent's budget: its charges of the calendar month, less what was
// refunded of them, and what its jobs hold.
func (a *twinAccount) used(id string, at time.Time) (spent, held tokens.Amount) {
	year, month, _ := at.In(a.zone).Date()
	for _, e := range a.entries {
		work := e
		if e.Kind == ledger.KindRefund {
			work = a.entries[e.About-1]
		}
		if e.Agent == id && e.Contra == ledger.ContraSpent && work.Day.Year() == year && work.Day.Month() == month {
			spent -= e.Amount
		}
	}
	for _, h := range a.holds {
		if h.ended == "" && h.entry.Agent == id {
			held += h.entry.HeldDelta
		}
	}
	return spent, held
}

func (a *twinAccount) fits(g *twinAgent, amount tokens.Amount, at time.Time) bool {
	if g.budget == nil || amount == 0 {
		return true
	}
	spent, held := a.used(g.id, at)
	return spent+held+amount <= *g.budget
}

// afford is why something cannot be paid; nil if it can. Unless it is to be kept on, an agent whose
// budget does not cover what it asks for is paused for that, and one that lacks tokens is paused
// for them. A budget that covers what is asked for is no reason any more.
func (a *twinAccount) afford(feature, id string, amount tokens.Amount, keepOn bool, at time.Time,
	prices *catalog.Catalog,
) *problem.Error {
	if id == "" {
		if a.available("", at) < amount {
			return a.lackingAnswer(feature, "", amount, at, prices)
		}
		return nil
	}
	g := a.known(id)
	if g.feature == "" {
		g.feature = feature
	}
	if g.state == ledger.AgentByCreator || g.state == ledger.AgentOutOfToken {
		g.away++
		return a.turnedAway("agent_paused", g, string(a.reason(g, at, prices).Cure()))
	}
	if !a.fits(g, amount, at) {
		if g.state == ledger.AgentOn && !keepOn {
			a.pause(g, ledger.AgentOverBudget, amount, at)
		}
		if g.state != ledger.AgentOn {
			g.away++
		}
		return a.turnedAway("over_budget", g, "raise_budget")
	}
	lacking := a.available(id, at) < amount
	if !lacking {
		if g.state == ledger.AgentOverBudget && amount > 0 {
			a.resume(g, at)
		}
		return nil
	}
	declined := a.available(id, at)
	a.lacking(feature, id, amount, declined, at)
	switch {
	case !keepOn:
		a.pause(g, ledger.AgentOutOfToken, amount, at)
		g.away = 1
	case g.state == ledger.AgentOverBudget:
		a.resume(g, at)
	}
	return a.insufficient(id, amount, at, prices)
}

func (a *twinAccount) lackingAnswer(feature, id string, amount tokens.Amount, at time.Time,
	prices *catalog.Catalog,
) *problem.Error {
	a.lacking(feature, id, amount, a.available(id, at), at)
	return a.insufficient(id, amount, at, prices)
}

func (a *twinAccount) turnedAway(code string, g *twinAgent, cure string) *problem.Error {
	err := refusal(problem.Conflict, code)
	err.Details = map[string]any{"state": g.state.String(), "cure": cure}
	return err
}

// insufficient is the 402. Of what can be spent at all, what is not available is reserved for
// others; what is missing is what has to come while that stays so.
func (a *twinAccount) insufficient(id string, amount tokens.Amount, at time.Time,
	prices *catalog.Catalog,
) *problem.Error {
	all, available := a.spendable(at), a.available(id, at)
	err := refusal(problem.Insufficient, "insufficient_tokens")
	err.Details = map[string]any{
		"spendable": available,
		"required":  amount,
		"shortfall": amount + a.keptFrom(id) - all,
		"held":      a.held(),
		"reserved":  all - available,
		"cure":      string(a.lack(id, amount, at, prices).Cure()),
	}
	if g := a.agent(id); id != "" {
		err.Details["agent"], err.Details["state"] = id, g.state.String()
	}
	return err
}

// keptFrom is what others reserved.
func (a *twinAccount) keptFrom(id string) tokens.Amount {
	kept := tokens.Amount(0)
	if id != "" {
		kept += a.own
	}
	for _, g := range a.agents {
		if g.id != id {
			kept += g.reserve
		}
	}
	return kept
}

// lack is what keeps somebody from spending an amount: a reserve of others, if it would do without,
// or if even the largest pack would not lift what is there over it; jobs under way, if what they
// hold would do; else there are too few tokens.
func (a *twinAccount) lack(id string, amount tokens.Amount, at time.Time, prices *catalog.Catalog) ledger.Reason {
	kept, all, held := a.keptFrom(id), a.spendable(at), a.held()
	pack := tokens.Amount(0)
	for _, p := range prices.Packs {
		pack = max(pack, p.Tokens)
	}
	switch {
	case all-kept >= amount:
		return ""
	case kept > 0 && (all >= amount):
		return "reserve"
	case all+held-kept >= amount:
		return "held"
	case kept > 0 && all+held+pack-kept < amount:
		return "reserve"
	}
	return "tokens"
}

// reason is why an agent is paused.
func (a *twinAccount) reason(g *twinAgent, at time.Time, prices *catalog.Catalog) ledger.Reason {
	switch g.state {
	case ledger.AgentOn:
		return ""
	case ledger.AgentByCreator:
		return "creator"
	case ledger.AgentOverBudget:
		return "budget"
	case ledger.AgentOutOfToken:
	}
	if a.available(g.id, at) >= g.twenty(prices) {
		return "size"
	}
	if r := a.lack(g.id, g.likely(prices), at, prices); r != "" {
		return r
	}
	return "tokens"
}

func (a *twinAccount) pause(g *twinAgent, to ledger.AgentState, wanted tokens.Amount, at time.Time) {
	if g.state == to {
		return
	}
	data := map[string]any{
		"agent":        g.id,
		"state":        to.String(),
		"paused_since": moment(at),
	}
	if g.away > 0 { // in another pause, which is over
		data["turned_away"] = float64(g.away)
	}
	g.state, g.since, g.away, g.wanted = to, at, 0, wanted
	a.tell("agent.paused", at, data)
}

func (a *twinAccount) resume(g *twinAgent, at time.Time) {
	data := map[string]any{
		"agent":        g.id,
		"state":        "on",
		"paused_since": moment(g.since),
	}
	if g.away > 0 {
		data["turned_away"] = float64(g.away)
	}
	g.resumed, g.missed = at, g.away
	g.state, g.since, g.away, g.wanted = ledger.AgentOn, time.Time{}, 0, 0
	a.tell("agent.resumed", at, data)
}

func moment(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// unit is the least that an agent's next piece of work takes.
func (g *twinAgent) unit(prices *catalog.Catalog) tokens.Amount {
	for _, f := range prices.Features {
		if f.ID == g.feature && f.Price > 0 {
			return f.Price
		}
	}
	return 1
}

// likely is what an agent asks for next, as far as one can tell: what it was refused, if that was
// no more than twenty tokens.
func (g *twinAgent) likely(prices *catalog.Catalog) tokens.Amount {
	return max(g.unit(prices), min(g.wanted, 20*tokens.One))
}

// twenty is enough not to stop again at once: twenty actions, and what it was refused.
func (g *twinAgent) twenty(prices *catalog.Catalog) tokens.Amount {
	if unit := g.unit(prices); unit > 1 {
		return max(20*unit, g.likely(prices))
	}
	return g.likely(prices)
}

// room is what is left of an agent's budget.
func (a *twinAccount) room(g *twinAgent, at time.Time) tokens.Amount {
	if g.budget == nil {
		return tokens.Max
	}
	spent, held := a.used(g.id, at)
	return *g.budget - spent - held
}

// meanwhile lets something happen at an instant, and then what follows: agents whose budget has
// more room than before, and some for their work, go on; if tokens have come, agents that waited
// for them go on; and the level is what it is now.
func (a *twinAccount) meanwhile(at time.Time, prices *catalog.Catalog, happen func()) {
	spendable, reserved, entries := a.spendable(at), a.reserved(), len(a.entries)
	rooms := map[string]tokens.Amount{}
	for i := range a.agents {
		if g := &a.agents[i]; g.state == ledger.AgentOverBudget {
			rooms[g.id] = a.room(g, at)
		}
	}
	happen()
	if a.over() {
		return
	}
	for i := range a.agents {
		g := &a.agents[i]
		before, was := rooms[g.id]
		if room := a.room(g, at); was && g.state == ledger.AgentOverBudget && room > before &&
			room >= g.unit(prices) {
			a.resume(g, at)
		}
	}
	granted := slices.ContainsFunc(a.entries[entries:], func(e ledger.Entry) bool {
		return e.Kind == ledger.KindGrant && e.Amount > 0
	})
	freed := a.reserved() < reserved
	for i := range a.agents {
		g := &a.agents[i]
		if g.state != ledger.AgentOutOfToken {
			continue
		}
		enough := a.available(g.id, at) >= g.unit(prices)
		aLot := a.available(g.id, at) >= g.twenty(prices)
		if (enough && (granted || freed)) || (aLot && a.spendable(at) > spendable) {
			a.resume(g, at)
		}
	}
	was := a.level
	a.level = a.levelNow(at, prices)
	if kind := [...]string{"balance.restored", "balance.low", "balance.empty"}[a.level]; a.level != was &&
		(kind != "balance.low" || was == ledger.LevelOK) {
		a.tell(kind, at, map[string]any{
			"spendable": a.spendable(at).String(),
			"held":      a.held().String(),
			"threshold": a.lowBelow(prices).String(),
		})
	}
}

func (a *twinAccount) lowBelow(prices *catalog.Catalog) tokens.Amount {
	if a.threshold != nil {
		return *a.threshold
	}
	return allowanceOf(prices, a.plan) / 5
}

func (a *twinAccount) levelNow(at time.Time, prices *catalog.Catalog) ledger.Level {
	there, low := a.spendable(at)+a.held(), a.lowBelow(prices) // what a job holds may come back
	cheapest := tokens.Max
	for _, f := range prices.Features {
		if f.Pricing == catalog.Fixed {
			cheapest = min(cheapest, f.Price)
		}
	}
	switch {
	case there < cheapest:
		return ledger.LevelEmpty
	case there < low || (a.level != ledger.LevelOK && 100*there < 125*low):
		return ledger.LevelLow
	}
	return ledger.LevelOK
}

// monthAfter is the first instant of the next calendar month: found by walking, for there are zones
// whose clocks skip midnight.
func (a *twinAccount) monthAfter(at time.Time) time.Time {
	local := at.In(a.zone)
	next := time.Date(local.Year(), local.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	for t := next.Add(-15 * time.Hour); ; t = t.Add(15 * time.Minute) {
		if t.In(a.zone).Month() == next.Month() {
			return t
		}
	}
}

func (w *twin) putAgent(id uuid.UUID, p ledger.PutAgent, now time.Time) result {
	return w.do(id, "", "", "", now, func(a *twinAccount, now time.Time) result {
		if a.over() {
			return refused(errTwinClosed)
		}
		others := a.reserved()
		if g := a.agent(p.ID); g != nil {
			others -= g.reserve
		} else if p.ID == "" {
			others -= a.own
		}
		switch {
		case p.Feature != nil && !slices.ContainsFunc(w.prices.Features, func(f catalog.Feature) bool {
			return f.ID == *p.Feature
		}):
			return refused(invalid("feature"))
		case p.Budget != nil && (*p.Budget < 0 || *p.Budget > tokens.Max):
			return refused(invalid("monthly_budget"))
		case p.Reserve != nil && (*p.Reserve < 0 || *p.Reserve+others > tokens.Max):
			return refused(invalid("reserve"))
		}
		if p.ID == "" {
			if p.Reserve != nil {
				a.own = *p.Reserve
			}
			return result{}
		}
		g := a.known(p.ID)
		if p.Name != nil {
			g.name = *p.Name
		}
		if p.Feature != nil {
			g.feature = *p.Feature
		}
		if p.Reserve != nil {
			g.reserve = *p.Reserve
		}
		if p.Budget != nil {
			budget := *p.Budget
			if g.budget = &budget; budget == 0 {
				g.budget = nil
			}
		}
		return result{}
	})
}

// switchAgent turns an agent off; or on, as far as it can work: else it waits for what it lacks.
func (w *twin) switchAgent(id uuid.UUID, p ledger.SwitchAgent, now time.Time) result {
	return w.do(id, "", "", "", now, func(a *twinAccount, now time.Time) result {
		g := a.agent(p.ID)
		switch {
		case a.over():
			return refused(errTwinClosed)
		case g == nil:
			return refused(refusal(problem.NotFound, "agent_not_found"))
		case !p.On:
			a.pause(g, ledger.AgentByCreator, g.wanted, now)
		case g.state == ledger.AgentOn:
		case a.available(g.id, now) < g.unit(w.prices):
			a.pause(g, ledger.AgentOutOfToken, g.wanted, now)
		case a.room(g, now) < g.unit(w.prices):
			a.pause(g, ledger.AgentOverBudget, g.wanted, now)
		default:
			a.resume(g, now)
		}
		return result{}
	})
}

func (w *twin) setThreshold(id uuid.UUID, p ledger.SetThreshold, now time.Time) result {
	return w.do(id, "", "", "", now, func(a *twinAccount, _ time.Time) result {
		if a.over() {
			return refused(errTwinClosed)
		}
		if p.Amount != nil && (*p.Amount < 0 || *p.Amount > tokens.Max) {
			return refused(invalid("threshold"))
		}
		a.threshold = p.Amount
		return result{}
	})
}

// agentsText is what the books say of an account's agents and its level, in rows; as the account
// was when it was last written.
func (a *twinAccount) agentsText() string {
	text := fmt.Sprintln(a.level)
	for _, g := range a.agents {
		text += fmt.Sprintln(g.id, g.name, g.feature, g.state, moment(g.since), g.away, show(g.budget), g.reserve)
	}
	return text
}

// listAgents is what the agents' page shows.
func (w *twin) listAgents(id uuid.UUID, now time.Time) (list []ledger.Agent, own tokens.Amount) {
	a := w.write(id, now)
	if now.Before(a.last) {
		now = a.last
	}
	for i := range a.agents {
		g := &a.agents[i]
		spent, held := a.used(g.id, now)
		missing := tokens.Amount(0)
		if g.state == ledger.AgentOutOfToken {
			missing = max(0, g.likely(w.prices)+a.keptFrom(g.id)-a.spendable(now))
		}
		list = append(list, ledger.Agent{
			ID:          g.id,
			Name:        g.name,
			Feature:     g.feature,
			State:       g.state,
			PausedSince: g.since,
			TurnedAway:  g.away,
			Budget:      g.budget,
			Reserve:     g.reserve,
			ResumedAt:   g.resumed,
			Missed:      g.missed,
			Spent:       spent,
			Held:        held,
			Reason:      a.reason(g, now, w.prices),
			Missing:     missing,
			Ready:       g.state == ledger.AgentOn && min(a.available(g.id, now), a.room(g, now)) >= g.unit(w.prices),
		})
	}
	return list, a.own
}
