// Package coalesce combines concurrent reads of single values into fewer reads of many. A read
// starts at once if none is running; callers that arrive meanwhile share the next one, and nothing
// is cached.
package coalesce

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Limits of a Reader.
const (
	// maxReads is how many reads run at once. With one, the next batch collects the most callers.
	maxReads = 1
	// MaxBatch is the most keys of one read.
	MaxBatch = 1_000
)

// Read reads many values at once. Keys that do not exist are absent from the result.
type Read[K comparable, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Reader coalesces reads. It is safe for concurrent use.
type Reader[K comparable, V any] struct {
	read Read[K, V]

	mu      sync.Mutex
	next    *batch[K, V] // collects keys while a read is running
	running int
}

// batch is one read. found and err are set once done is closed.
type batch[K comparable, V any] struct {
	keys  map[K]struct{}
	done  chan struct{}
	found map[K]V
	err   error
}

// New returns a Reader that uses read.
func New[K comparable, V any](read Read[K, V]) *Reader[K, V] {
	return &Reader[K, V]{read: read}
}

// Get reads one value; false if it does not exist. If ctx ends, the read goes on for the others.
func (r *Reader[K, V]) Get(ctx context.Context, key K) (V, bool, error) {
	b := r.join(ctx, key)
	var none V
	select {
	case <-b.done:
		v, ok := b.found[key]
		return v, ok, b.err
	case <-ctx.Done():
		return none, false, ctx.Err()
	}
}

// join adds a key to the next batch, and starts a read if none is running.
func (r *Reader[K, V]) join(ctx context.Context, key K) *batch[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil || len(r.next.keys) >= MaxBatch {
		r.next = &batch[K, V]{keys: map[K]struct{}{}, done: make(chan struct{})}
	}
	b := r.next
	b.keys[key] = struct{}{}
	if r.running < maxReads || len(b.keys) == MaxBatch {
		r.next = nil
		r.running++
		// The read is shared, so it must not end with the context of the caller that started it.
		go r.run(context.WithoutCancel(ctx), b)
	}
	return b
}

// run reads batch after batch until there is no next one.
func (r *Reader[K, V]) run(ctx context.Context, b *batch[K, V]) {
	for b != nil {
		keys := make([]K, 0, len(b.keys))
		for key := range b.keys {
			keys = append(keys, key)
		}
		b.found, b.err = r.readSafely(ctx, keys)
		close(b.done)
		runtime.Gosched() // lets callers that are ready to run join the next batch
		b = r.takeNext()
	}
}

// readSafely answers a panic as an error: no caller is on this goroutine's stack to recover it, so it would
// end the process.
func (r *Reader[K, V]) readSafely(ctx context.Context, keys []K) (found map[K]V, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic while reading: %v\n%s", p, debug.Stack())
		}
	}()
	return r.read(ctx, keys)
}

func (r *Reader[K, V]) takeNext() *batch[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.next
	r.next = nil
	if b == nil {
		r.running--
	}
	return b
}
