package ledger

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Baseline inserts entries as they are into a table of the same shape as entries, in one transaction: nothing is locked, looked up or decided. It is
// what a benchmark compares the ledger with: the least that the same rows cost.
func Baseline(ctx context.Context, pool *pgxpool.Pool, table string, entries []Entry) error {
	r := newEntryColumns(len(entries))
	for i := range entries {
		r.add(&entries[i])
	}
	insert := strings.Replace(sqlInsertEntries, "insert into entries", "insert into "+pgx.Identifier{table}.Sanitize(), 1)
	_, err := pool.Exec(ctx, insert, r.values()...)
	return err
}

// WithKey gives a copy of the entry under another idempotency key, for Baseline.
func (e Entry) WithKey(key string) Entry {
	e.key = key
	return e
}
