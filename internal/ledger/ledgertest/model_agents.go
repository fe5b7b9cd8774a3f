package ledgertest

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

type modelAgent struct {
	id, name, feature string
	state             ledger.AgentState
	since             time.Time
	turnedAway        int64 // turned away since then
	resumed           time.Time
	missedBefore      int64         // turned away in the pause before that
	wanted            tokens.Amount // by the request that made it pause
	budget            *tokens.Amount
	reserve           tokens.Amount
}

// modelEvent is an event of the outbox.
type modelEvent struct {
	at   time.Time
	kind string
	data map[string]any
}

func (a *modelAccount) emit(kind string, at time.Time, data map[string]any) {
	if a.last.Before(at) {
		a.last = at
	}
	a.events = append(a.events, modelEvent{a.last, kind, data})
}

func (a *modelAccount) agent(id string) *modelAgent {
	for i := range a.agents {
		if a.agents[i].id == id {
			return &a.agents[i]
		}
	}
	return nil
}

// agentOrNew finds an agent, or registers it.
func (a *modelAccount) agentOrNew(id string) *modelAgent {
	if a.agent(id) == nil {
		a.agents = append(a.agents, modelAgent{id: id})
		slices.SortFunc(a.agents, func(x, y modelAgent) int { return cmp.Compare(x.id, y.id) })
	}
	return a.agent(id)
}

// reserved is the sum of all reserves, in tokens.
func (a *modelAccount) reserved() tokens.Amount {
	sum := a.ownReserve
	for _, g := range a.agents {
		sum += g.reserve
	}
	return sum
}

// available is what an agent can spend once the reserves of all others are set aside. The agent without a name is the
// creator.
func (a *modelAccount) available(id string, at time.Time) tokens.Amount {
	left := a.spendable(at)
	if id != "" {
		left -= a.ownReserve
	}
	for _, g := range a.agents {
		if g.id != id {
			left -= g.reserve
		}
	}
	return max(left, 0)
}

// used is what counts towards an agent's monthly budget: its charges of the calendar month less their refunds, and its
// open holds.
func (a *modelAccount) used(id string, at time.Time) (spent, held tokens.Amount) {
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
		if h.outcome == "" && h.entry.Agent == id {
			held += h.entry.HeldDelta
		}
	}
	return spent, held
}

func (a *modelAccount) fitsBudget(g *modelAgent, amount tokens.Amount, at time.Time) bool {
	if g.budget == nil || amount == 0 {
		return true
	}
	spent, held := a.used(g.id, at)
	return spent+held+amount <= *g.budget
}

// refusalOf is the refusal of a charge or hold, nil if it can be paid. It pauses an agent whose budget or tokens do not
// suffice, unless the request keeps the agent on, and resumes one whose budget suffices again.
func (a *modelAccount) refusalOf(feature, id string, amount tokens.Amount, keepOn bool, at time.Time,
	prices *catalog.Catalog,
) *problem.Error {
	if id == "" {
		if a.available("", at) < amount {
			return a.decline(feature, "", amount, at, prices)
		}
		return nil
	}
	g := a.agentOrNew(id)
	if g.feature == "" {
		g.feature = feature
	}
	if g.state == ledger.AgentByCreator || g.state == ledger.AgentOutOfToken {
		g.turnedAway++
		return a.pausedRefusal("agent_paused", g, string(a.pauseReason(g, at, prices).Cure()))
	}
	if !a.fitsBudget(g, amount, at) {
		if g.state == ledger.AgentOn && !keepOn {
			a.pause(g, ledger.AgentOverBudget, amount, at)
		}
		if g.state != ledger.AgentOn {
			g.turnedAway++
		}
		return a.pausedRefusal("over_budget", g, "raise_budget")
	}
	lacking := a.available(id, at) < amount
	if !lacking {
		if g.state == ledger.AgentOverBudget && amount > 0 {
			a.resume(g, at)
		}
		return nil
	}
	declined := a.available(id, at)
	a.recordDeclined(feature, id, amount, declined, at)
	switch {
	case !keepOn:
		a.pause(g, ledger.AgentOutOfToken, amount, at)
		g.turnedAway = 1
	case g.state == ledger.AgentOverBudget:
		a.resume(g, at)
	}
	return a.insufficientRefusal(id, amount, at, prices)
}

