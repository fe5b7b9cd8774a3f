package ledger

import (
	"time"

	"github.com/google/uuid"
)

// cache is what a lane remembers of the accounts that it wrote last, so that their next batch needs
// no look-up: only the write. It is never trusted. A write is conditional on the version of the row
// that it began from, and on keys being new, in one transaction; when another server was faster, or
// a key is older than the lane remembers, nothing is written, the lane forgets the accounts, and
// decides again on what it reads under their locks. Only the lane itself looks here, and it forgets
// what a batch added before that batch is answered as failed: what a crash could undo is never told
// to anybody.
type cache struct {
	states  map[uuid.UUID]*state
	keys    map[accountKey]*Entry
	ring    []accountKey // the keys in order of arrival, to forget the oldest
	oldest  int
	careful int // for how many batches the states are not used, after one was wrong
	caution int // how many it will be the next time
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
	maxCareful        = 64 // batches
)

func newCache() *cache {
	return &cache{states: map[uuid.UUID]*state{}, keys: map[accountKey]*Entry{}}
}

// find gives what is remembered of an account if a batch can be decided on it: what its requests
// need is there, and nothing is due that would need more. Else it gives nil.
func (c *cache) find(p *party, now time.Time) *state {
	if c.careful > 0 || p.outside {
		return nil
	}
	s := c.states[p.id]
	if s != nil && len(s.holds) > 0 && s.isDue(now) {
		return nil // a hold that times out passes its note on, which is not remembered
	}
	if s == nil || s.whole {
		return s
	}
	for _, agent := range p.agents {
		if s.agent(agent) == nil {
			return nil
		}
	}
	if s.needsWhole(p, now) {
		return nil
	}
	return s
}

// needsWhole says whether the open lot is not enough for what a batch asks of an account. What is
// above all that can be spent will be refused, for which the account's row is enough.
func (s *state) needsWhole(p *party, now time.Time) bool {
	if p.whole || s.isDue(now) || s.guarded || s.openLot == 0 {
		return true
	}
	free := s.lots[0].remaining - s.lots[0].held
	return p.spend > free && (p.several || p.spend <= free+s.rest)
}

// keep remembers the accounts of a batch that is in the books.
func (c *cache) keep(parties []*party) {
	if c.careful > 0 {
		c.careful--
	}
	for _, p := range parties {
		s := p.state
		if s == nil || !s.exists {
			continue
		}
		s.settleDown()
		_, known := c.states[p.id]
		if p.remembered || (!known && !p.stays) {
			continue
		}
		if !known && len(c.states) >= maxCachedAccounts {
			c.forgetOne()
		}
		c.states[p.id] = s
	}
}

// remember ties a key to the entry that it made.
func (c *cache) remember(key accountKey, e *Entry) {
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
func (c *cache) forget(parties []*party, bound []accountKey) {
	for _, p := range parties {
		delete(c.states, p.id)
	}
	for _, key := range bound {
		delete(c.keys, key)
	}
}

// distrust forgets all accounts, after one was not as remembered: who wrote to that one wrote to
// others. While that goes on reading at once costs less than being wrong, so it lasts longer each
// time.
func (c *cache) distrust() {
	clear(c.states)
	c.caution = min(max(2*c.caution, 1), maxCareful)
	c.careful = c.caution
}

// trust is told of a batch that was right to rest on memory.
func (c *cache) trust() { c.caution /= 2 }

// pays says that reading all of an account now saves reading it later: not when it will be
// forgotten, because there are more accounts at work than the lane remembers, or because another
// server writes to them.
func (c *cache) pays() bool { return len(c.states) < maxCachedAccounts && c.careful == 0 }

// settleDown makes a state that was written the beginning of the next batch.
func (s *state) settleDown() {
	if !s.changed && s.past == nil {
		return // only looked at
	}
	if s.changed {
		s.version++
	}
	lots := s.lots[:0]
	for _, l := range s.lots {
		row := l.present()
		if l.number == s.openLot && !l.added {
			row.remaining, row.held = l.row.remaining, l.row.held
		}
		if l.row, l.added, l.retaken = row, false, false; l.remaining > 0 {
			lots = append(lots, l)
		}
	}
	s.lots = lots
	holds := s.holds[:0]
	for _, h := range s.holds {
		h.note = Note{}
		if h.added, h.changed = false, false; h.open() {
			holds = append(holds, h)
		}
	}
	s.holds = holds
	for i := range s.agents {
		s.agents[i].row, s.agents[i].added = s.agents[i].present(), false
	}
	s.guardsBefore, s.events = s.guards, nil
	s.before = s.presentPlan()
	for _, e := range s.entries {
		e.note = Note{} // it may be large, and no replay needs it
	}
	clear(s.entries)
	s.entries = s.entries[:0]
	s.closing = false
	s.changed, s.past, s.refs, s.usage, s.declined, s.reversals, s.extensions = false, nil, nil, nil, nil, nil, nil
}
