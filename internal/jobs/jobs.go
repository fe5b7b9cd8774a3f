// Package jobs is what the servers do by themselves: River's jobs, in the database that everything
// else is in.
//
// Any number of servers may run them. One of them, whichever River elects, orders what comes again
// and again; all of them work. A job can run twice and can be cut off anywhere, so each is a thing
// that does no harm when done again.
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
	Mail     *mail.Mailer     // nil: nobody is written to
	Webhooks *webhook.Service // nil: none are sent
	Sinks    []relay.Sink     // who takes over what the books have to tell: Webhooks.Take among them
	// Payments asks the payment provider after what nobody has told; it says whether there is more
	// to ask. Nil: there is none.
	Payments func(context.Context) (more bool, err error)
	// TopUps buys for the next accounts after one that need it, uuid.Nil for the first; it says
	// whether there are others after next. Nil: nobody's.
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
	toppedUp place
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

// Run works until the context ends, then lets the jobs under way come to an end. While the database
// cannot be reached it tries again. A runner runs once.
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
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpTime)
	defer cancel()
	if err := r.client.Stop(patience); err != nil {
		r.Log.Warn("some jobs did not end in time; they will be done again", "error", err)
	}
}

// kinds are the kinds of jobs that River is told of.
type kinds struct {
	workers  *river.Workers
	periodic []*river.PeriodicJob
}

// kinds lists every kind of job: one line each.
func (r *Runner) kinds() *kinds {
	k := &kinds{workers: river.NewWorkers()}
	again[settleDue](k, time.Minute, r.settleDue)
	again[sweepSessions](k, time.Hour, r.sweepSessions)
	if r.Payments != nil {
		again[reconcilePayments](k, time.Minute, r.Payments)
	}
	if r.TopUps != nil {
		again[topUp](k, 10*time.Second, r.topUp)
	}
	if r.Mail != nil {
		again[sendMail](k, 10*time.Second, r.sendMail)
		again[sweepMail](k, time.Hour, r.Mail.Sweep)
	}
	if r.Webhooks != nil {
		again[sweepWebhooks](k, time.Hour, r.sweepWebhooks)
		onDemand(k, func(ctx context.Context, args deliver) (more bool, err error) {
			return r.deliver(ctx, args.Lane)
		})
	}
	return k
}

// work is a job without arguments. It says whether there is more to do than it had time for.
type work func(ctx context.Context) (more bool, err error)

// again adds a kind of job that is ordered when the servers start and at intervals from then on.
// There is one of a kind at a time, in all servers. One that is not done yet goes on in its next
// turn; one that failed is not tried again, since the next one does the same.
func again[T river.JobArgs](k *kinds, every time.Duration, do work) {
	onDemand(k, func(ctx context.Context, _ T) (more bool, err error) { return do(ctx) })
	order := func() (river.JobArgs, *river.InsertOpts) {
		var args T
		return args, onlyOne()
	}
	k.periodic = append(k.periodic, river.NewPeriodicJob(river.PeriodicInterval(every), order,
		&river.PeriodicJobOpts{RunOnStart: true}))
}

// onDemand adds a kind of job that is ordered when there is something to do. One that is not done
// yet goes on in its next turn.
func onDemand[T river.JobArgs](k *kinds, do func(context.Context, T) (more bool, err error)) {
	river.AddWorker(k.workers, river.WorkFunc(func(ctx context.Context, job *river.Job[T]) error {
		more, err := do(ctx, job.Args)
		if err == nil && more {
			return river.JobSnooze(0)
		}
		return err
	}))
}

// onlyOne orders a job unless there is one of its kind that is not done yet. It is tried once.
func onlyOne() *river.InsertOpts {
	return &river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
		rivertype.JobStateRetryable, rivertype.JobStateScheduled,
	}}}
}

// failures tells the log of jobs that failed.
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

// warnings lets pass what River warns of: it talks a lot.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.Handler.Enabled(ctx, level)
}

func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{w.Handler.WithAttrs(attrs)}
}

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
