package pages

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"pop.store/credits/internal/agents"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/present"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

// maxAgentSearch bounds the search text, in bytes.
const maxAgentSearch = 200

func (h *Handlers) agentsPage(req *creatorRequest) error {
	page, _ := strconv.Atoi(req.QueryParam("page")) // a malformed number means the first page
	m, err := h.agentsModel(req, agents.Query{
		Search: agentSearch(req.QueryParam("q")),
		Page:   page,
		With:   req.QueryParam("agent"),
	})
	if err != nil {
		return err
	}
	m.Saved = req.QueryParam("saved") == "1"
	return render(req, http.StatusOK, views.AgentsPage(m))
}

func agentSearch(typed string) string {
	typed = strings.TrimSpace(typed)
	if len(typed) > maxAgentSearch {
		typed = strings.ToValidUTF8(typed[:maxAgentSearch], "")
	}
	return typed
}

func (h *Handlers) agentsModel(req *creatorRequest, q agents.Query) (views.AgentsModel, error) {
	p, err := h.Agents.Page(req.Request().Context(), req.ID, q)
	if err != nil {
		return views.AgentsModel{}, err
	}
	done, err := h.unitsThisMonth(req)
	if err != nil {
		return views.AgentsModel{}, err
	}
	earned, err := h.resultsThisMonth(req, p.Agents)
	if err != nil {
		return views.AgentsModel{}, err
	}
	m := views.AgentsModel{
		Layout:    h.layout(req, views.NavAgents),
		Spendable: req.Spendable,
		Reserved:  req.Reserved,
		Own:       p.Own,
		OwnForm:   views.LimitsForm{Reserve: formAmount(p.Own)},
		Search:    q.Search,
		All:       p.All,
		Stopped:   p.Stopped,
		Found:     p.Found,
		Page:      p.Page,
		Pages:     p.Pages,
		First:     (p.Page-1)*agents.PerPage + 1,
	}
	for i := range p.Agents {
		agent := h.agentModel(&p.Agents[i], ledger.StoppedAgents{Agents: p.Everyone, OwnReserve: p.Own})
		agent.Count, agent.Results = done[agent.ID], earned[agent.ID]
		m.Agents = append(m.Agents, agent)
	}
	return m, nil
}

