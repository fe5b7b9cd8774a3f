// Package coalesce turns many reads of single things, asked for at the same time, into few reads of
// many. Nobody waits for company: a read begins at once when there is room, and those who come
// while it is under way share the next one. Nothing is kept, so every answer is read after it was
// asked for.
package coalesce

import (
	"context"
	"runtime"
	"sync"
)

// Limits of a Reader.
const (
	// maxReads is how many reads are under way at once. With one, the next batch has the longest
	// time to gather, which makes the fewest reads.
	maxReads = 1
	// MaxBatch bounds the keys of one read.
	MaxBatch = 1_000
)

// Read reads many things at once; those that do not exist are absent.
type Read[K comparable, V any] func(ctx context.Context, keys []K) (map[K]V, error)

// Reader coalesces reads. It is safe for concurrent use.
type Reader[K comparable, V any] struct {
	read Read[K, V]

	mu      sync.Mutex
	next    *batch[K, V] // gathers while reads are under way
	running int
}

// batch is one read: its keys, and its answer once done is closed.
type batch[K comparable, V any] struct {
	keys  map[K]struct{}
	done  chan struct{}
	found map[K]V
	err   error
}

// New makes a Reader over a way to read many.
func New[K comparable, V any](read Read[K, V]) *Reader[K, V] {
	return &Reader[K, V]{read: read}
}

// Get reads one thing; false when it does not exist. A caller that stops waiting leaves the read to
// the others.
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

// join puts a key into the batch that gathers, and begins a read when there is room for one.
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
		// The read is for all who joined, so it must not end with the one who happened to begin it.
		go r.run(context.WithoutCancel(ctx), b)
	}
	return b
}

// run reads batch after batch until none has gathered.
func (r *Reader[K, V]) run(ctx context.Context, b *batch[K, V]) {
	for b != nil {
		keys := make([]K, 0, len(b.keys))
		for key := range b.keys {
			keys = append(keys, key)
		}
		b.found, b.err = r.read(ctx, keys)
		close(b.done)
		runtime.Gosched() // those who are ready to ask come along
		b = r.take()
	}
}

func (r *Reader[K, V]) take() *batch[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.next
	r.next = nil
	if b == nil {
		r.running--
	}
	return b
}
