// Package relay moves events from the ledger's outbox to sinks, such as webhooks and e-mails. It deletes
// an event only after each sink has stored it, so no event is lost, and a sink may get one twice.
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

// New makes a relay. Without sinks it deletes events.
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
