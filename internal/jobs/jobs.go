// Package jobs runs background work in the servers, such as settling idle accounts and sending e-mails and
// webhooks. It uses River, whose tables are in the same database.
//
// Any number of servers may run them. River elects one server to insert the periodic jobs; all servers work
// them. A job can run twice and can be interrupted anywhere, so each must be idempotent.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"pop.store/credits/db"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/logs"
	"pop.store/credits/internal/mail"
	"pop.store/credits/internal/relay"
	"pop.store/credits/internal/session"
	"pop.store/credits/internal/webhook"
)

// Limits that protect the requests which share the database.
const (
	workers    = 4                // concurrent jobs per server, each with one or two connections
	pollEvery  = time.Second      // a server polls, since listening would hold a connection
	jobTime    = time.Minute      // a job that ignores its turn is cancelled
	rescueTime = 2 * jobTime      // the job of a crashed server is given up
	stopTime   = 5 * time.Second  // running jobs get this long to end
	giveUpTime = 2 * stopTime     // a stop waits no longer
	startAgain = 5 * time.Second  // after a failed start
	turn       = 20 * time.Second // how long a job sweeps until it is snoozed
	keepDone   = time.Hour        // retention of completed jobs, of which there can be many
)

type Options struct {
	Ledger   *engine.Engine
	Sessions *session.Store
	Mail     *mail.Mailer     // nil: no e-mails are sent
	Webhooks *webhook.Service // nil: none are sent
	Sinks    []relay.Sink     // receivers of the ledger's events, such as Webhooks.Take
	// Payments is billing's Reconcile; more means that work is left. Nil: no provider.
	Payments func(context.Context) (more bool, err error)
	// TopUps is topup's Step: it handles the next accounts after one, uuid.Nil for the first. more means
	// that accounts are left after next. Nil: no auto top-up.
	TopUps func(ctx context.Context, after uuid.UUID) (next uuid.UUID, more bool, err error)
	Log    *slog.Logger
}

// Runner works the jobs of one server.
type Runner struct {
	Options
	turn     time.Duration
	stopping context.Context // ends when the server stops: running jobs end early
	stop     context.CancelFunc
	relay    *relay.Relay
	toppedUp cursor
	client   *river.Client[pgx.Tx]
}

// New returns a runner over a migrated database. Nothing runs before Run.
func New(pool *pgxpool.Pool, o Options) *Runner {
	r := &Runner{
		Options: o,
		turn:    turn,
		relay:   relay.New(o.Ledger, o.Sinks...),
	}
	r.stopping, r.stop = context.WithCancel(context.Background())
	k := r.kinds()
	var err error
	r.client, err = river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema:                      db.JobsSchema,
		Workers:                     k.workers,
		PeriodicJobs:                k.periodic,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		PollOnly:                    true,
		FetchPollInterval:           pollEvery,
		JobTimeout:                  jobTime,
		RescueStuckJobsAfter:        rescueTime,
		SoftStopTimeout:             stopTime,
		CompletedJobRetentionPeriod: keepDone,
		// River would rebuild its indexes each night, for which only the owner has the right.
		ReindexerSchedule: river.NeverSchedule(),
		Logger:            logs.Database(slog.New(warnings{o.Log.Handler()})),
		ErrorHandler: failures{
			o.Log,
			r.stopping,
		},
	})
	if err != nil {
		panic("jobs: River refuses this configuration: " + err.Error())
	}
	return r
}

// Run works until ctx ends, then waits for the running jobs. While the database cannot be reached it
// retries. A runner runs once.
func (r *Runner) Run(ctx context.Context) {
	defer r.stop()
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(func() { r.relayAll(ctx) })
	if r.Webhooks != nil {
		beside.Go(func() { r.orderDeliveries(ctx) })
	}
	for {
		err := r.client.Start(context.WithoutCancel(ctx)) // ctx ends fetching, not the running jobs
		if err == nil {
			break
		}
		logs.Database(r.Log).Error("the jobs could not be started and will be retried", "in", startAgain.String(), "error",
			err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(startAgain):
		}
	}
	<-ctx.Done()
	r.stop()
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpTime)
	defer cancel()
	if err := r.client.Stop(stopCtx); err != nil {
		r.Log.Warn("some jobs did not end in time and will run again", "error", err)
	}
}

