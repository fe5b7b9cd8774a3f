package session

import (
	"sync"
	"time"
)

// recent remembers for a moment who a session is, so that the polls of a tab do not all ask the database. Ending a session on this server
// forgets it at once; on another server it is believed for recentFor at most.
type recent struct {
	mu   sync.RWMutex
	rows map[digest]recentRow
	// ends counts what was forgotten: a row that was read before something ended must not be remembered after it.
	ends int64
}

type recentRow struct {
	visitor     Visitor
	from, until time.Time
}

// Bounds on what is remembered, and for how long.
const (
	recentFor = 5 * time.Second
	maxRecent = 100_000
)

func newRecent() *recent { return &recent{rows: map[digest]recentRow{}} }

// get gives what is remembered, or else the mark to remember with what is read now.
func (r *recent) get(id digest, now time.Time) (v Visitor, ok bool, mark int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	row, found := r.rows[id]
	// A clock that was set back must not make a row live longer.
	live := found && now.Before(row.until) && !now.Before(row.from)
	return row.visitor, live, r.ends
}

// put remembers a session until an instant, unless something has ended since the mark was given.
func (r *recent) put(id digest, v Visitor, now, until time.Time, mark int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ends != mark {
		return
	}
	if len(r.rows) >= maxRecent {
		clear(r.rows)
	}
	r.rows[id] = recentRow{visitor: v, from: now, until: until}
}

// forget is called after a session has ended in the database.
func (r *recent) forget(id digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rows, id)
	r.ends++
}

func (r *recent) forgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.rows)
	r.ends++
}

func earliest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.Before(first) {
			first = t
		}
	}
	return first
}
