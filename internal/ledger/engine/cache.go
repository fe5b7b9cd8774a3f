package engine

import (
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
)

// cache holds the accounts and keys that a lane wrote last, so that their next batch needs no reads. It is
// only trusted together with the write: that is conditional on the version of each row and on keys being
// new, in one transaction. If another server has written, or a key is older than the cache, nothing is
// written; the lane drops the accounts and decides again on locked rows. When a batch fails, what it added
// is dropped before its callers are answered.
type cache struct {
	states      map[uuid.UUID]*ledger.State
	keys        map[accountKey]*ledger.Entry
	ring        []accountKey // keys in order of arrival, to drop the oldest
	oldest      int
	skipBatches int // batches for which states are not used, after one was stale
	backoff     int // the next value of skipBatches
}

type accountKey struct {
	account uuid.UUID
	key     string
}

// Limits of a lane's cache: some 25 and 15 megabytes.
const (
	maxCachedAccounts = 20_000
	maxCachedKeys     = 32_768
	maxSkipBatches    = 64 // batches
)

func newCache() *cache {
	return &cache{states: map[uuid.UUID]*ledger.State{}, keys: map[accountKey]*ledger.Entry{}}
}

// find returns the cached state if the batch can be decided on it, else nil.
func (c *cache) find(a *batchAccount, now time.Time) *ledger.State {
	if c.skipBatches > 0 {
		return nil
	}
	if s := c.states[a.id]; s != nil && s.CanServe(&a.Demand, now) {
		return s
	}
	return nil
}

// keep caches the accounts of a committed batch.
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

// rememberKey caches the entry of a key.
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

// forgetOne drops a random account: Go's map iteration starts at a random place.
func (c *cache) forgetOne() {
	for id := range c.states {
		delete(c.states, id)
		return
	}
}

// forget drops the accounts and keys of a failed batch.
func (c *cache) forget(accounts []*batchAccount, bound []accountKey) {
	for _, a := range accounts {
		delete(c.states, a.id)
	}
	for _, key := range bound {
		delete(c.keys, key)
	}
}

// recordConflict drops all accounts after another server wrote to one, since it probably wrote to others.
// While that continues, reading costs less than retrying stale batches, so the pause doubles each time.
func (c *cache) recordConflict() {
	clear(c.states)
	c.backoff = min(max(2*c.backoff, 1), maxSkipBatches)
	c.skipBatches = c.backoff
}

func (c *cache) recordHit() { c.backoff /= 2 }

// worthFullLoad reports whether loading a whole account now saves a later read. It does not if the account
// will be dropped soon: more accounts are active than fit, or another server writes to them.
func (c *cache) worthFullLoad() bool { return len(c.states) < maxCachedAccounts && c.skipBatches == 0 }
