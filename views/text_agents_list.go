package views

import (
	"net/url"
	"strconv"
)

// fewAgents is the number of agents up to which each has a card. In longer lists active agents are
// lines, and there is a search.
const fewAgents = 6

func (m AgentsModel) long() bool { return m.All > fewAgents }

// title names the page: what was searched for, and which page it is.
func (m AgentsModel) title() string {
	text := "Agents"
	if m.Search != "" {
		text += ": " + m.Search
	}
	if m.Page > 1 {
		text += ", page " + strconv.Itoa(m.Page)
	}
	return text
}

// count sums the list up: "40 agents, 3 stopped", "12 of 40 agents".
func (m AgentsModel) count() string {
	if m.Search != "" {
		return Count(int64(m.Found)) + " of " + Count(int64(m.All)) + " agents"
	}
	text := Count(int64(m.All)) + " agents"
	if m.Stopped > 0 {
		return text + ", " + Count(int64(m.Stopped)) + " stopped"
	}
	return text
}

// shown says which of the agents found are on this page: "51 to 100 of 1,000".
func (m AgentsModel) shown() string {
	return Count(int64(m.First)) + " to " + Count(int64(m.First+len(m.Agents)-1)) + " of " + Count(int64(m.Found))
}

// link is the address of a page of the list.
func (m AgentsModel) link(page int) string {
	query := url.Values{}
	if m.Search != "" {
		query.Set("q", m.Search)
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	if len(query) == 0 {
		return "/agents"
	}
	return "/agents?" + query.Encode()
}

// parted separates paused agents from active ones, each in their order.
func (m AgentsModel) parted() (stopped, on []AgentModel) {
	for _, a := range m.Agents {
		if a.State == AgentOn {
			on = append(on, a)
		} else {
			stopped = append(stopped, a)
		}
	}
	return stopped, on
}

// named joins names with "and"; more than three are counted: "40 agents". are is the matching verb.
func named(names []string) (who, are string) {
	switch n := len(names); {
	case n == 1:
		return names[0], "is"
	case n > 3:
		return Count(int64(n)) + " agents", "are"
	}
	return both(names), "are"
}
