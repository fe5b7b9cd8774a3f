package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"pop.store/credits/internal/accounts"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/present"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// maxAgentSearch bounds what is searched for, in bytes.
const maxAgentSearch = 200

func (h *Handlers) agentsPage(v *visit) error {
	page, _ := strconv.Atoi(v.QueryParam("page")) // what is no number is the first page
	m, err := h.agentsModel(v, accounts.AgentQuery{
		Search: agentSearch(v.QueryParam("q")),
		Page:   page,
		With:   v.QueryParam("agent"),
	})
	if err != nil {
		return err
	}
	m.Saved = v.QueryParam("saved") == "1"
	return render(v, http.StatusOK, views.AgentsPage(m))
}

// agentSearch is what was typed into the search, as far as it can be searched for.
func agentSearch(typed string) string {
	typed = strings.TrimSpace(typed)
	if len(typed) > maxAgentSearch {
		typed = strings.ToValidUTF8(typed[:maxAgentSearch], "")
	}
	return typed
}

func (h *Handlers) agentsModel(v *visit, q accounts.AgentQuery) (views.AgentsModel, error) {
	p, err := h.Accounts.AgentPage(v.Request().Context(), v.ID, q)
	if err != nil {
		return views.AgentsModel{}, err
	}
	done, err := h.doneThisMonth(v)
	if err != nil {
		return views.AgentsModel{}, err
	}
	earned, err := h.earnedThisMonth(v, p.Agents)
	if err != nil {
		return views.AgentsModel{}, err
	}
	m := views.AgentsModel{
		Chrome:    h.chrome(v, views.NavAgents),
		Spendable: v.Spendable,
		Reserved:  v.Reserved,
		Own:       p.Own,
		OwnForm:   views.LimitsForm{Reserve: amountOrNothing(p.Own)},
		Search:    q.Search,
		All:       p.All,
		Stopped:   p.Stopped,
		Found:     p.Found,
		Page:      p.Page,
		Pages:     p.Pages,
		First:     (p.Page-1)*accounts.AgentsPerPage + 1,
	}
	for i := range p.Agents {
		g := &p.Agents[i]
		agent := h.agentModel(g, ledger.StoppedAgents{Agents: p.Everyone, OwnReserve: p.Own})
		agent.Count, agent.Results = done[g.ID], earned[g.ID]
		m.Agents = append(m.Agents, agent)
	}
	return m, nil
}

// doneThisMonth counts the units of work of each agent in this calendar month of the billing zone.
func (h *Handlers) doneThisMonth(v *visit) (map[string]int64, error) {
	today := v.Day(v.now)
	sums, err := h.Ledger.UsageSums(v.Request().Context(), v.ID, ledger.UsageQuery{
		By:    ledger.ByAgent,
		First: today.AddDate(0, 0, 1-today.Day()),
		Last:  today,
	})
	if err != nil {
		return nil, err
	}
	done := make(map[string]int64, len(sums.Sums))
	for _, s := range sums.Sums {
		done[s.Name] = s.Quantity
	}
	return done, nil
}

// resultNames are what results are called that the demo and the documentation know; others keep
// their own word.
var resultNames = map[string][2]string{
	"sale":        {"sale", "sales"},
	"lead":        {"lead", "leads"},
	"booking":     {"booking", "bookings"},
	"dm_answered": {"DM answered", "DMs answered"},
	"subscriber":  {"subscriber", "subscribers"},
}

// earnedThisMonth is what the services say the work of each of the agents brought in this calendar month.
func (h *Handlers) earnedThisMonth(v *visit, agents []ledger.Agent) (map[string][]views.ResultModel, error) {
	if len(agents) == 0 {
		return nil, nil
	}
	ids := make([]string, len(agents))
	for i := range agents {
		ids[i] = agents[i].ID
	}
	sums, err := h.Results.Sums(v.Request().Context(), v.ID, v.Day(v.now), ids...)
	if err != nil {
		return nil, err
	}
	earned := map[string][]views.ResultModel{}
	for _, s := range sums {
		word := strings.ReplaceAll(s.Kind, "_", " ")
		m := views.ResultModel{
			Count: s.Count,
			One:   word,
			Many:  word,
			Money: s.Money,
		}
		if names, ok := resultNames[s.Kind]; ok {
			m.One, m.Many = names[0], names[1]
		}
		earned[s.Agent] = append(earned[s.Agent], m)
	}
	return earned, nil
}

