package demo

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// JobState is the state of a sample job.
type JobState string

const (
	JobRunning JobState = "running"
	JobDone    JobState = "done"   // its tokens are charged
	JobFailed  JobState = "failed" // nothing was charged
)

// Work is a sample job's input. The job does nothing but cost a feature's price.
type Work struct {
	Feature string
	Text    string // what the creator typed
	Fails   bool   // it releases its hold
}

// Job is a sample job: it holds tokens, waits, and captures or releases them.
type Job struct {
	Work
	Amount    tokens.Amount // its price
	State     JobState
	StartedAt time.Time
	EndsAt    time.Time // when it ends or ended

	key  string // idempotency key of the form that started it
	hold int64  // seq of the hold's entry; 0 until it exists
}

// Percent is a job's progress at an instant, from 0 to 100.
func (j *Job) Percent(now time.Time) int {
	whole := j.EndsAt.Sub(j.StartedAt)
	if whole <= 0 || j.State != JobRunning {
		return 100
	}
	return int(min(max(now.Sub(j.StartedAt)*100/whole, 0), 100))
}

const (
	jobTakes = 8 * time.Second
	// How long the hold outlives its job: if the server stops meanwhile, the hold expires.
	jobGrace   = time.Minute
	lookEvery  = time.Second
	maxJobs    = 1_000 // accounts whose newest job is remembered
	endingTime = 10 * time.Second
)

// Jobs runs sample jobs, one at a time for each account, and remembers each account's newest while the
// server runs. It is safe for concurrent use.
type Jobs struct {
	ledger *engine.Engine
	clock  clock.Clock
	log    *slog.Logger

	mu     sync.Mutex
	newest map[uuid.UUID]*Job
}

// NewJobs returns a runner over a ledger.
func NewJobs(ledgerEngine *engine.Engine, now clock.Clock, log *slog.Logger) *Jobs {
	return &Jobs{
		ledger: ledgerEngine,
		clock:  now,
		log:    log,
		newest: map[uuid.UUID]*Job{},
	}
}

// Start holds the price and begins the job. If another job of the account runs, or the key has started one
// before, nothing new begins. Errors are those of ledger.Hold, such as Insufficient.
func (j *Jobs) Start(ctx context.Context, account uuid.UUID, key string, w Work) error {
	job, begins := j.reserve(account, key, w)
	if !begins {
		return nil
	}
	r, err := j.ledger.Hold(ctx, account, "sample-"+key,
		ledger.Hold{Feature: w.Feature, ExpiresIn: jobTakes + jobGrace})
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		delete(j.newest, account)
		return err
	}
	job.hold, job.Amount = r.Seq, r.HeldDelta
	return nil
}

// reserve takes the account's single place, so that two tabs start only one job.
func (j *Jobs) reserve(account uuid.UUID, key string, w Work) (job *Job, begins bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if known := j.newest[account]; known != nil && (known.State == JobRunning || known.key == key) {
		return known, false
	}
	if len(j.newest) >= maxJobs {
		j.forgetOver()
	}
	now := j.clock()
	job = &Job{
		Work:      w,
		State:     JobRunning,
		StartedAt: now,
		EndsAt:    now.Add(jobTakes),
		key:       key,
	}
	j.newest[account] = job
	return job, true
}

func (j *Jobs) forgetOver() {
	for account, job := range j.newest {
		if job.State != JobRunning {
			delete(j.newest, account)
		}
	}
}

// Newest returns an account's newest job, and first ends it if it is due; false if there is none.
func (j *Jobs) Newest(ctx context.Context, account uuid.UUID) (Job, bool) {
	j.end(ctx, account)
	j.mu.Lock()
	defer j.mu.Unlock()
	job := j.newest[account]
	if job == nil {
		return Job{}, false
	}
	return *job, true
}

// Run ends due jobs until ctx ends.
func (j *Jobs) Run(ctx context.Context) {
	for ctx.Err() == nil {
		for _, account := range j.running() {
			j.end(ctx, account)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
}

func (j *Jobs) running() []uuid.UUID {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []uuid.UUID
	for account, job := range j.newest {
		if job.State == JobRunning {
			list = append(list, account)
		}
	}
	return list
}

// end captures or releases the hold of a due job. Concurrent calls end the hold once.
func (j *Jobs) end(ctx context.Context, account uuid.UUID) {
	j.mu.Lock()
	job := j.newest[account]
	over := job != nil && job.State == JobRunning && job.hold != 0 && !j.clock().Before(job.EndsAt)
	var is Job
	if over {
		is = *job
	}
	j.mu.Unlock()
	if !over {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, endingTime)
	defer cancel()
	state, err := j.settle(ctx, account, &is)
	if err != nil {
		j.log.Warn("a sample job could not be ended and will be retried", "error", err)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	job.State = state
}

// settle ends the hold. An expired hold has returned its tokens already.
func (j *Jobs) settle(ctx context.Context, account uuid.UUID, job *Job) (JobState, error) {
	state := JobDone
	var err error
	if key := "sample-end-" + job.key; job.Fails {
		state = JobFailed
		_, err = j.ledger.Release(ctx, account, key, ledger.Release{Hold: job.hold})
	} else {
		_, err = j.ledger.Capture(ctx, account, key, ledger.Capture{Hold: job.hold})
	}
	var refused *problem.Error
	if errors.As(err, &refused) && (refused.Kind == problem.Conflict || refused.Kind == problem.NotFound) {
		return JobFailed, nil
	}
	return state, err
}
