package jobs

import (
	"context"
	"time"

	"pop.store/credits/internal/logs"
)

// relayAll carries events from the outbox to the sinks, until ctx ends. Every server does: which of
// them does it does not matter, and none has to wait for another one that died. It is no job of
// River's for that reason: a job whose server dies is taken up again after minutes.
func (r *Runner) relayAll(ctx context.Context) {
	for ctx.Err() == nil {
		more, err := r.relay.Step(ctx)
		pause := pollEvery
		switch {
		case err != nil && ctx.Err() == nil:
			logs.Database(r.Log).Error("events could not be handed on; trying again", "in", startAgain.String(),
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
