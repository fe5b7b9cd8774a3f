package jobs

import (
	"context"
	"sync"

	"github.com/google/uuid"
)

type topUp struct{}

// Kind names the job in River's tables.
func (topUp) Kind() string { return "top_up" }

// place is how far this server has come in a walk through accounts that is longer than a turn.
type place struct {
	mu sync.Mutex
	at uuid.UUID
}

func (p *place) get() uuid.UUID {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (p *place) set(at uuid.UUID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = at
}

// topUp looks at one chunk of the accounts with auto top-up after the other, until there is none
// left or its turn is over. The next turn goes on where this one ended, so that nobody waits for
// ever behind those who come first.
func (r *Runner) topUp(ctx context.Context) (more bool, err error) {
	mine, cancel := context.WithTimeout(ctx, r.turn)
	defer cancel()
	defer context.AfterFunc(r.stopping, cancel)()
	for {
		// Not mine: a charge that was begun is finished.
		next, more, err := r.TopUps(ctx, r.toppedUp.get())
		if err != nil {
			return false, err
		}
		if !more {
			r.toppedUp.set(uuid.Nil)
			return false, nil
		}
		r.toppedUp.set(next)
		if mine.Err() != nil {
			return true, nil
		}
	}
}
