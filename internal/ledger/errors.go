package ledger

import "pop.store/credits/internal/problem"

// ErrBusy is returned when a lane's queue is full. The request was not carried out.
var (
	ErrBusy = problem.New(problem.KindUnavailable, "busy",
		"The ledger has too much to do just now. Try again with the same key.")
)

// ErrNoAccount is returned for an account that was never opened.
var ErrNoAccount = problem.New(problem.NotFound, "account_not_found", "There is no such account.")

// ErrClosed is returned for a request that a closed account does not accept.
var ErrClosed = problem.New(problem.Conflict, "account_closed",
	"This account is closed: its tokens cannot be spent, and none can be added.")

// ErrNoAgent is returned for an agent that was never registered.
var ErrNoAgent = problem.New(problem.NotFound, "agent_not_found", "There is no such agent.")

// ErrNoHold is returned when the account has no such hold.
var ErrNoHold = problem.New(problem.NotFound, "hold_not_found", "There is no such hold.")

// ErrNoPurchase is returned for a purchase that was not credited.
var ErrNoPurchase = problem.New(problem.NotFound, "purchase_not_found", "There is no such purchase.")
