package ledger

import (
	"strings"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Reason says why an agent is paused or a request lacks tokens. Pages, e-mails and the API show the same
// one.
type Reason string

// The reasons.
const (
	ReasonNone    Reason = ""
	ReasonCreator Reason = "creator" // the creator turned it off
	ReasonTokens  Reason = "tokens"  // the balance is too low
	ReasonHeld    Reason = "held"    // running jobs hold the tokens it needs
	ReasonReserve Reason = "reserve" // the tokens it needs are reserved for others
	ReasonSize    Reason = "size"    // one request exceeded the balance, which covers smaller ones
	ReasonBudget  Reason = "budget"  // its monthly budget is used up
)

// Cure is the action that ends a pause.
type Cure string

// The cures.
const (
	CureNone    Cure = ""
	CureTurnOn  Cure = "turn_on"
	CureTokens  Cure = "add_tokens"
	CureReserve Cure = "lower_reserve"
	CureBudget  Cure = "raise_budget"
)

var cures = map[Reason]Cure{
	ReasonCreator: CureTurnOn,
	ReasonTokens:  CureTokens,
	ReasonHeld:    CureTokens,
	ReasonReserve: CureReserve,
	ReasonSize:    CureTurnOn,
	ReasonBudget:  CureBudget,
}

// Cure is the action that ends a pause for this reason.
func (r Reason) Cure() Cure { return cures[r] }

// pauseReason says why an agent is paused; ReasonNone while it is on.
func (s *State) pauseReason(a *agent, now time.Time, prices *catalog.Catalog) Reason {
	switch a.State {
	case AgentByCreator:
		return ReasonCreator
	case AgentOverBudget:
		return ReasonBudget
	case AgentOutOfToken:
	case AgentOn:
		return ReasonNone
	}
	if s.available(a.ID, now) >= a.resumeThreshold(prices) {
		return ReasonSize
	}
	if r := s.shortfallReason(a.ID, a.expectedRequest(prices), now, prices); r != ReasonNone {
		return r
	}
	return ReasonTokens // enough for one request, but the agent would soon pause again
}

// shortfallReason says why an agent, or the creator if id is empty, cannot spend an amount; ReasonNone if
// it can. If even the largest pack would not lift the balance over the reserves of others, the reserve is
// the reason.
func (s *State) shortfallReason(id string, amount tokens.Amount, now time.Time, prices *catalog.Catalog) Reason {
	there, others := s.spendable(now), s.reservedFrom(id)
	switch {
	case amount <= there-others:
		return ReasonNone
	case amount <= there:
		return ReasonReserve
	case amount <= there+s.Held-others:
		return ReasonHeld
	case others > 0 && amount > there+s.Held-others+largestPack(prices):
		return ReasonReserve
	}
	return ReasonTokens
}

func largestPack(prices *catalog.Catalog) (most tokens.Amount) {
	for i := range prices.Packs {
		most = max(most, prices.Packs[i].Tokens)
	}
	return most
}

// missing is how many tokens must be added before a paused agent resumes; zero if it does not wait for
// tokens.
func (s *State) missing(a *agent, now time.Time, prices *catalog.Catalog) tokens.Amount {
	if a.State != AgentOutOfToken {
		return 0
	}
	return max(0, a.expectedRequest(prices)+s.reservedFrom(a.ID)-s.spendable(now))
}

// ready reports whether an agent is on and can afford its next request.
func (s *State) ready(a *agent, now time.Time, prices *catalog.Catalog) bool {
	unit := a.minimumRequest(prices)
	return a.State == AgentOn && s.available(a.ID, now) >= unit && s.budgetLeft(a, now) >= unit
}

// insufficientTokens is the API's 402 for a shortfall.
func (s *State) insufficientTokens(f *shortfall, now time.Time, prices *catalog.Catalog) *problem.Error {
	why := s.shortfallReason(f.agent, f.required, now, prices)
	text := f.summary() + " " + f.outcome()
	a := s.agent(f.agent)
	if f.agent != "" && a.State != AgentOn {
		text += " The agent is paused" + pausedUntilText[why] + "."
	}
	p := problem.New(problem.Insufficient, "insufficient_tokens", "%s", text).
		With("spendable", f.spendable).With("required", f.required).With("shortfall", f.missing).With("held",
		f.held).With("reserved", f.reserved).
		With("cure", string(why.Cure()))
	if f.agent == "" {
		return p
	}
	return p.With("agent", f.agent).With("state", a.State.String())
}

func (f *shortfall) outcome() string {
	if f.beyond > 0 {
		return "The hold is kept, and no tokens were used."
	}
	return "It didn't run, and no tokens were used."
}

// summary says what is needed and available, including what is held or reserved.
func (f *shortfall) summary() string {
	text := "This needs " + f.required.String() + " tokens"
	if f.beyond > 0 {
		text += " more than the " + f.beyond.String() + " that are held,"
	}
	text += " and you have " + f.spendable.String()
	var aside []string
	if f.reserved > 0 {
		whom := "agents"
		if f.agent != "" {
			whom = "others"
		}
		aside = append(aside, f.reserved.String()+" more are reserved for "+whom)
	}
	if f.held > 0 {
		aside = append(aside, f.held.String()+" are held by jobs under way")
	}
	if len(aside) == 0 {
		return text + "."
	}
	return text + " to spend: " + strings.Join(aside, " and ") + "."
}

// pauseReasonText completes "This agent is paused: ...".
var pauseReasonText = map[Reason]string{
	ReasonCreator: "its creator turned it off",
	ReasonTokens:  "out of tokens",
	ReasonHeld:    "jobs under way hold the tokens that it needs",
	ReasonReserve: "the tokens that are left are reserved for others",
	ReasonSize:    "it asked for more tokens at once than there were",
	ReasonBudget:  "its budget for this month is used",
}

// pausedUntilText completes "The agent is paused...".
var pausedUntilText = map[Reason]string{
	ReasonTokens:  " until there are more",
	ReasonHeld:    " until there are more",
	ReasonReserve: " until less is reserved for others or tokens come",
}

// turnAway counts a request that the agent's state or budget refuses, and returns the error. A request over
// budget pauses the agent unless keepOn is set.
func (s *State) turnAway(t *turnAwayError, keepOn bool, now time.Time, prices *catalog.Catalog) *problem.Error {
	a := s.agent(t.agent)
	if a.State == AgentOn && !keepOn {
		s.pause(a, AgentOverBudget, t.amount, now)
	}
	if a.State != AgentOn {
		a.TurnedAway++
		s.changed = true
	}
	reason := s.pauseReason(a, now, prices)
	p := problem.New(problem.Conflict, "agent_paused", "This agent is paused: %s.", pauseReasonText[reason])
	cure := reason.Cure()
	if t.budget {
		p = problem.New(problem.Conflict, "over_budget",
			"This agent's budget of %s tokens for this month does not cover that.", *a.Budget)
		cure = CureBudget
	}
	return p.With("state", a.State.String()).With("cure", string(cure))
}
