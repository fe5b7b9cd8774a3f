package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// AgentState says whether an agent works, and if not, why: the ledger's states.
type AgentState string

// The four states of an agent.
const (
	AgentOn          AgentState = "on"
	AgentByCreator   AgentState = "paused_by_creator"
	AgentOutOfTokens AgentState = "paused_out_of_tokens"
	AgentOverBudget  AgentState = "paused_over_budget"
)

// AgentReason says why an agent is paused: the ledger's reasons.
type AgentReason string

// The reasons, as the ledger names them.
const (
	WhyCreator AgentReason = "creator"
	WhyTokens  AgentReason = "tokens"
	WhyHeld    AgentReason = "held"    // running jobs hold what it needs
	WhyReserve AgentReason = "reserve" // what it needs is reserved for others
	WhySize    AgentReason = "size"    // it requested more at once than there was
	WhyBudget  AgentReason = "budget"
)

// StopModel says why an agent is paused and how to resume it. The zero model is an active agent.
type StopModel struct {
	Reason AgentReason
	// KeptFor names the owner of the reserve ("your own tools"), Budget is the exceeded budget, and
	// Left its rest; each for its reason.
	KeptFor string
	Budget  *tokens.Amount
	Left    tokens.Amount
	// URL links to the remedy.
	URL string
}

// AgentsModel is the Agents page.
type AgentsModel struct {
	Layout Layout
	// Agents are those of this page, paused ones first.
	Agents []AgentModel
	// All counts the account's agents, Stopped the paused ones, and Found those that match Search.
	Search              string
	All, Stopped, Found int
	// Page of Pages begins with the agent number First of those found; all count from 1.
	Page, Pages, First int
	// Spendable is the balance, and Reserved the sum of all reserves. It may exceed the balance.
	Spendable, Reserved tokens.Amount
	// Own is the reserve for the creator's own tools, and OwnForm its form.
	Own     tokens.Amount
	OwnForm LimitsForm
	// Saved is set after limits were saved.
	Saved bool
	// Still turns live updates off, since they would replace what was typed.
	Still bool
}

// AgentModel is one agent: its state, its spending and results of this month, and its limits.
type AgentModel struct {
	ID   string
	Name string
	// Does is what it spends on ("Comment to DM"); empty if the name says it.
	Does  string
	State AgentState
	// Since is when it was paused, and TurnedAway counts the requests refused since.
	Since      time.Time
	TurnedAway int64
	// Stop is the reason.
	Stop StopModel
	// Spent is the amount of this calendar month, and Held that of running jobs.
	Spent tokens.Amount
	Held  tokens.Amount
	// Count and its noun are this month's work: 240 DMs.
	Count     int64
	One, Many string
	// Results are this month's results, as reported by the services.
	Results []ResultModel
	// Budget is the monthly limit, nil for none; Reserve is what only this agent may spend.
	Budget  *tokens.Amount
	Reserve tokens.Amount
	Form    LimitsForm
}

// ResultModel is one kind of results: 9 sales, $214. Without a currency no money is shown.
type ResultModel struct {
	Count     int64
	One, Many string
	Money     money.Amount
}

// LimitsForm is a form of limits as typed. Problems has a message per field name ("budget",
// "reserve").
type LimitsForm struct {
	Budget, Reserve string
	Problems        map[string]string
}

// ResumedModel is an agent that was resumed.
type ResumedModel struct {
	Name string
	// For is what it works on ("comments"); empty means "requests".
	For string
	// Missed counts the requests refused during the pause; zero if unknown.
	Missed int64
}

// StoppedModel is an agent that is paused, except by its creator. Back is the sentence for when it
// is active again.
type StoppedModel struct {
	Name string
	Stop StopModel
	Back string
}

// RecapModel is what happened since the last visit. The zero model shows nothing.
type RecapModel struct {
	Since time.Time
	Spent tokens.Amount
	// Bought are packs, Arrived plan tokens and gifts. Expired was lost.
	Bought, Arrived, Expired tokens.Amount
	// TakenBack is what support took out of the account.
	TakenBack tokens.Amount
	// Returned was refunded for earlier work.
	Returned tokens.Amount
	// Back names the agents that ran out and are active again. Paused are those that stopped since and
	// still are.
	Back   []string
	Paused []AgentModel
}