// inTurn repeats a step until nothing is left, the job's turn is over or the server stops. more means that
// work is left for the next job. A step that has begun is finished, since its context outlives the turn. At
// least one step runs.
func (r *Runner) inTurn(ctx context.Context, step work) (more bool, err error) {
	turnCtx, cancel := context.WithTimeout(ctx, r.turn)
	defer cancel()
	defer context.AfterFunc(r.stopping, cancel)()
	for {
		more, err := step(ctx)
		if err != nil {
			return false, err
		}
		if !more || turnCtx.Err() != nil {
			return more, nil
		}
	}
}

type kinds struct {
	workers  *river.Workers
	periodic []*river.PeriodicJob
}

// kinds lists every kind of job.
func (r *Runner) kinds() *kinds {
	k := &kinds{workers: river.NewWorkers()}
	addPeriodic[settleDue](k, time.Minute, r.settleDue)
	addPeriodic[sweepSessions](k, time.Hour, r.sweepSessions)
	if r.Payments != nil {
		addPeriodic[reconcilePayments](k, time.Minute, r.Payments)
	}
	if r.TopUps != nil {
		addPeriodic[topUp](k, 10*time.Second, r.topUp)
	}
	if r.Mail != nil {
		addPeriodic[sendMail](k, 10*time.Second, r.sendMail)
		addPeriodic[sweepMail](k, time.Hour, r.Mail.Sweep)
	}
	if r.Webhooks != nil {
		addPeriodic[sweepWebhooks](k, time.Hour, r.sweepWebhooks)
		addOnDemand(k, func(ctx context.Context, args deliver) (more bool, err error) {
			return r.deliver(ctx, args.Stream)
		})
	}
	return k
}

// work is a job without arguments. more means that its time was too short.
type work func(ctx context.Context) (more bool, err error)

// addPeriodic adds a kind of job that is inserted when a server starts and then at intervals. At most one
// of a kind exists in all servers. A job with more to do is snoozed; a failed one is not retried, since the
// next one does the same.
func addPeriodic[T river.JobArgs](k *kinds, every time.Duration, do work) {
	addOnDemand(k, func(ctx context.Context, _ T) (more bool, err error) { return do(ctx) })
	newJob := func() (river.JobArgs, *river.InsertOpts) {
		var args T
		return args, onlyOne()
	}
	k.periodic = append(k.periodic, river.NewPeriodicJob(river.PeriodicInterval(every), newJob,
		&river.PeriodicJobOpts{RunOnStart: true}))
}

// addOnDemand adds a kind of job that is inserted when there is work. A job with more to do is snoozed.
func addOnDemand[T river.JobArgs](k *kinds, do func(context.Context, T) (more bool, err error)) {
	river.AddWorker(k.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		more, err := do(ctx, job.Args)
		if err == nil && more {
			return river.JobSnooze(0)
		}
		return err
	}))
}

// onlyOne inserts a job unless one of its kind is unfinished. It is tried once.
func onlyOne() *river.InsertOpts {
	return &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}}
}

type failures struct {
	log      *slog.Logger
	stopping context.Context
}

func (f failures) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	if f.stopping.Err() != nil {
		return nil // interrupted
	}
	f.log.Error("a job failed", "job", job.ID, "kind", job.Kind, "attempt", job.Attempt, "error", err)
	return nil
}

func (f failures) HandlePanic(_ context.Context, job *rivertype.JobRow, value any,
	trace string,
) *river.ErrorHandlerResult {
	f.log.Error("a job panicked", "job", job.ID, "kind", job.Kind, "attempt", job.Attempt, "panic",
		fmt.Sprint(value), "trace", trace)
	return nil
}

// warnings passes River's messages from level Warn up; it logs a lot below.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
