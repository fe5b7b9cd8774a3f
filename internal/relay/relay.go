// Package relay carries what the books have to tell to those who are told: it takes events from the
// outbox, gives them to sinks, and only then has the outbox forget them. So nothing is lost,
// whatever breaks off where, and a sink may see an event more than once.
package relay

import (
	"context"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
)

// Sink takes events over: it stores, durably, what follows from them. Events of an account come in
// order. One that was taken before, by its account and Seq, must change nothing: after a crash, and
// from servers that relay at the same time, events come again. A sink that cannot take them all
// fails, and they all come again.
type Sink func(ctx context.Context, events []ledger.Told) error

// chunk is how many events are taken at a time.
const chunk = 500

// Relay is the way from the outbox to the sinks.
type Relay struct {
	books *engine.Engine
	sinks []Sink
}

// New makes a relay. Without sinks events are forgotten: there is nobody to tell.
func New(books *engine.Engine, sinks ...Sink) *Relay { return &Relay{books, sinks} }

// Step carries one chunk. more says that there may be another. After an error, which is the
// ledger's or a sink's, nothing is forgotten.
func (r *Relay) Step(ctx context.Context) (more bool, err error) {
	events, err := r.books.Outbox(ctx, chunk)
	if err != nil || len(events) == 0 {
		return false, err
	}
	for _, take := range r.sinks {
		if err := take(ctx, events); err != nil {
			return false, err
		}
	}
	return len(events) == chunk, r.books.Relayed(ctx, events)
}
