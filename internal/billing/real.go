package billing

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/stripepay"
)

// TookRealMoney says whether a database has orders at a provider that moves real money, paid or
// not: they may still be paid. Such a database is no place for play money.
func TookRealMoney(ctx context.Context, pool *pgxpool.Pool) (took bool, err error) {
	err = pool.QueryRow(ctx, `select exists (select from purchases where provider = $1)`,
		stripepay.LiveName).Scan(&took)
	if err != nil {
		return false, fmt.Errorf("look for real payments: %w", err)
	}
	return took, nil
}
