package billing

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// HasPurchasesAt reports whether a database has purchases at a provider. Unpaid ones count, since they may
// still be paid.
func HasPurchasesAt(ctx context.Context, pool *pgxpool.Pool, provider string) (has bool, err error) {
	err = pool.QueryRow(ctx, `select exists (select from purchases where provider = $1)`, provider).Scan(&has)
	if err != nil {
		return false, fmt.Errorf("look for purchases: %w", err)
	}
	return has, nil
}
