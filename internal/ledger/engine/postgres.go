package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/ledger"
)

// pgStore implements Store with Postgres.
type pgStore struct {
	readers *pgxpool.Pool
	lanes   laneDB
}

// Close implements Store.
func (s *pgStore) Close() { s.lanes.Close() }

// Locked implements Store.
func (s *pgStore) Locked(ctx context.Context, accounts []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := s.lanes.Query(ctx, sqlLockedAccounts, idList(accounts))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// Due implements Store. It is planned on each call: a plan cached while the table was small would scan all
// of it later.
func (s *pgStore) Due(ctx context.Context, now time.Time, after DuePlace, limit int) ([]DuePlace, error) {
	rows, err := s.readers.Query(ctx, sqlDueAccounts, pgx.QueryExecModeCacheDescribe, now, after.due,
		after.account, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (DuePlace, error) {
		var p DuePlace
		err := row.Scan(&p.due, &p.account)
		p.due = p.due.UTC()
		return p, err
	})
}

// Outbox implements Store.
func (s *pgStore) Outbox(ctx context.Context, limit int) ([]ledger.AccountEvent, error) {
	rows, err := s.readers.Query(ctx, sqlOutbox, limit)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ledger.AccountEvent, error) {
		var t ledger.AccountEvent
		err := row.Scan(&t.AccountID, &t.Seq, &t.At, &t.Kind, &t.Data)
		t.At = t.At.UTC()
		return t, err
	})
}

// Forget implements Store.
func (s *pgStore) Forget(ctx context.Context, events []ledger.AccountEvent) error {
	accounts, seqs := make([]uuid.UUID, len(events)), make([]int64, len(events))
	for i, t := range events {
		accounts[i], seqs[i] = t.AccountID, t.Seq
	}
	_, err := s.readers.Exec(ctx, sqlForgetOutbox, accounts, seqs)
	return err
}
