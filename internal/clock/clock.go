// Package clock provides the current time through a function, so that tests can set it. It also
// computes calendar dates and the start of a day in a time zone.
package clock

import (
	"sync"
	"time"
)

// Clock returns the current time in UTC, truncated to microseconds, the precision of Postgres.
type Clock func() time.Time

// System is the machine's clock.
func System() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Manual is a clock for tests: it changes only by Set and Advance. It is safe for concurrent use.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual returns a clock that shows start.
func NewManual(start time.Time) *Manual {
	return &Manual{now: start.UTC().Truncate(time.Microsecond)}
}

// Now has the type of Clock.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Set moves the clock to an instant, forwards or backwards.
func (m *Manual) Set(to time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = to.UTC().Truncate(time.Microsecond)
}

// Advance moves the clock by d.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}
