package ledger

import "pop.store/credits/internal/problem"

// Errors that a caller can meet whatever the request was.
var (
	ErrBusy = problem.New(problem.KindUnavailable, "busy",
		"The ledger has too much to do just now. Try again with the same key.")
)

// ErrNoAccount is the answer for an account that was never opened.
var ErrNoAccount = problem.New(problem.NotFound, "account_not_found", "There is no such account.")

// ErrClosed is the answer to what a closed account does not do any more.
var ErrClosed = problem.New(problem.Conflict, "account_closed",
	"This account is closed: its tokens cannot be spent, and none can be added.")

// ErrNoAgent is the answer for an agent that was never registered.
var ErrNoAgent = problem.New(problem.NotFound, "agent_not_found", "There is no such agent.")

// ErrNoHold is the answer for a hold that is not there.
var ErrNoHold = problem.New(problem.NotFound, "hold_not_found", "There is no such hold.")

// ErrNoPurchase is the answer for a purchase that was not credited.
var ErrNoPurchase = problem.New(problem.NotFound, "purchase_not_found", "There is no such purchase.")
