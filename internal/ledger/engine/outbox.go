package engine

import (
	"context"

	"pop.store/credits/internal/ledger"
)

// Outbox lists the events that are not relayed yet: in order for each account, at most limit in all.
// Call Relayed only after storing what follows from them, in a way that bears being repeated.
func (e *Engine) Outbox(ctx context.Context, limit int) ([]ledger.Told, error) {
	list, err := e.store.Outbox(ctx, limit)
	return list, orUnavailable(err)
}

// Relayed forgets events that were taken over.
func (e *Engine) Relayed(ctx context.Context, events []ledger.Told) error {
	return orUnavailable(e.store.Forget(ctx, events))
}
