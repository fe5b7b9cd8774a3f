package engine

import (
	"context"
	"sync"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// call is one request on its way through a lane.
type call struct {
	account     uuid.UUID
	op          ledger.Operation
	charge      ledger.Charge // what op points to, for most calls
	key         string
	fingerprint ledger.Fingerprint
	needs       ledger.Needs  // at the prices in force when its batch was begun
	part        *batchAccount // its account's part in the batch
	answer      answer        // to be read once done
	done        chan struct{} // has room for the one signal, so that a lane never waits for a caller who left
}

// answer is what a caller gets once its batch is durable.
type answer struct {
	entry     *ledger.Entry // nil: the request wrote none
	note      ledger.Note   // of the entry; empty in a replay
	extension *ledger.ExtensionRow
	opened    bool
	replayed  bool
	err       error
}

// calls are used again: each has a channel, and there are many.
var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

func newCall(account uuid.UUID) *call {
	c := calls.Get().(*call)
	c.account = account
	return c
}

// keyed gives the call its idempotency key, and what tells whether another request uses the same.
func (c *call) keyed(key string, f ledger.Fingerprint) *call {
	c.key, c.fingerprint = key, f
	return c
}

// wait gives the call's answer once it is durable; the call is over then. A caller that stops
// waiting learns nothing: its request may still be carried out, and asking again with the same key
// tells.
func (c *call) wait(ctx context.Context) (answer, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		return answer{}, problem.Unavailable(ctx.Err()) // the lane still has the call: it is not used again
	}
	a := c.answer
	*c = call{done: c.done}
	calls.Put(c)
	return a, a.err
}

// receipt is what callers get to see of an answer.
func (a *answer) receipt() ledger.Receipt {
	r := ledger.Receipt{Replayed: a.replayed}
	if a.entry != nil {
		r.Entry, r.Balance = *a.entry, a.entry.Settled
		r.Note = a.note
	}
	return r
}

// batchAccount is an account's part in a batch: what its calls need, and what is known of it.
type batchAccount struct {
	id         uuid.UUID
	state      *ledger.State    // nil until it is loaded, and for an account that does not exist
	remembered bool             // the state is the lane's memory of it
	snapshot   *ledger.Snapshot // what was read, of an account that is not remembered
	ledger.Demand
}
