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

// AgentsModel is the Agents page.
type AgentsModel struct {
	Chrome Chrome
	Agents []AgentModel
	// Own is what is kept for the creator's own tools, and OwnForm the form that says so.
	Own     tokens.Amount
	OwnForm LimitsForm
	// Problem is a sentence about why the last attempt went wrong; Saved says that limits have just been saved.
	Problem string
	Saved   bool
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

// LimitsForm is a form with limits as it was typed. Problems holds a message per field name ("budget", "reserve").
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

// WaitingModel is an agent that waits for tokens, with the sentence for when it is back on.
type WaitingModel struct {
	Name string
	Back string
}

// AwayModel is what happened since the last visit. The zero model says nothing.
type AwayModel struct {
	Since time.Time
	Spent tokens.Amount
	// Bought and Arrived came in: packs, and what the plan and gifts gave. Expired was lost.
	Bought, Arrived, Expired tokens.Amount
	// Returned came back of work from before.
	Returned tokens.Amount
	// Back names the agents that ran out and are on again; Paused are those that stopped since, and still are.
	Back   []string
	Paused []AgentModel
}