// agentModel is one of the agents.
func (h *Handlers) agentModel(g *ledger.Agent, set ledger.StoppedAgents) views.AgentModel {
	m := views.AgentModel{
		ID:         g.ID,
		Name:       h.agentName(g),
		State:      views.AgentState(g.State.String()),
		Since:      g.PausedSince,
		TurnedAway: g.TurnedAway,
		Spent:      g.Spent,
		Held:       g.Held,
		Stop:       h.stopModel(g, set),
		Budget:     g.Budget,
		Reserve:    g.Reserve,
		Form:       views.LimitsForm{Reserve: amountOrNothing(g.Reserve)},
	}
	if g.Budget != nil {
		m.Form.Budget = g.Budget.String()
	}
	if f, ok := h.Prices().Feature(g.Feature); ok {
		m.One, m.Many = f.One, f.Many
		if f.Name != m.Name {
			m.Does = f.Name
		}
	}
	return m
}

func (h *Handlers) agentName(g *ledger.Agent) string { return present.AgentName(h.Prices(), g) }

// namesOfAgents are what the creator's agents are called, by id. Of some that are called the same
// each is called by its id as well.
func (h *Handlers) namesOfAgents(v *visit) (map[string]string, error) {
	list, err := h.Ledger.AgentNames(v.Request().Context(), v.ID)
	if err != nil {
		return nil, err
	}
	called, prices := map[string]int{}, h.Prices()
	for _, n := range list {
		called[accounts.AgentLabel(prices, n)]++
	}
	names := make(map[string]string, len(list))
	for _, n := range list {
		name := accounts.AgentLabel(prices, n)
		if called[name] > 1 {
			name += " (" + n.ID + ")"
		}
		names[n.ID] = name
	}
	return names, nil
}

// amountOrNothing is an amount as a form shows it: empty for none.
func amountOrNothing(amount tokens.Amount) string {
	if amount == 0 {
		return ""
	}
	return amount.String()
}

// worksOn is what an agent's new work is called in a sentence; requests, unless it is known better.
var worksOn = map[string]string{"social_comment_reply": "comments", "comment_to_dm": "comments"}

func (h *Handlers) resumedModel(g *ledger.Agent) views.ResumedModel {
	return views.ResumedModel{
		Name:   h.agentName(g),
		For:    worksOn[g.Feature],
		Missed: g.Missed,
	}
}

// switchAgent turns an agent off or on, as the form says: sent twice, it does nothing more. One
// that cannot work yet says on its card what it waits for.
func (h *Handlers) switchAgent(v *visit) error {
	form, err := completeForm(v, "agent", "on")
	if err != nil {
		return err
	}
	if on := form.Get("on"); on != "0" && on != "1" {
		return problem.Invalid("on", "must be 0 or 1")
	}
	agent, err := h.Accounts.SwitchAgent(v.Request().Context(), v.ID, form.Get("agent"), form.Get("on") == "1")
	if err != nil {
		return err
	}
	return v.Redirect(http.StatusSeeOther, agentsURL(form, agent.ID, url.Values{}))
}

// agentsURL leads back to the page of the list that an agent is on after a form. A form of a long
// list says what was searched for there.
func agentsURL(form url.Values, id string, query url.Values) string {
	if form.Has("q") {
		if q := agentSearch(form.Get("q")); q != "" {
			query.Set("q", q)
		}
		if id != "" {
			query.Set("agent", id)
		}
	}
	path := "/agents"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	if id != "" {
		path += "#" + views.AgentAnchor(id)
	}
	return path
}

