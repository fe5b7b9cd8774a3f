package ledger

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Told is an event of an account on its way out.
type Told struct {
	Account uuid.UUID
	Event
}

// Outbox lists events that nobody has taken over yet: of each account in order, at most limit in
// all. Only who has stored what follows from them, in a way that doing it again does not matter,
// may call Relayed.
func (l *Ledger) Outbox(ctx context.Context, limit int) ([]Told, error) {
	rows, err := l.pool.Query(ctx, sqlOutbox, limit)
	if err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Told, error) {
		var t Told
		err := row.Scan(&t.Account, &t.Seq, &t.At, &t.Kind, &t.Data)
		t.At = t.At.UTC()
		return t, err
	})
	if err != nil {
		return nil, ErrUnavailable.Wrap(err)
	}
	return list, nil
}

// Relayed forgets events that were taken over.
func (l *Ledger) Relayed(ctx context.Context, events []Told) error {
	accounts, seqs := make([]uuid.UUID, len(events)), make([]int64, len(events))
	for i, t := range events {
		accounts[i], seqs[i] = t.Account, t.Seq
	}
	if _, err := l.pool.Exec(ctx, sqlForgetOutbox, accounts, seqs); err != nil {
		return ErrUnavailable.Wrap(err)
	}
	return nil
}
