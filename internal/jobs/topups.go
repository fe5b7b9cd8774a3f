package jobs

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

type topUp struct{}

// Kind names the job in River's tables.
func (topUp) Kind() string { return "top_up" }

// cursor is where a pass through all accounts, which takes several turns, continues in this server.
type cursor struct {
	mu sync.Mutex
	at uuid.UUID
}

func (c *cursor) get() uuid.UUID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *cursor) set(at uuid.UUID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

// topUp processes the accounts with auto top-up, chunk after chunk. The next turn continues where
// this one ended, so that the accounts that come first do not starve the others.
func (r *Runner) topUp(ctx context.Context) (more bool, err error) {
	return r.inTurn(ctx, func(ctx context.Context) (bool, error) {
		next, more, err := r.TopUps(ctx, r.toppedUp.get())
		if err != nil {
			return false, err
		}
		if !more {
			next = uuid.Nil
		}
		r.toppedUp.set(next)
		return more, nil
	})
}
