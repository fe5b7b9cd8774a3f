package engine

import (
	"context"
	"errors"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// MaxSweep is the maximum number of accounts of one chunk of a sweep.
const MaxSweep = ledger.MaxBulk

// Swept is the result of one chunk of a sweep.
type Swept struct {
	Settled int
	Failed  int      // accounts that could not be settled; the lane has logged each
	Next    DuePlace // where the next chunk starts
	More    bool     // the chunk was full, so others may follow
}

// SettleDue settles up to limit accounts (at most MaxSweep) with something due, after a place: one chunk of
// a sweep over idle accounts. It uses the lanes, so several servers may sweep at once, and a charge may
// settle an account first. An account that cannot be settled is skipped until the next sweep. If the lanes
// are full or the database is unavailable, it returns ErrBusy or problem.Unavailable, with Next unchanged.
func (e *Engine) SettleDue(ctx context.Context, after DuePlace, limit int) (Swept, error) {
	places, err := e.store.Due(ctx, e.now(), after, min(limit, MaxSweep))
	if err != nil {
		return Swept{Next: after}, problem.Unavailable(err)
	}
	swept := Swept{Next: after, More: limit > 0 && len(places) == min(limit, MaxSweep)}
	calls, err := e.queueSettling(places)
	for _, c := range calls {
		_, waitErr := c.wait(ctx)
		switch p := (*problem.Error)(nil); {
		case waitErr == nil:
			swept.Settled++
		case errors.As(waitErr, &p) && p.Kind == problem.KindUnavailable:
			err = waitErr
		default:
			swept.Failed++
		}
	}
	if err == nil && len(places) > 0 {
		swept.Next = places[len(places)-1]
	}
	return swept, err
}

// queueSettling queues a Settle for each account, grouped by lane, and returns the queued calls. A lane
// without room takes none.
func (e *Engine) queueSettling(places []DuePlace) (queued []*call, refused error) {
	byLane := make([][]*call, len(e.lanes))
	for _, p := range places {
		c := newCall(p.account)
		c.op = ledger.Settle{}
		lane := laneOf(p.account, len(e.lanes))
		byLane[lane] = append(byLane[lane], c)
	}
	for i, group := range byLane {
		if err := e.lanes[i].queue.push(group...); err != nil {
			refused = err
			continue
		}
		queued = append(queued, group...)
	}
	return queued, refused
}