func (a *modelAccount) decline(feature, id string, amount tokens.Amount, at time.Time,
	prices *catalog.Catalog,
) *problem.Error {
	a.recordDeclined(feature, id, amount, a.available(id, at), at)
	return a.insufficientRefusal(id, amount, at, prices)
}

func (a *modelAccount) pausedRefusal(code string, g *modelAgent, cure string) *problem.Error {
	err := refusal(problem.Conflict, code)
	err.Details = map[string]any{"state": g.state.String(), "cure": cure}
	return err
}

// insufficientRefusal is the 402. Its shortfall is what has to arrive while the reserves of others stay as they are.
func (a *modelAccount) insufficientRefusal(id string, amount tokens.Amount, at time.Time,
	prices *catalog.Catalog,
) *problem.Error {
	all, available := a.spendable(at), a.available(id, at)
	err := refusal(problem.Insufficient, "insufficient_tokens")
	err.Details = map[string]any{
		"spendable": available,
		"required":  amount,
		"shortfall": amount + a.reservedByOthers(id) - all,
		"held":      a.held(),
		"reserved":  all - available,
		"cure":      string(a.shortageReason(id, amount, at, prices).Cure()),
	}
	if g := a.agent(id); id != "" {
		err.Details["agent"], err.Details["state"] = id, g.state.String()
	}
	return err
}

// reservedByOthers is the sum of the reserves of everyone but one agent.
func (a *modelAccount) reservedByOthers(id string) tokens.Amount {
	kept := tokens.Amount(0)
	if id != "" {
		kept += a.ownReserve
	}
	for _, g := range a.agents {
		if g.id != id {
			kept += g.reserve
		}
	}
	return kept
}

