package engine

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// StoppedAgents reads the stopped agents of several accounts in one snapshot, and every agent of the
// accounts in all. It is for polled pages, so it skips agents that are on, of which there may be many.
// Spent stays zero for agents without a budget.
func (e *Engine) StoppedAgents(
	ctx context.Context, ids, all []uuid.UUID,
) (map[uuid.UUID]ledger.StoppedAgents, error) {
	now := e.now()
	snaps, err := e.readStopped(ctx, ids, all)
	if err != nil {
		return nil, err
	}
	settled := false
	for id, snap := range snaps {
		if snap.Account.IsDue(now) {
			if err := e.Settle(ctx, id); err != nil {
				return nil, err
			}
			settled = true
		}
	}
	if settled {
		if snaps, err = e.readStopped(ctx, ids, all); err != nil {
			return nil, err
		}
	}
	prices := e.prices().At(now)
	found := make(map[uuid.UUID]ledger.StoppedAgents, len(snaps))
	for id, snap := range snaps {
		agents, own := ledger.Open(snap).ViewAgents(now, prices)
		found[id] = ledger.StoppedAgents{Agents: agents, OwnReserve: own}
	}
	return found, nil
}

func (e *Engine) readStopped(ctx context.Context, ids, all []uuid.UUID) (map[uuid.UUID]*ledger.Snapshot, error) {
	snaps := map[uuid.UUID]*ledger.Snapshot{}
	find := snapshotFinder(func(id uuid.UUID) *ledger.Snapshot { return snaps[id] })
	pgxBatch := &pgx.Batch{}
	pgxBatch.Queue("begin isolation level repeatable read read only")
	pgxBatch.Queue(sqlReadRows, ids).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			snap := &ledger.Snapshot{}
			if err := scanAccount(rows, &snap.Account); err != nil {
				return err
			}
			if snap.Account.Exists() {
				snaps[snap.Account.AccountID] = snap
			}
		}
		return rows.Err()
	})
	pgxBatch.Queue(sqlStoppedAgents, ids, all).Query(find.readAgents)
	pgxBatch.Queue(sqlBudgetMonths, ids).Query(find.readMonths)
	pgxBatch.Queue(sqlHeldByAgentsOf, ids).Query(func(rows pgx.Rows) error {
		var account uuid.UUID
		var h ledger.HoldRow // one row with the sum of each agent's holds
		_, err := pgx.ForEachRow(rows, []any{&account, &h.Agent, &h.Amount}, func() error {
			if snap := find(account); snap != nil {
				snap.Holds = append(snap.Holds, h)
			}
			return nil
		})
		return err
	})
	pgxBatch.Queue("commit")
	if err := e.pool.SendBatch(ctx, pgxBatch).Close(); err != nil {
		return nil, problem.Unavailable(err)
	}
	return snaps, nil
}
