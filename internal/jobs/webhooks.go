package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/webhook"
)

// Limits of the delivery of webhooks. Each endpoint has its own queue and workers, so a slow one does not
// delay others.
const (
	webhookWorkers = 4                      // concurrent, per endpoint and server
	webhookOrders  = 200                    // inserted jobs per endpoint and round
	webhookChunk   = 1000                   // rows per sweep
	removeTime     = 200 * time.Millisecond // how long removing a queue waits for its jobs; it is tried again
)

// deliver is a job that sends the pending events of a stream, in order. There is one per stream at a time,
// in all servers.
type deliver struct {
	webhook.Stream
}

// Kind is the job's name in River's tables.
func (deliver) Kind() string { return "deliver_webhooks" }

// InsertOpts puts the job into its endpoint's queue, unless its stream has one.
func (d deliver) InsertOpts() river.InsertOpts {
	o := *onlyOne()
	o.Queue, o.UniqueOpts.ByArgs = webhookQueue(d.Endpoint), true
	return o
}

func webhookQueue(endpoint uuid.UUID) string { return "webhook_" + endpoint.String() }

// deliver sends the events of a stream in order.
func (r *Runner) deliver(ctx context.Context, stream webhook.Stream) (more bool, err error) {
	return r.inTurn(ctx, func(ctx context.Context) (bool, error) { return r.Webhooks.Next(ctx, stream) })
}

// orderDeliveries inserts a job for each stream with a due event, and keeps a queue for each endpoint,
// until ctx ends. Every server runs it; existing jobs are not inserted again.
func (r *Runner) orderDeliveries(ctx context.Context) {
	working := queues{}
	for ctx.Err() == nil {
		err := r.followEndpoints(ctx, working)
		if err == nil {
			err = r.orderDue(ctx)
		}
		pause := pollEvery
		if err != nil && ctx.Err() == nil {
			logs.Database(r.Log).Error("webhooks could not be scheduled and will be retried", "in", startAgain.String(),
				"error", err)
			pause = startAgain
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (r *Runner) orderDue(ctx context.Context) error {
	lanes, err := r.Webhooks.Due(ctx, webhookOrders)
	if err != nil || len(lanes) == 0 {
		return err
	}
	orders := make([]river.InsertManyParams, len(lanes))
	for i, stream := range lanes {
		orders[i].Args = deliver{stream}
	}
	_, err = r.client.InsertMany(ctx, orders)
	return err
}

// queues are the endpoints that this server works for: true while one works, false while it ends.
type queues map[uuid.UUID]bool

// followEndpoints adds queues for new endpoints and removes those of deleted ones.
func (r *Runner) followEndpoints(ctx context.Context, working queues) error {
	active, err := r.Webhooks.Active(ctx)
	if err != nil {
		return err
	}
	for id := range working {
		if working[id] = working[id] && slices.Contains(active, id); !working[id] {
			r.removeQueue(ctx, id, working)
		}
	}
	for _, id := range active {
		if _, there := working[id]; there {
			continue
		}
		if err := r.client.Queues().Add(webhookQueue(id), river.QueueConfig{MaxWorkers: webhookWorkers}); err != nil {
			return fmt.Errorf("add a queue: %w", err)
		}
		working[id] = true
	}
	return nil
}

// removeQueue removes an endpoint's queue once its running jobs have ended, and deletes its waiting jobs:
// if the endpoint comes back, they are inserted again. If its jobs take long, the next call removes it;
// until then it takes no new jobs.
func (r *Runner) removeQueue(ctx context.Context, endpoint uuid.UUID, working queues) {
	stopCtx, cancel := context.WithTimeout(ctx, removeTime)
	defer cancel()
	if err := r.client.Queues().Remove(stopCtx, webhookQueue(endpoint)); err != nil {
		return
	}
	delete(working, endpoint)
	left := river.NewJobDeleteManyParams().Queues(webhookQueue(endpoint)).States(rivertype.JobStateAvailable,
		rivertype.JobStateScheduled)
	if _, err := r.client.JobDeleteMany(ctx, left.First(2*webhookOrders)); err != nil {
		r.Log.Warn("jobs of a deleted webhook endpoint could not be removed", "endpoint", endpoint, "error", err)
	}
}

type sweepWebhooks struct{}

// Kind is the job's name in River's tables.
func (sweepWebhooks) Kind() string { return "sweep_webhooks" }

func (r *Runner) sweepWebhooks(ctx context.Context) (more bool, err error) {
	return r.inTurn(ctx, func(ctx context.Context) (bool, error) { return r.Webhooks.Sweep(ctx, webhookChunk) })
}
