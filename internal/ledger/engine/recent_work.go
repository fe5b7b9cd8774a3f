package engine

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
)

// maxRecentEntries limits the entries read per account. If there are more, only the newest count, and First
// is the oldest of them.
const maxRecentEntries = 1_000

// RecentWork sums up, per account, work since an instant by agents or on the given features. Accounts
// without such work are absent. It runs one statement for all accounts. Kind Unavailable.
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
