package engine

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

func callsOf(account uuid.UUID, n int) []*call {
	calls := make([]*call, n)
	for i := range calls {
		calls[i] = &call{account: account}
	}
	return calls
}

// One account gets at most half of the queue, whether its calls come one by one or in bulk. Refused calls change
// nothing.
func TestOneAccountGetsHalfTheQueue(t *testing.T) {
	t.Parallel()
	for _, step := range []int{1, 7, 1_000, maxPerAccount} {
		q, hot := newQueue(), uuid.New()
		taken := 0
		for q.push(callsOf(hot, step)...) == nil {
			taken += step
		}
		if taken > maxPerAccount || taken+step <= maxPerAccount || q.waiting[hot] != taken || len(q.calls) != taken {
			t.Errorf("by %d: %d taken, %d counted, %d queued; half is %d", step, taken, q.waiting[hot],
				len(q.calls), maxPerAccount)
		}
		for range maxQueue - taken {
			if err := q.push(callsOf(uuid.New(), 1)...); err != nil {
				t.Fatalf("by %d: a neighbour: %v", step, err)
			}
		}
		if err := q.push(callsOf(uuid.New(), 1)...); !errors.Is(err, ledger.ErrBusy) {
			t.Errorf("by %d: a full queue answers %v", step, err)
		}
		for n := 0; len(q.calls) > 0; n += len(q.take()) {
			if n > maxQueue {
				t.Fatal("more comes out than went in")
			}
		}
		if len(q.waiting) != 0 {
			t.Errorf("by %d: %d accounts are still counted", step, len(q.waiting))
		}
	}
}

// Calls leave the queue in the order in which they entered, in batches, and a closed queue returns the rest.
func TestTheQueueKeepsOrder(t *testing.T) {
	t.Parallel()
	q := newQueue()
	var in []*call
	for range 5 {
		some := callsOf(uuid.New(), 700)
		if err := q.push(some...); err != nil {
			t.Fatal(err)
		}
		in = append(in, some...)
	}
	q.close()
	if err := q.push(callsOf(uuid.New(), 1)...); !problem.IsUnavailable(err) {
		t.Errorf("a closed queue answers %v", err)
	}
	at := 0
	for batch := q.take(); batch != nil; batch = q.take() {
		if len(batch) > maxBatch {
			t.Errorf("a batch of %d", len(batch))
		}
		for _, c := range batch {
			if c != in[at] {
				t.Fatalf("place %d holds another call", at)
			}
			at++
		}
	}
	if at != len(in) {
		t.Errorf("%d calls left, %d entered", at, len(in))
	}
}

// A refused call does not change the count for later ones.
func TestTheCountOutlivesARefusal(t *testing.T) {
	t.Parallel()
	q, hot := newQueue(), uuid.New()
	for range 4 {
		if err := q.push(callsOf(hot, 800)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.push(callsOf(hot, 1_000)...); !errors.Is(err, ledger.ErrBusy) {
		t.Fatal("more than half of the queue for one account:", err)
	}
	for q.push(callsOf(hot, 1)...) == nil {
	}
	if len(q.calls) != maxPerAccount {
		t.Errorf("%d calls of one account wait, %d may", len(q.calls), maxPerAccount)
	}
}
