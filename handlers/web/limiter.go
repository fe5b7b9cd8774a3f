package web

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"pop.store/credits/internal/inflight"
	"pop.store/credits/internal/problem"
)

// Reads and pages share the pool's connections with all accounts, so one account may use only a few
// at a time. Writes have their own queue in the ledger.
const (
	accountReads   = 4
	accountWaiting = 256
)

var errBusy = problem.New(problem.RateLimited, "too_many_requests",
	"Too many requests about this account are waiting. Try again in a moment.")

// ReadLimiter bounds the concurrent reads of each account.
type ReadLimiter struct{ limiter *inflight.Limiter[uuid.UUID] }

// NewReadLimiter returns a limiter without any reads.
func NewReadLimiter() ReadLimiter {
	return ReadLimiter{inflight.New[uuid.UUID](accountReads, accountWaiting)}
}

// Acquire waits until the account may start another read. The caller calls done afterwards. Too many
// waiting reads are a RateLimited problem; otherwise err is the context's.
func (l ReadLimiter) Acquire(ctx context.Context, account uuid.UUID) (done func(), err error) {
	done, err = l.limiter.Acquire(ctx, account)
	if errors.Is(err, inflight.ErrTooMany) {
		return nil, errBusy
	}
	return done, err
}
