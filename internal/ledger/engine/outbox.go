package engine

import (
	"context"

	"pop.store/credits/internal/ledger"
)

// Outbox lists events that are not relayed yet, at most limit, in order for each account. Delivery is at
// least once: call Relayed after storing the results idempotently.
func (e *Engine) Outbox(ctx context.Context, limit int) ([]ledger.AccountEvent, error) {
	list, err := e.store.Outbox(ctx, limit)
	return list, orUnavailable(err)
}

// Relayed deletes relayed events.
func (e *Engine) Relayed(ctx context.Context, events []ledger.AccountEvent) error {
	return orUnavailable(e.store.Forget(ctx, events))
}
