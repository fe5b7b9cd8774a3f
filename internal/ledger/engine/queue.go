package engine

import (
	"errors"
	"sync"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// Limits of a lane's queue. A full queue refuses at once, which bounds memory and waiting time. One account
// may fill half of it, so that a flood for one account leaves room for the others.
const (
	maxQueue      = 8_192
	maxPerAccount = maxQueue / 2
	maxBatch      = 2_048
)

// queue holds the calls that wait for a lane, in order of arrival.
type queue struct {
	mu      sync.Mutex
	calls   []*call
	spare   []*call           // the previous batch's buffer, to be reused
	waiting map[uuid.UUID]int // calls by account; nil while the queue is too short for one account to have too many
	wake    chan struct{}
	closed  bool
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1)}
}

var errQueueClosed = errors.New("ledger: the queue is closed")

// push adds calls, all or none. Errors: ErrBusy if there is no room, problem.Unavailable if the queue is
// closed.
func (q *queue) push(calls ...*call) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return problem.Unavailable(errQueueClosed)
	}
	if len(q.calls)+len(calls) > maxQueue {
		return ledger.ErrBusy
	}
	if (q.waiting != nil || len(q.calls)+len(calls) > maxPerAccount) && !q.count(calls) {
		return ledger.ErrBusy
	}
	q.calls = append(q.calls, calls...)
	q.signal()
	return nil
}

// count adds calls to waiting, unless one account would have too many.
func (q *queue) count(calls []*call) bool {
	if q.waiting == nil {
		q.waiting = map[uuid.UUID]int{}
		for _, c := range q.calls {
			q.waiting[c.account]++
		}
	}
	for i, c := range calls {
		if q.waiting[c.account]++; q.waiting[c.account] > maxPerAccount {
			q.forget(calls[:i+1])
			return false
		}
	}
	return true
}

// forget subtracts calls from waiting.
func (q *queue) forget(calls []*call) {
	for _, c := range calls {
		if q.waiting[c.account]--; q.waiting[c.account] == 0 {
			delete(q.waiting, c.account)
		}
	}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default: // awake already
	}
}

// take waits for calls and takes up to a batch; nil once the queue is closed and empty. It does not wait
// for a batch to fill: that happens while the previous batch is being committed. The result is valid until
// the next take.
func (q *queue) take() []*call {
	for {
		if batch, done := q.grab(); batch != nil || done {
			return batch
		}
		<-q.wake
	}
}

func (q *queue) grab() (batch []*call, done bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.calls), maxBatch)
	if n == 0 {
		return nil, q.closed
	}
	batch = q.calls[:n:n]
	q.calls, q.spare = append(q.spare[:0], q.calls[n:]...), batch[:0]
	if len(q.calls) <= maxPerAccount {
		q.waiting = nil
	} else {
		q.forget(batch)
	}
	return batch, false
}

// close refuses further calls; the lane finishes those in the queue.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}