// agentsAgain answers a form with the page that its agent is on, and what is wrong.
func (h *Handlers) agentsAgain(v *visit, form url.Values, status int, set func(*views.AgentsModel)) error {
	m, err := h.agentsModel(v, accounts.AgentQuery{Search: agentSearch(form.Get("q")), With: form.Get("agent")})
	if err != nil {
		return err
	}
	m.Still = true
	set(&m)
	return render(v, status, views.AgentsPage(m))
}

// setLimits saves an agent's budget and reserve, or what is kept for the creator's own tools, whose
// agent has no id.
func (h *Handlers) setLimits(v *visit) error {
	form, err := completeForm(v, "agent", "reserve")
	if err == nil && form.Get("agent") != "" {
		form, err = completeForm(v, "budget")
	}
	if err != nil {
		return err
	}
	id, typed := form.Get("agent"), views.LimitsForm{
		Budget:   form.Get("budget"),
		Reserve:  form.Get("reserve"),
		Problems: map[string]string{},
	}
	if err := h.knowsAgent(v, id); err != nil {
		return err
	}
	if err := h.saveLimits(v, id, typed); err != nil {
		return err
	}
	switch {
	case len(typed.Problems) > 0:
		return h.agentsAgain(v, form, http.StatusUnprocessableEntity, func(m *views.AgentsModel) {
			showTyped(m, id, typed)
		})
	}
	return v.Redirect(http.StatusSeeOther, agentsURL(form, id, url.Values{"saved": {"1"}}))
}

// saveLimits saves what was typed, unless something is wrong with it: that stands in its problems then.
func (h *Handlers) saveLimits(v *visit, id string, typed views.LimitsForm) (err error) {
	ctx, reserve := v.Request().Context(), typedAmount(typed.Reserve, "reserve", typed.Problems)
	put := accounts.PutAgent{Reserve: reserve, Budget: &accounts.Budget{}}
	if strings.TrimSpace(typed.Budget) != "" {
		put.Budget.Amount = typedAmount(typed.Budget, "budget", typed.Problems)
		if *put.Budget.Amount == 0 && typed.Problems["budget"] == "" {
			typed.Problems["budget"] = "Must be above zero. Leave it empty for no limit."
		}
	}
	switch {
	case len(typed.Problems) > 0:
		return nil
	case id == "":
		err = h.Accounts.SetOwnReserve(ctx, v.ID, *reserve)
	default:
		_, _, err = h.Accounts.PutAgent(ctx, v.ID, id, put)
	}
	var refused *problem.Error
	if errors.As(err, &refused) && refused.Kind == problem.Unprocessable {
		// What can still be wrong is that all reserves together are more than a wallet can hold.
		typed.Problems["reserve"] = "That is more than a wallet can hold."
		return nil
	}
	return err
}

// knowsAgent refuses an agent that is not there: a form of this page registers none.
func (h *Handlers) knowsAgent(v *visit, id string) error {
	if id == "" {
		return nil
	}
	list, _, err := h.Ledger.Agents(v.Request().Context(), v.ID)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].ID == id {
			return nil
		}
	}
	return ledger.ErrNoAgent
}

// showTyped puts what was typed, and what is wrong with it, back into its form.
func showTyped(m *views.AgentsModel, id string, typed views.LimitsForm) {
	if id == "" {
		m.OwnForm = typed
		return
	}
	for i := range m.Agents {
		if m.Agents[i].ID == id {
			m.Agents[i].Form = typed
		}
	}
}

// typedAmount reads a field of tokens, where nothing is none. What is wrong with it goes into problems.
func typedAmount(text, field string, problems map[string]string) *tokens.Amount {
	text = strings.TrimSpace(text)
	if text == "" {
		return new(tokens.Amount)
	}
	amount, err := tokens.Parse(text)
	switch {
	case errors.Is(err, tokens.ErrSyntax):
		problems[field] = "Type a number of tokens, such as 20 or 42.5."
	case errors.Is(err, tokens.ErrPrecision):
		problems[field] = "Use at most 6 decimals."
	case err != nil:
		problems[field] = "That is more than a wallet can hold."
	case amount < 0:
		problems[field] = "Must not be below zero."
	}
	return &amount
}
