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

// Limits of the delivery of webhooks. Each endpoint has a queue with workers of its own, so a slow
// one holds up nobody else.
const (
	webhookWorkers = 4                      // of an endpoint, at a time and in a server
	webhookOrders  = 200                    // jobs of an endpoint that are ordered at a time
	webhookChunk   = 1000                   // rows that are swept at a time
	removeTime     = 200 * time.Millisecond // how long removing a queue waits for its jobs; it is tried again
)

// deliver is the job that sends what waits in a lane, in order. There is one of a lane at a time,
// in all servers.
type deliver struct {
	webhook.Stream
}

// Kind names the job in River's tables.
func (deliver) Kind() string { return "deliver_webhooks" }

// InsertOpts puts the job into its endpoint's queue, unless there is one of the lane.
func (d deliver) InsertOpts() river.InsertOpts {
	o := *onlyOne()
	o.Queue, o.UniqueOpts.ByArgs = webhookQueue(d.Endpoint), true
	return o
}

func webhookQueue(endpoint uuid.UUID) string { return "webhook_" + endpoint.String() }

// deliver sends the events of a lane in order.
func (r *Runner) deliver(ctx context.Context, lane webhook.Stream) (more bool, err error) {
	return r.inTurn(ctx, func(ctx context.Context) (bool, error) { return r.Webhooks.Next(ctx, lane) })
}

// orderDeliveries orders a job for every lane in which something is due, and sees to it that each
// endpoint has its queue, until ctx ends. Every server does; a job that is there already is not
// ordered again.
func (r *Runner) orderDeliveries(ctx context.Context) {
	working := queues{}
	for ctx.Err() == nil {
		err := r.followEndpoints(ctx, working)
		if err == nil {
			err = r.orderDue(ctx)
		}
		pause := pollEvery
		if err != nil && ctx.Err() == nil {
			logs.Database(r.Log).Error("webhooks could not be ordered; trying again", "in", startAgain.String(),
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
	for i, lane := range lanes {
		orders[i].Args = deliver{lane}
	}
	_, err = r.client.InsertMany(ctx, orders)
	return err
}

// queues are those of the endpoints that this server works for: true while one works, false while it ends.
type queues map[uuid.UUID]bool

// followEndpoints adds a queue for each endpoint that is new, and takes away those of endpoints
// that are gone.
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

// removeQueue removes an endpoint's queue once its running jobs have ended, and deletes the jobs that
// wait in it: if the endpoint comes back, they are inserted again. If its jobs take long, the next
// call removes it; until then it takes no new jobs.
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
		r.Log.Warn("jobs of a webhook endpoint that is gone were left behind", "endpoint", endpoint, "error", err)
	}
}

type sweepWebhooks struct{}

// Kind names the job in River's tables.
func (sweepWebhooks) Kind() string { return "sweep_webhooks" }

// sweepWebhooks deletes old deliveries.
func (r *Runner) sweepWebhooks(ctx context.Context) (more bool, err error) {
	return r.inTurn(ctx, func(ctx context.Context) (bool, error) { return r.Webhooks.Sweep(ctx, webhookChunk) })
}
