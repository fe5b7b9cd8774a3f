package jobs

import (
	"context"
	"time"

	"pop.store/credits/internal/logs"
)

// relayAll carries events from the outbox to the sinks until ctx ends. Every server runs it. It is not a
// River job, because after a crash a job starts again only minutes later.
func (r *Runner) relayAll(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := r.relay.Step(ctx)
		pause := pollEvery
		switch {
		case err != nil && ctx.Err() == nil:
			logs.Database(r.Log).Error("events could not be relayed and will be retried", "in", startAgain.String(),
				"error", err)
			pause = startAgain
		case more:
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}
