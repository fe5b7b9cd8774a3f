package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// maxRecentEntries bounds what is read of an account: where more happened in that time, only the
// newest count, and First says since when.
const maxRecentEntries = 1_000

// RecentWork adds up what the agents of each account have spent since an instant, and all work on
// the given features, which are agents'. Accounts without such work are absent. It is one statement
// for all of them.
func (e *Engine) RecentWork(ctx context.Context, accounts []uuid.UUID, since time.Time,
	features []string,
) (map[uuid.UUID]ledger.RecentWork, error) {
	found := make(map[uuid.UUID]ledger.RecentWork, len(accounts))
	if len(accounts) == 0 {
		return found, nil
	}
	rows, err := e.pool.Query(ctx, sqlAgentWork, accounts, since, maxRecentEntries, features)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	var id uuid.UUID
	var w ledger.RecentWork
	_, err = pgx.ForEachRow(rows, []any{&id, &w.Amount, &w.Count, &w.First}, func() error {
		w.First = w.First.UTC()
		found[id] = w
		return nil
	})
	return found, orUnavailable(err)
}
