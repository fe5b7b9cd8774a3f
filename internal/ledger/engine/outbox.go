package engine

import (
	"context"

	"pop.store/credits/internal/ledger"
)

// Outbox lists events that nobody has taken over yet: of each account in order, at most limit in
// all. Only who has stored what follows from them, in a way that doing it again does not matter,
// may call Relayed.
func (l *Engine) Outbox(ctx context.Context, limit int) ([]ledger.Told, error) {
	list, err := l.store.Outbox(ctx, limit)
	return list, orUnavailable(err)
}

// Relayed forgets events that were taken over.
func (l *Engine) Relayed(ctx context.Context, events []ledger.Told) error {
	return orUnavailable(l.store.Forget(ctx, events))
}
