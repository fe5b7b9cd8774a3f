// Package jobs runs background work in the servers, such as settling idle accounts and sending
// e-mails and webhooks. It uses River, whose tables are in the same database.
//
// Any number of servers may run them. The server that River elects inserts the periodic jobs; all
// servers work them. A job can run twice and can be cut off anywhere, so each must be safe to repeat.
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

// Limits of what jobs may take from the requests that share the database with them.
const (
	workers    = 4                // jobs of a server at a time, each with at most a connection or two
	pollEvery  = time.Second      // how often a server looks for jobs; no connection is kept to listen for them
	jobTime    = time.Minute      // when a job that takes no notice of its time is cancelled
	rescueTime = 2 * jobTime      // when the job of a server that died is given up
	stopTime   = 5 * time.Second  // what jobs under way get to come to an end
	giveUpTime = 2 * stopTime     // when a stop does not wait any longer
	startAgain = 5 * time.Second  // the pause after a start that failed
	turn       = 20 * time.Second // how long one job sweeps before the next one goes on
	keepDone   = time.Hour        // how long River remembers jobs that are done: there can be a great many
)

// Options are what jobs work on.
type Options struct {
	Ledger   *engine.Engine
	Sessions *session.Store
	Mail     *mail.Mailer     // nil: no e-mails are sent
	Webhooks *webhook.Service // nil: none are sent
	Sinks    []relay.Sink     // take the ledger's events, such as Webhooks.Take
	// Payments is billing's Reconcile; more means that work is left. Nil: there is no provider.
	Payments func(context.Context) (more bool, err error)
	// TopUps is top-up's Step: it buys for the next accounts after one, uuid.Nil for the first. more
	// means that accounts are left after next. Nil: no auto top-up.
	TopUps func(ctx context.Context, after uuid.UUID) (next uuid.UUID, more bool, err error)
	Log    *slog.Logger
}

// Runner works the jobs of one server.
type Runner struct {
	Options
	turn     time.Duration
	stopping context.Context // ends when the server stops: jobs come to an end of their own accord
	stop     context.CancelFunc
	relay    *relay.Relay
	toppedUp cursor
	client   *river.Client[pgx.Tx]
}

// New makes a runner over a migrated database. Nothing runs before Run.
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
		// River would rebuild the indexes every night, which only their owner may.
		ReindexerSchedule: river.NeverSchedule(),
		Logger:            logs.Database(slog.New(warnings{o.Log.Handler()})),
		ErrorHandler: failures{
			o.Log,
			r.stopping,
		},
	})
	if err != nil {
		panic("jobs: River takes none of this configuration: " + err.Error())
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
		err := r.client.Start(context.WithoutCancel(ctx)) // ctx ends the fetching of jobs, not those under way
		if err == nil {
			break
		}
		logs.Database(r.Log).Error("the jobs could not be started; trying again", "in", startAgain.String(), "error",
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
		r.Log.Warn("some jobs did not end in time; they will be done again", "error", err)
	}
}

// inTurn repeats a step until nothing is left to do, the job's turn is over or the server stops.
// more says that something is left: the next job continues. A step that has begun is finished, since
// its context outlives the turn; there is at least one.
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

// kinds are the kinds of jobs that River works.
type kinds struct {
	workers  *river.Workers
	periodic []*river.PeriodicJob
}

// kinds lists every kind of job: one line each.
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

// work is a job without arguments. It says whether there is more to do than it had time for.
type work func(ctx context.Context) (more bool, err error)

// addPeriodic adds a kind of job that is inserted when the servers start and at intervals from then
// on. There is one of a kind at a time, in all servers. One that has more to do is snoozed; one that
// failed is not retried, since the next one does the same.
func addPeriodic[T river.JobArgs](k *kinds, every time.Duration, do work) {
	addOnDemand(k, func(ctx context.Context, _ T) (more bool, err error) { return do(ctx) })
	newJob := func() (river.JobArgs, *river.InsertOpts) {
		var args T
		return args, onlyOne()
	}
	k.periodic = append(k.periodic, river.NewPeriodicJob(river.PeriodicInterval(every), newJob,
		&river.PeriodicJobOpts{RunOnStart: true}))
}

// addOnDemand adds a kind of job that is inserted when there is something to do. One that has more to
// do is snoozed.
func addOnDemand[T river.JobArgs](k *kinds, do func(context.Context, T) (more bool, err error)) {
	river.AddWorker(k.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		more, err := do(ctx, job.Args)
		if err == nil && more {
			return river.JobSnooze(0)
		}
		return err
	}))
}

// onlyOne inserts a job unless there is one of its kind that is not done yet. It is tried once.
func onlyOne() *river.InsertOpts {
	return &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}}
}

// failures logs jobs that failed.
type failures struct {
	log      *slog.Logger
	stopping context.Context
}

func (f failures) HandleError(_ context.Context, job *rivertype.JobRow, err error) *river.ErrorHandlerResult {
	if f.stopping.Err() != nil {
		return nil // cut off
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

// warnings passes on River's lines from level Warn up: it logs a lot below that.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
