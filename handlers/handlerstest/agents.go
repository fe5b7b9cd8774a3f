package handlerstest

import (
	"net/http"

	"golang.org/x/net/html"
)

// ManyAgents adds agents to an account by SQL: "Agent 1" has spent most. Agents 7 and 30 are paused
// by the creator.
func (s *Site) ManyAgents(account string, n int) {
	s.T.Helper()
	_, err := s.DB.Pool.Exec(s.T.Context(), `insert into agents (account, agent, name, feature, state, paused_since)
		select a.id, 'bot-' || i, 'Agent ' || i, 'comment_to_dm', case when i in (7, 30) then 1 else 0 end, case when i in (7, 30) then timestamptz '2026-11-20 10:00Z' end
		from accounts a, generate_series(1, $2) i where a.external_id = $1`, account, n)
	if err != nil {
		s.T.Fatal(err)
	}
	if _, err := s.DB.Pool.Exec(s.T.Context(),
		`update ledger_accounts set agents = $2 where account = (select id from accounts where external_id = $1)`,
		account, n); err != nil {
		s.T.Fatal(err)
	}
}

// SpendAs sets by SQL what an agent has spent this month.
func (s *Site) SpendAs(account, agent string, tokens int64) {
	s.T.Helper()
	_, err := s.DB.Pool.Exec(s.T.Context(),
		`insert into usage_days (account, day, feature, agent, amount, quantity, count)
		select id, date '2026-11-21', 'comment_to_dm', $2, $3, 1, 1 from accounts where external_id = $1`, account,
		agent, tokens*1_000_000)
	if err != nil {
		s.T.Fatal(err)
	}
}

// Agents are the ids of the agents on a page, in order.
func (a Response) Agents() []string {
	a.T.Helper()
	var ids []string
	for _, card := range Marked(a.Want(http.StatusOK).HTML(), "agent") {
		ids = append(ids, Attr(card, "data-agent"))
	}
	return ids
}

// FirstTag is the only element of a page's head with a tag.
func FirstTag(a Response, tag string) *html.Node {
	a.T.Helper()
	found := Elements(a.HTML(), func(n *html.Node) bool { return n.Data == tag && n.Parent.Data == "head" })
	if len(found) != 1 {
		a.T.Fatalf("%s: %d times <%s>", a.Request, len(found), tag)
	}
	return found[0]
}

// Agent is the card of an agent on the Agents page.
func (a Response) Agent(id string) *html.Node {
	a.T.Helper()
	for _, card := range Marked(a.HTML(), "agent") {
		if Attr(card, "data-agent") == id {
			return card
		}
	}
	a.T.Fatalf("%s: no agent %s: %.2000s", a.Request, id, a.Body)
	return nil
}

// AgentText is the text of a part of an agent's card, empty if there is none.
func (a Response) AgentText(agent, part string) string {
	a.T.Helper()
	if found := Marked(a.Agent(agent), part); len(found) == 1 {
		return Text(found[0])
	}
	return ""
}

// WantAgentText checks the text of a part of an agent's card.
func (a Response) WantAgentText(agent, part, want string) {
	a.T.Helper()
	if got := a.AgentText(agent, part); got != want {
		a.T.Errorf("%s: %s of %s is %q, want %q", a.Request, part, agent, got, want)
	}
}

const MayasAgentsPath = "/v1/accounts/maya/agents"

// apiAgent finds an agent of maya's in the API's list.
func (s *Site) apiAgent(id string) map[string]any {
	s.T.Helper()
	for _, a := range s.Call("GET", MayasAgentsPath, "").Want(http.StatusOK).List("agents") {
		if a["id"] == id {
			return a
		}
	}
	s.T.Errorf("there is no agent %q", id)
	return nil
}

func (s *Site) WantAPIAgent(id string, want map[string]any) {
	s.T.Helper()
	got := s.apiAgent(id)
	for name, value := range want {
		if got[name] != value {
			s.T.Errorf("agent %s: %s is %#v, want %#v", id, name, got[name], value)
		}
	}
}