// shortageReason is why an amount cannot be spent. It is a reserve of others if it could be spent without that, or if
// even the largest pack would not suffice; open holds if their release would suffice; else tokens are missing.
func (a *modelAccount) shortageReason(
	id string,
	amount tokens.Amount,
	at time.Time,
	prices *catalog.Catalog,
) ledger.Reason {
	kept, all, held := a.reservedByOthers(id), a.spendable(at), a.held()
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

func (a *modelAccount) pauseReason(g *modelAgent, at time.Time, prices *catalog.Catalog) ledger.Reason {
	switch g.state {
	case ledger.AgentOn:
		return ""
	case ledger.AgentByCreator:
		return "creator"
	case ledger.AgentOverBudget:
		return "budget"
	case ledger.AgentOutOfToken:
	}
	if a.available(g.id, at) >= g.enoughToResume(prices) {
		return "size"
	}
	if r := a.shortageReason(g.id, g.likelyNext(prices), at, prices); r != "" {
		return r
	}
	return "tokens"
}

func (a *modelAccount) pause(g *modelAgent, to ledger.AgentState, wanted tokens.Amount, at time.Time) {
	if g.state == to {
		return
	}
	data := map[string]any{
		"agent":        g.id,
		"state":        to.String(),
		"paused_since": timeText(at),
	}
	if g.turnedAway > 0 { // in another pause, which is over
		data["turned_away"] = float64(g.turnedAway)
	}
	g.state, g.since, g.turnedAway, g.wanted = to, at, 0, wanted
	a.emit("agent.paused", at, data)
}

func (a *modelAccount) resume(g *modelAgent, at time.Time) {
	data := map[string]any{
		"agent":        g.id,
		"state":        "on",
		"paused_since": timeText(g.since),
	}
	if g.turnedAway > 0 {
		data["turned_away"] = float64(g.turnedAway)
	}
	g.resumed, g.missedBefore = at, g.turnedAway
	g.state, g.since, g.turnedAway, g.wanted = ledger.AgentOn, time.Time{}, 0, 0
	a.emit("agent.resumed", at, data)
}

func timeText(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// nextPrice is the least that an agent's next request costs: the price of its feature, or a millionth of a token if
// that is metered.
func (g *modelAgent) nextPrice(prices *catalog.Catalog) tokens.Amount {
	for _, f := range prices.Features {
		if f.ID == g.feature && f.Price > 0 {
			return f.Price
		}
	}
	return 1
}

// likelyNext is what an agent's next request probably costs: what it was refused, up to twenty tokens.
func (g *modelAgent) likelyNext(prices *catalog.Catalog) tokens.Amount {
	return max(g.nextPrice(prices), min(g.wanted, 20*tokens.One))
}

// enoughToResume is what an agent needs to resume without pausing again at once: twenty of its requests, and at least
// what it was refused.
func (g *modelAgent) enoughToResume(prices *catalog.Catalog) tokens.Amount {
	if unit := g.nextPrice(prices); unit > 1 {
		return max(20*unit, g.likelyNext(prices))
	}
	return g.likelyNext(prices)
}

func (a *modelAccount) budgetLeft(g *modelAgent, at time.Time) tokens.Amount {
	if g.budget == nil {
		return tokens.Max
	}
	spent, held := a.used(g.id, at)
	return *g.budget - spent - held
}

// applyThenReact applies a change at an instant, then what follows from it: agents resume whose budget has more room
// than before, and agents that waited for tokens if tokens have arrived; then the level is updated.
func (a *modelAccount) applyThenReact(at time.Time, prices *catalog.Catalog, happen func()) {
	spendable, reserved, entries := a.spendable(at), a.reserved(), len(a.entries)
	rooms := map[string]tokens.Amount{}
	for i := range a.agents {
		if g := &a.agents[i]; g.state == ledger.AgentOverBudget {
			rooms[g.id] = a.budgetLeft(g, at)
		}
	}
	happen()
	if a.isClosed() {
		return
	}
	for i := range a.agents {
		g := &a.agents[i]
		before, was := rooms[g.id]
		if room := a.budgetLeft(g, at); was && g.state == ledger.AgentOverBudget && room > before &&
			room >= g.nextPrice(prices) {
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
		enough := a.available(g.id, at) >= g.nextPrice(prices)
		aLot := a.available(g.id, at) >= g.enoughToResume(prices)
		if (enough && (granted || freed)) || (aLot && a.spendable(at) > spendable) {
			a.resume(g, at)
		}
	}
	was := a.level
	a.level = a.levelNow(at, prices)
	if kind := [...]string{"balance.restored", "balance.low", "balance.empty"}[a.level]; a.level != was &&
		(kind != "balance.low" || was == ledger.LevelOK) {
		a.emit(kind, at, map[string]any{
			"spendable": a.spendable(at).String(),
			"held":      a.held().String(),
			"threshold": a.lowThreshold(prices).String(),
		})
	}
}

func (a *modelAccount) lowThreshold(prices *catalog.Catalog) tokens.Amount {
	if a.threshold != nil {
		return *a.threshold
	}
	return allowanceOf(prices, a.plan) / 5
}

func (a *modelAccount) levelNow(at time.Time, prices *catalog.Catalog) ledger.Level {
	there, low := a.spendable(at)+a.held(), a.lowThreshold(prices) // what a job holds may come back
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

// nextMonth is the first instant of the next calendar month. It is found in steps of 15 minutes, because in some zones
// a clock change skips midnight.
func (a *modelAccount) nextMonth(at time.Time) time.Time {
	local := at.In(a.zone)
	next := time.Date(local.Year(), local.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	for t := next.Add(-15 * time.Hour); ; t = t.Add(15 * time.Minute) {
		if t.In(a.zone).Month() == next.Month() {
			return t
		}
	}
}

// PutAgent models engine.PutAgent.
func (m *Model) PutAgent(id uuid.UUID, p ledger.PutAgent, now time.Time) Result {
	return m.execute(id, "", "", "", now, func(a *modelAccount, now time.Time) Result {
		if a.isClosed() {
			return refusedWith(errClosed)
		}
		others := a.reserved()
		if g := a.agent(p.ID); g != nil {
			others -= g.reserve
		} else if p.ID == "" {
			others -= a.ownReserve
		}
		switch {
		case p.Feature != nil && !slices.ContainsFunc(m.prices.Features, func(f catalog.Feature) bool {
			return f.ID == *p.Feature
		}):
			return refusedWith(invalid("feature"))
		case p.Budget != nil && (*p.Budget < 0 || *p.Budget > tokens.Max):
			return refusedWith(invalid("monthly_budget"))
		case p.Reserve != nil && (*p.Reserve < 0 || *p.Reserve+others > tokens.Max):
			return refusedWith(invalid("reserve"))
		}
		if p.ID == "" {
			if p.Reserve != nil {
				a.ownReserve = *p.Reserve
			}
			return Result{}
		}
		g := a.agentOrNew(p.ID)
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
		return Result{}
	})
}

// SwitchAgent pauses an agent; or resumes it, unless its tokens or its budget do not suffice: then it waits for those.
func (m *Model) SwitchAgent(id uuid.UUID, p ledger.SwitchAgent, now time.Time) Result {
	return m.execute(id, "", "", "", now, func(a *modelAccount, now time.Time) Result {
		g := a.agent(p.ID)
		switch {
		case a.isClosed():
			return refusedWith(errClosed)
		case g == nil:
			return refusedWith(refusal(problem.NotFound, "agent_not_found"))
		case !p.On:
			a.pause(g, ledger.AgentByCreator, g.wanted, now)
		case g.state == ledger.AgentOn:
		case a.available(g.id, now) < g.nextPrice(m.prices):
			a.pause(g, ledger.AgentOutOfToken, g.wanted, now)
		case a.budgetLeft(g, now) < g.nextPrice(m.prices):
			a.pause(g, ledger.AgentOverBudget, g.wanted, now)
		default:
			a.resume(g, now)
		}
		return Result{}
	})
}

// SetThreshold models engine.SetThreshold.
func (m *Model) SetThreshold(id uuid.UUID, p ledger.SetThreshold, now time.Time) Result {
	return m.execute(id, "", "", "", now, func(a *modelAccount, _ time.Time) Result {
		if a.isClosed() {
			return refusedWith(errClosed)
		}
		if p.Amount != nil && (*p.Amount < 0 || *p.Amount > tokens.Max) {
			return refusedWith(invalid("threshold"))
		}
		a.threshold = p.Amount
		return Result{}
	})
}

// agentsText is what the database should have in the rows of an account's level and agents.
func (a *modelAccount) agentsText() string {
	text := fmt.Sprintln(a.level)
	for _, g := range a.agents {
		text += fmt.Sprintln(
			g.id,
			g.name,
			g.feature,
			g.state,
			timeText(g.since),
			g.turnedAway,
			optionalText(g.budget),
			g.reserve,
		)
	}
	return text
}

// Agents is the list of an account's agents, and what is reserved for the creator.
func (m *Model) Agents(id uuid.UUID, now time.Time) (list []ledger.Agent, own tokens.Amount) {
	a := m.Settle(id, now)
	if now.Before(a.last) {
		now = a.last
	}
	for i := range a.agents {
		g := &a.agents[i]
		spent, held := a.used(g.id, now)
		missing := tokens.Amount(0)
		if g.state == ledger.AgentOutOfToken {
			missing = max(0, g.likelyNext(m.prices)+a.reservedByOthers(g.id)-a.spendable(now))
		}
		list = append(list, ledger.Agent{
			ID:          g.id,
			Name:        g.name,
			Feature:     g.feature,
			State:       g.state,
			PausedSince: g.since,
			TurnedAway:  g.turnedAway,
			Budget:      g.budget,
			Reserve:     g.reserve,
			ResumedAt:   g.resumed,
			Missed:      g.missedBefore,
			Spent:       spent,
			Held:        held,
			Reason:      a.pauseReason(g, now, m.prices),
			Missing:     missing,
			Ready: g.state == ledger.AgentOn &&
				min(a.available(g.id, now), a.budgetLeft(g, now)) >= g.nextPrice(m.prices),
		})
	}
	return list, a.ownReserve
}
