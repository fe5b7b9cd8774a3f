package views

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AgentAnchor is the id of an agent's card on the Agents page: agents may be called anything, ids of elements may not.
func AgentAnchor(id string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return "agent-" + hex.EncodeToString(h.Sum(nil))
}

// state is the word for an agent's state.
func (m AgentModel) state() string {
	switch m.State {
	case AgentByCreator:
		return "Paused by you"
	case AgentOutOfTokens:
		return "Out of tokens"
	case AgentOverBudget:
		return "Budget used"
	case AgentOn:
	}
	return "On"
}

// sentence says how an agent is, and what will make it go on.
func (m AgentModel) sentence(c Chrome) string {
	missed := m.missed()
	switch m.State {
	case AgentByCreator:
		return sentences("Paused by you. Stays off until you turn it on.", missed)
	case AgentOutOfTokens:
		ones := "requests"
		if missed != "" {
			ones = "ones"
		}
		return sentences("Paused since "+c.when(m.Since).Since()+": out of tokens.", missed, "Add tokens and it restarts by itself, for new "+ones+".")
	case AgentOverBudget:
		return sentences("Paused: its "+m.budget()+" budget for this month is used.", missed)
	case AgentOn:
	}
	if m.Held > 0 {
		return "Working: " + Tokens(m.Held) + " in use right now."
	}
	return "Handles new requests as they come."
}

func (m AgentModel) budget() string {
	if m.Budget == nil {
		return "month's"
	}
	return Number(*m.Budget) + "-token"
}

// missed says how many requests were not handled while it was paused.
func (m AgentModel) missed() string {
	switch m.TurnedAway {
	case 0:
		return ""
	case 1:
		return "1 request wasn't handled."
	}
	return Count(m.TurnedAway) + " requests weren't handled."
}

// chain is what this month's tokens became: "12 tokens", "240 DMs", "9 sales, $214".
func (m AgentModel) chain() []string {
	if m.Spent <= 0 && len(m.Results) == 0 {
		return nil
	}
	steps := []string{Tokens(max(m.Spent, 0))}
	if m.Count > 0 && m.One != "" {
		steps = append(steps, counted(m.Count, m.One, m.Many))
	}
	if len(m.Results) > 0 {
		steps = append(steps, m.earned())
	}
	return steps
}

// earned is what the work brought in: "9 sales, $214.00", "31 sales, $987.50 and 4 leads".
func (m AgentModel) earned() string {
	words := make([]string, len(m.Results))
	for i, r := range m.Results {
		words[i] = r.words()
	}
	return join(words, " and ")
}

func (r ResultModel) words() string {
	text := counted(r.Count, r.One, r.Many)
	if r.Money.Currency != "" {
		text += ", " + r.Money.String()
	}
	return text
}

// limits says what was set: "Spends at most 50 a month. 20 are kept for it."
func (m AgentModel) limits() string {
	var text []string
	if m.Budget != nil {
		text = append(text, "Spends at most "+Tokens(*m.Budget)+" a month.")
	}
	if m.Reserve > 0 {
		text = append(text, Tokens(m.Reserve)+" of your balance "+are(m.Reserve == 1_000_000)+" kept for it alone.")
	}
	return strings.Join(text, " ")
}

func are(one bool) string {
	if one {
		return "is"
	}
	return "are"
}

// Words is the sentence about an agent that is back on: "Comment Replies is back on, for new comments. The 38 from the pause weren't answered."
func (m ResumedModel) Words() string {
	what := m.For
	if what == "" {
		what = "requests"
	}
	text := m.Name + " is back on, for new " + what + "."
	switch m.Missed {
	case 0:
		return text + " Those from the pause weren't answered."
	case 1:
		return text + " The one from the pause wasn't answered."
	}
	return text + " The " + Count(m.Missed) + " from the pause weren't answered."
}

// resumedWords say that agents are back on: one in full, several by their names.
func resumedWords(list []ResumedModel) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0].Words()
	}
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = r.Name
	}
	who, are := named(names)
	return who + " " + are + " back on, for new requests. Those from the pause weren't answered."
}

// waiting names the agents that wait for tokens: "Comment Replies and Brand Scout are", "3 agents are".
func (m BadgeModel) waiting() string {
	if len(m.Waiting) == 0 || len(m.Waiting) > 2 {
		return counted(int64(m.PausedAgents), "agent is", "agents are")
	}
	names := make([]string, len(m.Waiting))
	for i, w := range m.Waiting {
		names[i] = w.Name
	}
	return both(names) + " " + are(len(names) == 1)
}

// PausedAnnouncement is the sentence that the status region says when one more agent waits.
func (m BadgeModel) PausedAnnouncement() string {
	if m.PausedAgents == 0 {
		return ""
	}
	return m.waiting() + " paused: out of tokens."
}

// says tells whether anything happened while the creator was away.
func (m AwayModel) says() bool {
	return m.Spent > 0 || m.Bought > 0 || m.Arrived > 0 || m.Expired > 0 || len(m.Back) > 0 || len(m.Paused) > 0
}

// lines are what happened, a sentence each.
func (m AwayModel) lines(c Chrome) []string {
	var list []string
	if m.Spent > 0 {
		list = append(list, Tokens(m.Spent)+" spent.")
	}
	if m.Bought > 0 {
		list = append(list, Tokens(m.Bought)+" bought.")
	}
	if m.Arrived > 0 {
		list = append(list, Tokens(m.Arrived)+" arrived from your plan and gifts.")
	}
	if m.Expired > 0 {
		list = append(list, Tokens(m.Expired)+" expired unused.")
	}
	if len(m.Back) > 0 {
		who, are := named(m.Back)
		list = append(list, who+" ran out of tokens, and "+are+" back on.")
	}
	for i, a := range m.Paused {
		if rest := int64(len(m.Paused) - i); i >= maxPausedLines && rest > 1 {
			return append(list, Count(rest)+" more agents stopped.")
		}
		list = append(list, a.Name+": "+lowerFirst(a.sentence(c)))
	}
	return list
}

// maxPausedLines is how many agents that stopped have a line each.
const maxPausedLines = 5

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// sentences puts sentences one after another, but for those that are empty.
func sentences(list ...string) string {
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), " ")
}

// Since is when something began, in the middle of a sentence: "14:05", "yesterday, 21:14", "Monday, 21:14", "3 November, 21:14".
func (w when) Since() string {
	clock := w.Clock()
	switch days := w.daysAhead(); {
	case days >= 0:
		return clock
	case days == -1:
		return "yesterday, " + clock
	case days > -7:
		return w.format("Monday, ") + clock
	case w.at.Year() == w.now.Year():
		return w.format("2 January, ") + clock
	}
	return w.format("2 January 2006, ") + clock
}

// agentsPoll is how often the Agents page asks for what no balance tells, such as requests that were turned away.
const agentsPoll = 15 * time.Second

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
