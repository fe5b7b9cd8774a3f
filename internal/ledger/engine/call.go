package engine

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// call is one request to a lane.
type call struct {
	account     uuid.UUID
	op          ledger.Operation
	charge      ledger.Charge // op points here for charges
	key         string
	fingerprint ledger.Fingerprint
	needs       ledger.Needs  // by the prices of its batch
	part        *batchAccount // its account in the batch
	answer      answer        // valid after done
	done        chan struct{} // buffered, so that a lane never waits for a caller that left
}

// answer is the result of a call, given once its batch is durable.
type answer struct {
	entry     *ledger.Entry // nil if none was written
	note      ledger.Note   // of the entry; empty in a replay
	extension *ledger.ExtensionRow
	opened    bool
	replayed  bool
	err       error
}

// calls are pooled, since each has a channel.
var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

func newCall(account uuid.UUID) *call {
	c := calls.Get().(*call)
	c.account = account
	return c
}

// keyed sets the idempotency key and the request's fingerprint.
func (c *call) keyed(key string, f ledger.Fingerprint) *call {
	c.key, c.fingerprint = key, f
	return c
}

// wait returns the call's answer once it is durable; the call must not be used afterwards. If ctx ends
// first, the request may still be carried out: a retry with the same key returns the result.
func (c *call) wait(ctx context.Context) (answer, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		// The lane still uses the call, so it does not return to the pool.
		return answer{}, problem.Unavailable(ctx.Err())
	}
	a := c.answer
	*c = call{done: c.done}
	calls.Put(c)
	return a, a.err
}

func (a *answer) receipt() ledger.Receipt {
	r := ledger.Receipt{Replayed: a.replayed}
	if a.entry != nil {
		r.Entry, r.Balance = *a.entry, a.entry.Settled
		r.Note = a.note
	}
	return r
}

// batchAccount is an account in a batch: what its calls need and what is loaded.
type batchAccount struct {
	id         uuid.UUID
	state      *ledger.State    // nil until loaded, and if the account does not exist
	remembered bool             // the state comes from the cache
	snapshot   *ledger.Snapshot // the rows read, if not cached
	ledger.Demand
}