// unitsThisMonth counts the units of work of each agent in this calendar month of the billing zone.
func (h *Handlers) unitsThisMonth(req *creatorRequest) (map[string]int64, error) {
	today := req.Day(req.now)
	sums, err := h.Ledger.UsageSums(req.Request().Context(), req.ID, ledger.UsageQuery{
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

// resultNames are the singular and plural of known kinds of results; others are shown as they are.
var resultNames = map[string][2]string{
	"sale":        {"sale", "sales"},
	"lead":        {"lead", "leads"},
	"booking":     {"booking", "bookings"},
	"dm_answered": {"DM answered", "DMs answered"},
	"subscriber":  {"subscriber", "subscribers"},
}

// resultsThisMonth are the reported results of each agent in this calendar month.
func (h *Handlers) resultsThisMonth(
	req *creatorRequest,
	agents []ledger.Agent,
) (map[string][]views.ResultModel, error) {
	if len(agents) == 0 {
		return nil, nil
	}
	ids := make([]string, len(agents))
	for i := range agents {
		ids[i] = agents[i].ID
	}
	sums, err := h.Results.Sums(req.Request().Context(), req.ID, req.Day(req.now), ids...)
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

func (h *Handlers) agentModel(agent *ledger.Agent, set ledger.StoppedAgents) views.AgentModel {
	m := views.AgentModel{
		ID:         agent.ID,
		Name:       h.agentName(agent),
		State:      views.AgentState(agent.State.String()),
		Since:      agent.PausedSince,
		TurnedAway: agent.TurnedAway,
		Spent:      agent.Spent,
		Held:       agent.Held,
		Stop:       h.stopModel(agent, set),
		Budget:     agent.Budget,
		Reserve:    agent.Reserve,
		Form:       views.LimitsForm{Reserve: formAmount(agent.Reserve)},
	}
	if agent.Budget != nil {
		m.Form.Budget = agent.Budget.String()
	}
	if f, ok := h.Prices().Feature(agent.Feature); ok {
		m.One, m.Many = f.One, f.Many
		if f.Name != m.Name {
			m.Does = f.Name
		}
	}
	return m
}

func (h *Handlers) agentName(agent *ledger.Agent) string { return present.AgentName(h.Prices(), agent) }

// agentLabels are the names of the agents by id. Agents with the same name have their id added.
func (h *Handlers) agentLabels(req *creatorRequest) (map[string]string, error) {
	list, err := h.Ledger.AgentNames(req.Request().Context(), req.ID)
	if err != nil {
		return nil, err
	}
	called, prices := map[string]int{}, h.Prices()
	for _, n := range list {
		called[agents.Label(prices, n)]++
	}
	names := make(map[string]string, len(list))
	for _, n := range list {
		name := agents.Label(prices, n)
		if called[name] > 1 {
			name += " (" + n.ID + ")"
		}
		names[n.ID] = name
	}
	return names, nil
}

// formAmount is an amount as a form shows it: empty for zero.
func formAmount(amount tokens.Amount) string {
	if amount == 0 {
		return ""
	}
	return amount.String()
}

// agentUnits are the nouns for an agent's work by feature; the default is "requests".
var agentUnits = map[string]string{"social_comment_reply": "comments", "comment_to_dm": "comments"}

func (h *Handlers) resumedModel(agent *ledger.Agent) views.ResumedModel {
	return views.ResumedModel{
		Name:   h.agentName(agent),
		For:    agentUnits[agent.Feature],
		Missed: agent.Missed,
	}
}

// switchAgent turns an agent off or on. The form names the state, so sending it twice is harmless.
func (h *Handlers) switchAgent(req *creatorRequest) error {
	form, err := completeForm(req, "agent", "on")
	if err != nil {
		return err
	}
	if on := form.Get("on"); on != "0" && on != "1" {
		return problem.Invalid("on", "must be 0 or 1")
	}
	agent, err := h.Agents.Switch(req.Request().Context(), req.ID, form.Get("agent"), form.Get("on") == "1")
	if err != nil {
		return err
	}
	return req.Redirect(http.StatusSeeOther, agentsURL(form, agent.ID, url.Values{}))
}

// agentsURL is the address of the list page that shows an agent after its form was sent. The form
// of a long list carries the search text.
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

// rejectAgentForm shows the page again with the form as typed and its problems.
func (h *Handlers) rejectAgentForm(
	req *creatorRequest,
	form url.Values,
	status int,
	set func(*views.AgentsModel),
) error {
	m, err := h.agentsModel(req, agents.Query{Search: agentSearch(form.Get("q")), With: form.Get("agent")})
	if err != nil {
		return err
	}
	m.Still = true
	set(&m)
	return render(req, status, views.AgentsPage(m))
}

// setLimits saves an agent's budget and reserve. Without an agent id it saves the reserve for the
// creator's own tools.
func (h *Handlers) setLimits(req *creatorRequest) error {
	form, err := completeForm(req, "agent", "reserve")
	if err == nil && form.Get("agent") != "" {
		form, err = completeForm(req, "budget")
	}
	if err != nil {
		return err
	}
	id, typed := form.Get("agent"), views.LimitsForm{
		Budget:   form.Get("budget"),
		Reserve:  form.Get("reserve"),
		Problems: map[string]string{},
	}
	if err := h.saveLimits(req, id, typed); err != nil {
		return err
	}
	if len(typed.Problems) > 0 {
		return h.rejectLimits(req, form, typed)
	}
	return req.Redirect(http.StatusSeeOther, agentsURL(form, id, url.Values{"saved": {"1"}}))
}

// rejectLimits shows the problems beside the agent's form, or ledger.ErrNoAgent if there is no such agent.
func (h *Handlers) rejectLimits(req *creatorRequest, form url.Values, typed views.LimitsForm) error {
	id := form.Get("agent")
	if id != "" {
		if _, err := h.Agents.Get(req.Request().Context(), req.ID, id); err != nil {
			return err
		}
	}
	return h.rejectAgentForm(req, form, http.StatusUnprocessableEntity, func(m *views.AgentsModel) {
		showTyped(m, id, typed)
	})
}

// saveLimits saves the form. Invalid values are added to its problems and nothing is saved.
func (h *Handlers) saveLimits(req *creatorRequest, id string, typed views.LimitsForm) (err error) {
	ctx, reserve := req.Request().Context(), parseAmount(typed.Reserve, "reserve", typed.Problems)
	var budget agents.Budget
	if strings.TrimSpace(typed.Budget) != "" {
		budget.Amount = parseAmount(typed.Budget, "budget", typed.Problems)
		if *budget.Amount == 0 && typed.Problems["budget"] == "" {
			typed.Problems["budget"] = "Must be above zero. Leave it empty for no limit."
		}
	}
	switch {
	case len(typed.Problems) > 0:
		return nil
	case id == "":
		err = h.Agents.SetOwnReserve(ctx, req.ID, *reserve)
	default:
		err = h.Agents.SetLimits(ctx, req.ID, id, &budget, reserve)
	}
	var refused *problem.Error
	if errors.As(err, &refused) && refused.Kind == problem.Unprocessable {
		// The only check left: the sum of all reserves exceeds the limit of a wallet.
		typed.Problems["reserve"] = "That is more than a wallet can hold."
		return nil
	}
	return err
}

// showTyped fills the form with the typed values and their problems.
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

// parseAmount reads an amount of tokens; empty is zero. It adds an invalid value to problems.
func parseAmount(text, field string, problems map[string]string) *tokens.Amount {
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
