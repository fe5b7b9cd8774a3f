// Package inflight limits how many requests of one key run at the same time, so that one caller
// cannot take the capacity that all share.
package inflight

import (
	"context"
	"errors"
	"sync"
)

// ErrTooMany means that the queue of the key is full.
var ErrTooMany = errors.New("too many requests of one key are waiting")

// Limiter lets a number of requests per key run at once and a number of others wait. Keys do not
// affect each other, and a key without requests takes no memory. It is safe for concurrent use.
type Limiter[K comparable] struct {
	running, waiting int

	mu   sync.Mutex
	keys map[K]*slots
}

// slots are the requests of one key.
type slots struct {
	free chan struct{} // holds a value for each request that runs
	all  int           // running and waiting
}

// New returns a limiter of at most running requests per key, with at most waiting others in the
// queue.
func New[K comparable](running, waiting int) *Limiter[K] {
	return &Limiter[K]{
		running: running,
		waiting: waiting,
		keys:    map[K]*slots{},
	}
}

// Acquire waits until the request may run. Call release when it is done. Errors: ErrTooMany at
// once, or the error of ctx.
func (l *Limiter[K]) Acquire(ctx context.Context, key K) (release func(), err error) {
	s, ok := l.enter(key)
	if !ok {
		return nil, ErrTooMany
	}
	select {
	case s.free <- struct{}{}:
		return func() {
			<-s.free
			l.leave(key, s)
		}, nil
	case <-ctx.Done():
		l.leave(key, s)
		return nil, ctx.Err()
	}
}

func (l *Limiter[K]) enter(key K) (*slots, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.keys[key]
	if s == nil {
		s = &slots{free: make(chan struct{}, l.running)}
		l.keys[key] = s
	}
	if s.all >= l.running+l.waiting {
		return nil, false
	}
	s.all++
	return s, true
}

func (l *Limiter[K]) leave(key K, s *slots) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.all--; s.all == 0 {
		delete(l.keys, key)
	}
}
