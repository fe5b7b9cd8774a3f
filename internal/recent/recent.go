// Package recent caches values for a short time, so that many requests for one value do not each
// ask the database. A change by this server removes the value at once; a change by another server
// is seen when the value expires.
package recent

import (
	"sync"
	"time"
)

// Cache is a bounded cache with expiry. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	max  int
	mu   sync.RWMutex
	rows map[K]row[V]
	// changes counts calls of Forget: a value that was read before a change must not be stored
	// after it.
	changes Mark
}

type row[V any] struct {
	value       V
	from, until time.Time
}

// Mark identifies the moment of a cache miss, by the number of changes until then.
type Mark int64

// New returns a cache of at most limit values. When it is full it is cleared.
func New[K comparable, V any](limit int) *Cache[K, V] {
	return &Cache[K, V]{max: limit, rows: map[K]row[V]{}}
}

// Get returns the cached value, or the mark to pass to Put with the value that is read next.
func (m *Cache[K, V]) Get(key K, now time.Time) (value V, ok bool, mark Mark) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	r, found := m.rows[key]
	// A clock that was set back must not extend the life of a value.
	live := found && now.Before(r.until) && !now.Before(r.from)
	return r.value, live, m.changes
}

// Put stores a value that is valid from the instant before it was read until another. It does
// nothing if something was forgotten since mark.
func (m *Cache[K, V]) Put(key K, value V, from, until time.Time, mark Mark) {
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

// Forget removes a value. Call it after the change is committed.
func (m *Cache[K, V]) Forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, key)
	m.changes++
}

// ForgetAll removes all values.
func (m *Cache[K, V]) ForgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.rows)
	m.changes++
}
