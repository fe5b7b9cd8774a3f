package views

import (
	"slices"
	"strings"

	"github.com/a-h/templ"

	"pop.store/credits/internal/tokens"
)

// Clause says why one or several agents are paused, in the middle of a sentence: "out of tokens".
func (m StopModel) Clause(several bool) string {
	its, needs, asked := "its ", "it needs", "it"
	if several {
		its, needs, asked = "their ", "they need", "they"
	}
	switch m.Reason {
	case WhyCreator:
		return "you turned " + strings.Replace(asked, "they", "them", 1) + " off"
	case WhyHeld:
		return "jobs under way hold the tokens " + needs
	case WhyReserve:
		return "the tokens left are kept for " + m.keptFor()
	case WhySize:
		return asked + " asked for more tokens at once than you had"
	case WhyBudget:
		if m.Left > 0 {
			return its + budgetWord(m.Budget) + " budget for this month has only " + Number(m.Left) + " left"
		}
		return its + budgetWord(m.Budget) + " budget for this month is used"
	case WhyTokens:
	}
	return "out of tokens"
}

// Button is the label of the remedy.
func (m StopModel) Button() string {
	switch m.Reason {
	case WhyCreator, WhySize:
		return "Turn on"
	case WhyReserve:
		return "Lower the reserve"
	case WhyBudget:
		return "Raise the budget"
	case WhyTokens, WhyHeld:
	}
	return "See the packs"
}

// Advice says how to resume one agent, or several that are paused for the same reason. ones is what
// they then work on.
func (m StopModel) Advice(several bool, ones string) string {
	restart, goOn := "it restarts by itself", "it goes on"
	if several {
		restart, goOn = "they restart by themselves", "they go on"
	}
	switch m.Reason {
	case WhyCreator:
		return "Stays off until you turn it on."
	case WhySize:
		return "Turn on and " + goOn + ", for new " + ones + "."
	case WhyReserve:
		return "Keep less for " + m.keptFor() + " and " + restart + ", for new " + ones + "."
	case WhyBudget:
		return "Raise the budget and " + restart + ", for new " + ones + "."
	case WhyTokens, WhyHeld:
	}
	return "Add tokens and " + restart + ", for new " + ones + "."
}

func (m StopModel) keptFor() string {
	if m.KeptFor == "" {
		return "others"
	}
	return m.KeptFor
}

func budgetWord(budget *tokens.Amount) string {
	if budget == nil {
		return "month's"
	}
	return Number(*budget) + "-token"
}

// onlyTokens reports whether it only waits for tokens.
func (m StopModel) onlyTokens() bool {
	return m.Reason == WhyTokens || m.Reason == WhyHeld || m.Reason == ""
}

// sameStop is the common reason of several agents; false if they differ, or for none.
func sameStop(list []StoppedModel) (StopModel, bool) {
	if len(list) == 0 {
		return StopModel{}, false
	}
	first := list[0].Stop
	other := func(m StoppedModel) bool { return m.Stop.Clause(false) != first.Clause(false) }
	return first, !slices.ContainsFunc(list, other)
}

// stopped names the agents that are paused: "Comment Replies and Brand Scout are", "3 agents are".
func (m BadgeModel) stopped() string {
	if len(m.Stopped) == 0 || len(m.Stopped) > 2 {
		return counted(int64(m.PausedAgents), "agent is", "agents are")
	}
	names := make([]string, len(m.Stopped))
	for i := range m.Stopped {
		names[i] = m.Stopped[i].Name
	}
	return both(names) + " " + are(len(names) == 1)
}

// pausedText says which agents are paused, and why if they share one reason: "Comment Replies is
// paused: out of tokens." Empty for none.
func (m BadgeModel) pausedText() string {
	if m.PausedAgents == 0 {
		return ""
	}
	text := m.stopped() + " paused"
	if stop, same := sameStop(m.Stopped); same {
		text += ": " + stop.Clause(m.PausedAgents > 1)
	}
	return text + "."
}

// PausedAnnouncement is the sentence of the status region when another agent is paused.
func (m BadgeModel) PausedAnnouncement() string { return m.pausedText() }

// waits says which agents wait for tokens at an empty balance.
func (m NoticeModel) waits() string {
	switch {
	case m.Waiting > 0 && m.GoOn > 0:
		return "AI tools and " + Count(int64(m.Waiting)) + " of " + counted(int64(m.Waiting+m.GoOn), "agent",
			"agents") +
			" are waiting for more tokens. The others go on with what is left."
	case m.Waiting > 0:
		return "AI tools and agents are waiting for more tokens."
	case m.GoOn > 0:
		return "AI tools are waiting for more tokens. Agents go on with what is left."
	}
	return "AI tools are waiting for more tokens."
}

// pausedStep is the next step while agents are paused: the remedy, if all share one.
func pausedStep(b *BadgeModel) step {
	stop, same := sameStop(b.Stopped)
	if !same {
		return step{b.stopped() + " paused", "Each says why, and what ends it.", LinkProps{
			Label: "See the agents",
			Href:  "/agents",
			Kind:  ButtonInk,
		}}
	}
	title := b.stopped() + " paused: " + stop.Clause(b.PausedAgents > 1)
	if stop.Reason == WhyTokens {
		title = b.stopped() + " waiting for tokens"
	}
	button := LinkProps{
		Label: stop.Button(),
		Href:  "/agents",
		Kind:  ButtonInk,
	}
	if stop.onlyTokens() {
		button.Href = "/credits/buy"
	} else if len(b.Stopped) == 1 {
		button.Href = templ.URL(stop.URL)
	}
	return step{title, stop.Advice(b.PausedAgents > 1, "requests"), button}
}

// reserveWarning warns of reserves that leave nothing for the others; empty otherwise.
func (m AgentsModel) reserveWarning() string {
	switch {
	case m.Reserved == 0 || m.Reserved < m.Spendable:
		return ""
	case m.Own >= m.Spendable && m.Own > 0:
		return "You keep " + Number(m.Own) + " for your own tools and have " + Tokens(m.Spendable) +
			": agents have nothing left to spend until you keep less, or have more than that."
	}
	return Number(m.Reserved) + " are kept in all and you have " + Tokens(m.Spendable) +
		": nobody else has anything left to spend until less is kept, or you have more than that."
}

// curedElsewhere reports whether the remedy is not the agent's own switch.
func (m AgentModel) curedElsewhere() bool {
	paused := m.State == AgentOutOfTokens || m.State == AgentOverBudget
	return paused && m.stop().Reason != WhySize
}

// cureURL links to the remedy.
func (m AgentModel) cureURL() string {
	switch {
	case m.Stop.URL != "":
		return m.Stop.URL
	case m.stop().Reason == WhyBudget:
		return "#" + AgentAnchor(m.ID) + "-budget"
	}
	return "/credits/buy?next=%2Fagents"
}
