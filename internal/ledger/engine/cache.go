package engine

import (
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
)

// cache is what a lane remembers of the accounts that it wrote last, so that their next batch needs
// no look-up: only the write. It is never trusted. A write is conditional on the version of the row
// that it began from, and on keys being new, in one transaction; when another server was faster, or
// a key is older than the lane remembers, nothing is written, the lane forgets the accounts, and
// decides again on what it reads under their locks. Only the lane itself looks here, and it forgets
// what a batch added before that batch is answered as failed: what a crash could undo is never told
// to anybody.
type cache struct {
	states      map[uuid.UUID]*ledger.State
	keys        map[accountKey]*ledger.Entry
	ring        []accountKey // the keys in order of arrival, to forget the oldest
	oldest      int
	skipBatches int // for how many batches the states are not used, after one was stale
	backoff     int // how many batches it will be the next time
}

// accountKey is an account's idempotency key.
type accountKey struct {
	account uuid.UUID
	key     string
}

// Bounds on a lane's memory: some 25 and 15 megabytes.
const (
	maxCachedAccounts = 20_000
	maxCachedKeys     = 32_768
	maxSkipBatches    = 64 // batches
)

func newCache() *cache {
	return &cache{states: map[uuid.UUID]*ledger.State{}, keys: map[accountKey]*ledger.Entry{}}
}

// find gives what is remembered of an account if a batch can be decided on it, else nil.
func (c *cache) find(a *batchAccount, now time.Time) *ledger.State {
	if c.skipBatches > 0 {
		return nil
	}
	if s := c.states[a.id]; s != nil && s.CanServe(&a.Demand, now) {
		return s
	}
	return nil
}

// keep remembers the accounts of a batch that was committed.
func (c *cache) keep(accounts []*batchAccount) {
	if c.skipBatches > 0 {
		c.skipBatches--
	}
	for _, a := range accounts {
		s := a.state
		if s == nil || !s.Exists() {
			continue
		}
		s.Committed()
		_, known := c.states[a.id]
		if a.remembered || (!known && !a.Cacheable) {
			continue
		}
		if !known && len(c.states) >= maxCachedAccounts {
			c.forgetOne()
		}
		c.states[a.id] = s
	}
}

// rememberKey ties a key to the entry that it made.
func (c *cache) rememberKey(key accountKey, e *ledger.Entry) {
	if len(c.ring) < maxCachedKeys {
		c.ring = append(c.ring, key)
	} else {
		delete(c.keys, c.ring[c.oldest])
		c.ring[c.oldest] = key
		c.oldest = (c.oldest + 1) % maxCachedKeys
	}
	c.keys[key] = e
}

// forgetOne makes room: Go's maps begin to range at a random place, which is as good as any.
func (c *cache) forgetOne() {
	for id := range c.states {
		delete(c.states, id)
		return
	}
}

// forget drops the accounts of a batch that failed, whose state may no longer be true, and the keys
// that it bound.
func (c *cache) forget(accounts []*batchAccount, bound []accountKey) {
	for _, a := range accounts {
		delete(c.states, a.id)
	}
	for _, key := range bound {
		delete(c.keys, key)
	}
}

// recordConflict forgets all accounts, after another server had written to one of them: it probably
// wrote to others, too. While that goes on, reading at once costs less than starting from stale memory,
// so the pause doubles each time.
func (c *cache) recordConflict() {
	clear(c.states)
	c.backoff = min(max(2*c.backoff, 1), maxSkipBatches)
	c.skipBatches = c.backoff
}

// recordHit records a batch that was committed from memory.
func (c *cache) recordHit() { c.backoff /= 2 }

// worthFullLoad says whether reading all of an account now saves reading it later. It does not when
// the account will be forgotten: more accounts are active than the lane remembers, or another server
// writes to them.
func (c *cache) worthFullLoad() bool { return len(c.states) < maxCachedAccounts && c.skipBatches == 0 }
