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

// JobState says how far a sample job is.
type JobState string

// The states of a sample job.
const (
	JobRunning JobState = "running"
	JobDone    JobState = "done"   // its tokens are charged
	JobFailed  JobState = "failed" // nothing was charged
)

// Work is what a sample job is asked to do: nothing, for the price of a feature.
type Work struct {
	Feature string
	Text    string // what the creator typed
	Fails   bool   // it gives its tokens back
}

// Job is a sample job: it holds tokens, takes its time, and captures or releases them.
type Job struct {
	Work
	Amount    tokens.Amount // what it takes
	State     JobState
	StartedAt time.Time
	EndsAt    time.Time // when it is over, or will be

	key  string // of the form that started it
	hold int64  // seq of the hold's entry; 0 until there is one
}

// Percent is how far a job is at an instant, from 0 to 100.
func (j *Job) Percent(now time.Time) int {
	whole := j.EndsAt.Sub(j.StartedAt)
	if whole <= 0 || j.State != JobRunning {
		return 100
	}
	return int(min(max(now.Sub(j.StartedAt)*100/whole, 0), 100))
}

const (
	jobTakes = 8 * time.Second
	// how long the hold outlives its job: when the server stops meanwhile, the tokens come back by themselves
	jobGrace   = time.Minute
	lookEvery  = time.Second
	maxJobs    = 1_000 // accounts whose newest job is remembered
	endingTime = 10 * time.Second
)

// Jobs runs sample jobs, one at a time for each account, and remembers the newest of each while the
// server runs. It is safe for concurrent use.
type Jobs struct {
	ledger *engine.Engine
	clock  clock.Clock
	log    *slog.Logger

	mu     sync.Mutex
	newest map[uuid.UUID]*Job
}

// NewJobs makes a runner over the books.
func NewJobs(books *engine.Engine, now clock.Clock, log *slog.Logger) *Jobs {
	return &Jobs{
		ledger: books,
		clock:  now,
		log:    log,
		newest: map[uuid.UUID]*Job{},
	}
}

// Start holds what the work takes and begins it. While another job of the account runs, and when
// the key has started one before, that one goes on and nothing begins. Errors are those of
// ledger.Hold: Insufficient most of all.
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

// reserve takes the account's one place, so that two tabs that start at once are one job.
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

// Newest gives an account's newest job as it stands, after ending it if its time is over; false for none.
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

// Run ends jobs whose time is over, whether anybody looks or not, until the context does.
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

// end captures or releases what a job holds once its time is over. However many do that at the same
// time, the hold ends once.
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
		j.log.Warn("a sample job could not be ended; trying again", "error", err)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	job.State = state
}

// settle ends the hold. One that has ended by itself has given its tokens back.
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
