package engine

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// Agents lists an account's agents by id, and the reserve of the creator's own tools. Errors: ErrNoAccount,
// kind Unavailable.
func (e *Engine) Agents(ctx context.Context, account uuid.UUID) (list []ledger.Agent, own tokens.Amount, err error) {
	if _, err := e.settleIfDue(ctx, account); err != nil {
		return nil, 0, err
	}
	now := e.now()
	var snap ledger.Snapshot
	find, ids, pgxBatch := singleSnapshot(&snap), []uuid.UUID{account}, &pgx.Batch{}
	pgxBatch.Queue("begin isolation level repeatable read read only")
	pgxBatch.Queue(sqlReadRows, ids).Query(find.readRow)
	pgxBatch.Queue(sqlAgents, ids).Query(find.readAgents)
	pgxBatch.Queue(sqlAgentMonths, ids).Query(find.readMonths)
	pgxBatch.Queue(sqlHeldByAgents, account).Query(func(rows pgx.Rows) error {
		var h ledger.HoldRow // one row with the sum of each agent's holds
		_, err := pgx.ForEachRow(rows, []any{&h.Agent, &h.Amount}, func() error {
			snap.Holds = append(snap.Holds, h)
			return nil
		})
		return err
	})
	pgxBatch.Queue("commit")
	if err := e.pool.SendBatch(ctx, pgxBatch).Close(); err != nil {
		return nil, 0, problem.Unavailable(err)
	}
	if !snap.Account.Exists() {
		return nil, 0, ledger.ErrNoAccount
	}
	list, own = ledger.Open(&snap).ViewAgents(now, e.prices().At(now))
	return list, own, nil
}

// maxAgentNames limits a list of names.
const maxAgentNames = 1_000

// AgentNames lists the names of an account's agents by id, at most maxAgentNames.
func (e *Engine) AgentNames(ctx context.Context, account uuid.UUID) ([]ledger.AgentName, error) {
	rows, err := e.pool.Query(ctx, sqlAgentNames, account, maxAgentNames)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.AgentName])
	return names, orUnavailable(err)
}

// PutAgent registers or changes an agent. It is idempotent. Errors: ErrNoAccount, ErrClosed, kinds
// Unprocessable (naming the field) and Conflict (too_many_agents).
func (e *Engine) PutAgent(ctx context.Context, account uuid.UUID, p ledger.PutAgent) error {
	_, err := e.submit(ctx, newCall(account), &p)
	return err
}

// SwitchAgent turns an agent off or on. One that lacks tokens or budget stays paused until it has them.
// Errors: ErrNoAccount, ErrClosed, ErrNoAgent.
func (e *Engine) SwitchAgent(ctx context.Context, account uuid.UUID, p ledger.SwitchAgent) error {
	_, err := e.submit(ctx, newCall(account), &p)
	return err
}

// SetThreshold sets the low threshold of the balance.
func (e *Engine) SetThreshold(ctx context.Context, account uuid.UUID, p ledger.SetThreshold) error {
	_, err := e.submit(ctx, newCall(account), &p)
	return err
}
