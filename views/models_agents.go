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
	WhyHeld    AgentReason = "held"    // jobs under way hold what it needs
	WhyReserve AgentReason = "reserve" // what it needs is there, and reserved for others
	WhySize    AgentReason = "size"    // it asked for more at once than there was
	WhyBudget  AgentReason = "budget"
)

// StopModel says why an agent is paused, and where that is cured. The zero model is that of an
// agent which is on.
type StopModel struct {
	Reason AgentReason
	// KeptFor is whom the tokens are reserved for ("your own tools"), Budget the budget that does
	// not cover its work, and Left what is left of it; each for its reason.
	KeptFor string
	Budget  *tokens.Amount
	Left    tokens.Amount
	// URL leads to the cure.
	URL string
}

// AgentsModel is the Agents page.
type AgentsModel struct {
	Layout Layout
	// Agents are those of this page: the stopped ones first.
	Agents []AgentModel
	// All counts the account's agents, Stopped those of them that do not work, and Found those that
	// match Search.
	Search              string
	All, Stopped, Found int
	// Page of Pages begins with the agent number First of those found; all count from 1.
	Page, Pages, First int
	// Spendable is what there is, and Reserved what of it, or beyond it, is set aside for single
	// agents and the creator's own tools.
	Spendable, Reserved tokens.Amount
	// Own is what is kept for the creator's own tools, and OwnForm the form that says so.
	Own     tokens.Amount
	OwnForm LimitsForm
	// Saved says that limits have just been saved.
	Saved bool
	// Still leaves the page as it is: what was typed must not be fetched away.
	Still bool
}

// AgentModel is one agent: how it is, what it spent this month and what came of it, and its limits.
type AgentModel struct {
	ID   string
	Name string
	// Does is what it spends on ("Comment to DM"); empty where the name says it.
	Does  string
	State AgentState
	// Since is when it was paused, and TurnedAway counts the requests that were not handled since.
	Since      time.Time
	TurnedAway int64
	// Stop says why.
	Stop StopModel
	// Spent is this calendar month's, and Held what its jobs under way have set aside.
	Spent tokens.Amount
	Held  tokens.Amount
	// Count and its noun are the work of this month: 240 DMs.
	Count     int64
	One, Many string
	// Results are what the work brought in this month, as far as the services report it.
	Results []ResultModel
	// Budget is how much it may spend in a month, nil for any amount; Reserve is what only it may spend.
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

// LimitsForm is a form with limits as it was typed. Problems holds a message per field name
// ("budget", "reserve").
type LimitsForm struct {
	Budget, Reserve string
	Problems        map[string]string
}

// ResumedModel is an agent that is back on.
type ResumedModel struct {
	Name string
	// For is what it works on from now on: "comments"; empty: "requests".
	For string
	// Missed counts what was not handled in the meantime; zero when that is not known.
	Missed int64
}

// StoppedModel is an agent that is paused although its creator did not turn it off, with the
// sentence for when it is back on.
type StoppedModel struct {
	Name string
	Stop StopModel
	Back string
}

// RecapModel is what happened since the last visit. The zero model says nothing.
type RecapModel struct {
	Since time.Time
	Spent tokens.Amount
	// Bought and Arrived came in: packs, and what the plan and gifts gave. Expired was lost.
	Bought, Arrived, Expired tokens.Amount
	// TakenBack is what support took out of the account.
	TakenBack tokens.Amount
	// Returned came back of work from before.
	Returned tokens.Amount
	// Back names the agents that ran out and are on again; Paused are those that stopped since, and
	// still are.
	Back   []string
	Paused []AgentModel
}
