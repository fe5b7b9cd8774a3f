// Package recent remembers for a moment what was read, so that many requests about one thing do not
// each ask the database. What a server changes itself it forgets at once; what another changes it
// believes until its moment is over.
package recent

import (
	"sync"
	"time"
)

// Memory is what was read lately. It is safe for concurrent use.
type Memory[K comparable, V any] struct {
	max  int
	mu   sync.RWMutex
	rows map[K]row[V]
	// changes counts what was forgotten: what was read before something changed must not be
	// remembered after it.
	changes Mark
}

type row[V any] struct {
	value       V
	from, until time.Time
}

// Mark is when something was not remembered, in the order of what was forgotten.
type Mark int64

// New makes a memory of at most so many values: when it is full it begins anew.
func New[K comparable, V any](limit int) *Memory[K, V] {
	return &Memory[K, V]{max: limit, rows: map[K]row[V]{}}
}

// Get gives what is remembered at an instant, or else the mark with which to remember what is read
// from now on.
func (m *Memory[K, V]) Get(key K, now time.Time) (value V, ok bool, mark Mark) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, found := m.rows[key]
	// A clock that was set back must not make a value live longer.
	live := found && now.Before(r.until) && !now.Before(r.from)
	return r.value, live, m.changes
}

// Put remembers a value from the instant before it was read until another, unless something has
// been forgotten since the mark was given.
func (m *Memory[K, V]) Put(key K, value V, from, until time.Time, mark Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changes != mark {
		return
	}
	if len(m.rows) >= m.max {
		clear(m.rows)
	}
	m.rows[key] = row[V]{
		value: value,
		from:  from,
		until: until,
	}
}

// Forget is called after something has changed in the database.
func (m *Memory[K, V]) Forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, key)
	m.changes++
}

// ForgetAll is Forget for everything.
func (m *Memory[K, V]) ForgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.rows)
	m.changes++
}
