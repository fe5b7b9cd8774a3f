package handlers

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"pop.store/credits/internal/inflight"
	"pop.store/credits/internal/problem"
)

// Limits on the reads and pages of one account that are under way at once. Reads share the
// database's connections with all accounts; four of one account leave room for the others, and are
// more than a browser or a service needs. Charges and other writes have a queue of their own in the
// ledger.
const (
	accountReads   = 4
	accountWaiting = 256
)

var errBusy = problem.New(problem.RateLimited, "too_many_requests",
	"Too many requests about this account are waiting. Try again in a moment.")

func newReadLimit() *inflight.Limiter[uuid.UUID] {
	return inflight.New[uuid.UUID](accountReads, accountWaiting)
}

// takeTurn waits until a read of the account may begin. The caller calls done after it.
func (a *App) takeTurn(ctx context.Context, account uuid.UUID) (done func(), err error) {
	done, err = a.reads.Acquire(ctx, account)
	if errors.Is(err, inflight.ErrTooMany) {
		return nil, errBusy
	}
	return done, err
}
