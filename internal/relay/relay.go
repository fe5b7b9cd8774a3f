// Package relay moves events from the ledger's outbox to sinks, such as webhooks and e-mails. It deletes
// an event only after each sink has stored it, so no event is lost, and a sink may get one twice.
package relay

import (
	"context"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
)

// Sink stores what follows from the events, durably. Events of an account arrive in order. A sink must
// ignore events that it took before, which it recognizes by account and Seq: after a crash, and from
// concurrent servers, events are repeated. If a sink fails, all events of the chunk are repeated.
type Sink func(ctx context.Context, events []ledger.AccountEvent) error

// chunk is how many events are taken at a time.
const chunk = 500

// Relay is the way from the outbox to the sinks.
type Relay struct {
	ledger *engine.Engine
	sinks  []Sink
}

// New returns a relay. Without sinks it deletes events.
func New(ledgerEngine *engine.Engine, sinks ...Sink) *Relay { return &Relay{ledgerEngine, sinks} }

// Step relays one chunk. more means that there may be another. After an error, which is the ledger's or a
// sink's, the events stay in the outbox.
func (r *Relay) Step(ctx context.Context) (more bool, err error) {
	events, err := r.ledger.Outbox(ctx, chunk)
	if err != nil || len(events) == 0 {
		return false, err
	}
	for _, take := range r.sinks {
		if err := take(ctx, events); err != nil {
			return false, err
		}
	}
	return len(events) == chunk, r.ledger.Relayed(ctx, events)
}
