package engine_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// caller makes up deeds, one after the other.
type caller struct {
	name    string
	random  *rand.Rand
	ids     []uuid.UUID
	made    int
	holds   []ledger.Entry // that it has made and not ended
	charges []ledger.Entry
	past    *past
}

// past is deeds that were sent, to be sent again by the same caller or by others at the same time.
type past struct {
	mu    sync.Mutex
	deeds []deed
}

func (p *past) add(d deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deeds = append(p.deeds, d)
}

// any is one of the newest.
func (p *past) any(random *rand.Rand) (deed, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.deeds), 1_000)
	if n == 0 {
		return deed{}, false
	}
	return p.deeds[len(p.deeds)-1-random.IntN(n)], true
}

func newCaller(name string, ids []uuid.UUID) *caller {
	return &caller{
		name:   name,
		random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		ids:    ids,
		past:   &past{},
	}
}

// next makes up a deed. One in five is an old one.
func (c *caller) next() deed {
	if c.random.IntN(5) == 0 {
		if d, ok := c.past.any(c.random); ok {
			return d
		}
	}
	d := c.fresh()
	c.past.add(d)
	return d
}

func (c *caller) fresh() deed {
	c.made++
	d := deed{
		Account: c.ids[c.random.IntN(len(c.ids))],
		Key:     c.name + "-" + strconv.Itoa(c.made),
		Kind:    ledger.KindCharge,
	}
	d.Amount = tokens.Amount(1+c.random.IntN(3_000_000)) + 1
	switch dice := c.random.IntN(100); {
	case dice < 10 && len(c.charges) > 0:
		last := len(c.charges) - 1
		d.Kind, d.Account, d.About = ledger.KindRefund, c.charges[last].AccountID, c.charges[last].Seq
		d.Amount = min(d.Amount, -c.charges[last].Amount)
		c.charges = c.charges[:last]
	case dice < 20 && len(c.holds) > 0:
		last := len(c.holds) - 1
		d.Kind, d.Account, d.About = ledger.KindCapture, c.holds[last].AccountID, c.holds[last].Seq
		if c.random.IntN(2) == 0 { // else it may take more than its hold
			d.Amount = min(d.Amount, c.holds[last].HeldDelta)
		}
		if dice < 14 {
			d.Kind, d.Amount = ledger.KindRelease, 0
		}
		c.holds = c.holds[:last]
	case dice < 35 && len(c.holds) < 4:
		d.Kind = ledger.KindHold
	case dice < 40:
		d.Kind, d.Amount = ledger.KindGrant, 8*d.Amount
	case dice < 43:
		d.Amount = 100_000 * tokens.One // nobody has so much
	}
	if d.Kind == ledger.KindCharge || d.Kind == ledger.KindHold {
		d.Agent = [...]string{"", "", "a", "b", "c"}[c.random.IntN(5)]
	}
	return d
}

// learn takes in an answer.
func (c *caller) learn(r ledger.Receipt) {
	switch {
	case r.Replayed:
	case r.Kind == ledger.KindHold:
		c.holds = append(c.holds, r.Entry)
	case r.Kind == ledger.KindCharge && len(c.charges) < 20:
		c.charges = append(c.charges, r.Entry)
	}
}

// work sends deeds until it has sent so many, or the context ends. Between unknown answers it waits a little.
func (j *journal) work(ctx context.Context, c *caller, servers []server, n int) {
	for range n {
		if ctx.Err() != nil {
			return
		}
		r, known := j.send(context.WithoutCancel(ctx), servers[c.random.IntN(len(servers))], c.next())
		if known {
			c.learn(r)
		} else {
			time.Sleep(time.Duration(c.random.IntN(10)) * time.Millisecond)
		}
	}
}
