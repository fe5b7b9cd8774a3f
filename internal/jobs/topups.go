package jobs

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

type topUp struct{}

// Kind is the job's name in River's tables.
func (topUp) Kind() string { return "top_up" }

// cursor is where this server's pass through all accounts continues in the next turn.
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

// topUp handles the accounts with auto top-up in chunks. The next turn continues where this one ended, so
// that the first accounts do not starve the others.
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
