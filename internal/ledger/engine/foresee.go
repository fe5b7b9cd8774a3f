package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// WouldResume lists, for each grant alone, the agents paused for lack of tokens that it would resume now.
// It runs the same rules as Grant and writes nothing. Errors: ErrNoAccount, kind Unavailable.
func (e *Engine) WouldResume(ctx context.Context, account uuid.UUID, grants []ledger.Grant) ([][]ledger.Agent, error) {
	now := e.now()
	s, err := e.readComplete(ctx, account, now)
	if err != nil {
		return nil, err
	}
	prices := e.prices().At(now)
	if _, err := s.Apply(ledger.Settle{}, now, prices); err != nil {
		return nil, err
	}
	resumed := make([][]ledger.Agent, len(grants))
	for i := range grants {
		resumed[i] = s.WouldResume(&grants[i], now, prices)
	}
	return resumed, nil
}

// readComplete reads an account with all lots, holds and agents in one snapshot, without locks.
func (e *Engine) readComplete(ctx context.Context, account uuid.UUID, now time.Time) (*ledger.State, error) {
	snap := ledger.Snapshot{Complete: true}
	find, ids, pgxBatch := singleSnapshot(&snap), []uuid.UUID{account}, &pgx.Batch{}
	pgxBatch.Queue("begin isolation level repeatable read read only")
	pgxBatch.Queue(sqlReadRows, ids).Query(find.readRow)
	pgxBatch.Queue(sqlOpenLots, ids).Query(find.readLots)
	pgxBatch.Queue(sqlOpenHolds, ids, now).Query(find.readHolds)
	pgxBatch.Queue(sqlAgents, ids).Query(find.readAgents)
	pgxBatch.Queue(sqlAgentMonths, ids).Query(find.readMonths)
	pgxBatch.Queue("commit")
	if err := e.pool.SendBatch(ctx, pgxBatch).Close(); err != nil {
		return nil, problem.Unavailable(err)
	}
	if !snap.Account.Exists() {
		return nil, ledger.ErrNoAccount
	}
	return ledger.Open(&snap), nil
}
