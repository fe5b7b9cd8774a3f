package views

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"pop.store/credits/internal/tokens"
)

// AgentAnchor is the id of an agent's card on the Agents page. It is a hash, since agent ids may
// have any character.
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
		switch m.Stop.Reason {
		case WhyReserve:
			return "Held back by a reserve"
		case WhySize:
			return "Asked for too much"
		case WhyHeld:
			return "Waits for a job"
		case WhyTokens, WhyCreator, WhyBudget:
		}
		return "Out of tokens"
	case AgentOverBudget:
		return "Budget used"
	case AgentOn:
	}
	return "On"
}

// sentence says how the agent is, and what will resume it.
func (m AgentModel) sentence(c Layout) string {
	missed := m.missed()
	ones := "requests"
	if missed != "" {
		ones = "ones"
	}
	switch m.State {
	case AgentByCreator:
		return sentences("Paused by you. Stays off until you turn it on.", missed)
	case AgentOutOfTokens:
		return sentences("Paused since "+c.when(m.Since).Since()+": "+m.stop().Clause(false)+".", missed,
			m.stop().Advice(false, ones))
	case AgentOverBudget:
		return sentences("Paused: "+m.stop().Clause(false)+".", missed, m.stop().Advice(false, ones))
	case AgentOn:
	}
	if m.Held > 0 {
		return "Working: " + Tokens(m.Held) + " in use right now."
	}
	return "Handles new requests as they come."
}

// stop is why it is paused, derived from its state if nothing more is known.
func (m AgentModel) stop() StopModel {
	stop := m.Stop
	stop.Budget = m.Budget
	if stop.Reason == "" && m.State == AgentOverBudget {
		stop.Reason = WhyBudget
	}
	return stop
}

// missed says how many requests were refused while it was paused.
func (m AgentModel) missed() string {
	switch m.TurnedAway {
	case 0:
		return ""
	case 1:
		return "1 request wasn't handled."
	}
	return Count(m.TurnedAway) + " requests weren't handled."
}

// chain is this month's spending, work and results: "12 tokens", "240 DMs", "9 sales, $214".
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

// earned are the results of the work: "9 sales, $214.00", "31 sales, $987.50 and 4 leads".
func (m AgentModel) earned() string {
	words := make([]string, len(m.Results))
	for i, r := range m.Results {
		words[i] = r.text()
	}
	return join(words, " and ")
}

func (r ResultModel) text() string {
	text := counted(r.Count, r.One, r.Many)
	if r.Money.Currency != "" {
		text += ", " + r.Money.String()
	}
	return text
}

// budgetLeft is what an agent with a budget may still spend this month; holds count as spent.
func (m AgentModel) budgetLeft() tokens.Amount { return max(0, *m.Budget-m.Spent-m.Held) }

// limits describes the limits: "Spends at most 50 tokens a month, 38 are left. 20 are kept for it."
func (m AgentModel) limits() string {
	var text []string
	if m.Budget != nil {
		left := m.budgetLeft()
		text = append(text, "Spends at most "+Tokens(*m.Budget)+" a month, "+Number(left)+" "+
			are(left == tokens.One)+" left.")
	}
	if m.Reserve > 0 {
		text = append(text, Tokens(m.Reserve)+" of your balance "+are(m.Reserve == tokens.One)+" kept for it alone.")
	}
	return strings.Join(text, " ")
}

func are(one bool) string {
	if one {
		return "is"
	}
	return "are"
}

// Text says that an agent is active again: "Comment Replies is back on, for new comments. The 38 from
// the pause weren't answered."
func (m ResumedModel) Text() string {
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

// resumedText says that agents are active again: one in full, several by name.
func resumedText(list []ResumedModel) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0].Text()
	}
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = r.Name
	}
	who, are := named(names)
	return who + " " + are + " back on, for new requests. Those from the pause weren't answered."
}

// says reports whether anything happened while the creator was away.
func (m RecapModel) says() bool {
	return m.Spent > 0 || m.Bought > 0 || m.Arrived > 0 || m.Expired > 0 || m.TakenBack > 0 || m.Returned > 0 ||
		len(m.Back) > 0 || len(m.Paused) > 0
}

// lines are what happened, a sentence each.
func (m RecapModel) lines(c Layout) []string {
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
	if m.Returned > 0 {
		list = append(list, Tokens(m.Returned)+" returned from earlier work.")
	}
	if m.Expired > 0 {
		list = append(list, Tokens(m.Expired)+" expired unused.")
	}
	if m.TakenBack > 0 {
		list = append(list, Tokens(m.TakenBack)+" taken back.")
	}
	if len(m.Back) > 0 {
		who, are := named(m.Back)
		list = append(list, who+" stopped, and "+are+" back on.")
	}
	for i, a := range m.Paused {
		if rest := int64(len(m.Paused) - i); i >= maxPausedLines && rest > 1 {
			return append(list, Count(rest)+" more agents stopped.")
		}
		list = append(list, a.Name+": "+lowerFirst(a.sentence(c)))
	}
	return list
}

// maxPausedLines is how many paused agents get a line each.
const maxPausedLines = 5

// sentences joins sentences, without empty ones.
func sentences(list ...string) string {
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), " ")
}

// Since is when something began, in the middle of a sentence: "14:05", "yesterday, 21:14", "Monday,
// 21:14", "3 November, 21:14".
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

// agentsPoll is how often the Agents page polls for changes that no balance shows, such as refused
// requests.
const agentsPoll = 15 * time.Second

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
