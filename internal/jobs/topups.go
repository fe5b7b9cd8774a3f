package jobs

import (
	"context"

	"github.com/google/uuid"
)

type topUp struct{}

// Kind names the job in River's tables.
func (topUp) Kind() string { return "top_up" }

// topUp looks at one chunk of the accounts with auto top-up after the other, until there is none left or its turn is over. The next turn begins with the
// first again: what was bought meanwhile is soon passed by.
func (r *Runner) topUp(ctx context.Context) (more bool, err error) {
	mine, cancel := context.WithTimeout(ctx, r.turn)
	defer cancel()
	defer context.AfterFunc(r.stopping, cancel)()
	for next := uuid.Nil; ; {
		// Not mine: a charge that was begun is finished.
		if next, more, err = r.TopUps(ctx, next); err != nil {
			return false, err
		}
		if !more || mine.Err() != nil {
			return more, nil
		}
	}
}
