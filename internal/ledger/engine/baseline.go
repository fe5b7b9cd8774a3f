package engine

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/ledger"
)

// Baseline inserts entries into a table of the same shape without locks, lookups or rules. Benchmarks
// compare the ledger with it: it is the least that the same rows cost.
type Baseline struct {
	db     laneDB
	insert string
}

// NewBaseline opens connections configured like a lane's. Close closes them.
func NewBaseline(pool *pgxpool.Pool, conns int, table string) *Baseline {
	return &Baseline{
		db: openLaneDB(pool, conns),
		insert: strings.Replace(sqlInsertEntries, "insert into entries",
			"insert into "+pgx.Identifier{table}.Sanitize(), 1),
	}
}

// Insert writes the entries in one transaction.
func (b *Baseline) Insert(ctx context.Context, entries []ledger.Entry) error {
	w := &writer{}
	for i := range entries {
		w.addEntry(&entries[i])
	}
	_, err := b.db.Exec(ctx, b.insert, &w.entries)
	return err
}

// Close closes the connections.
func (b *Baseline) Close() { b.db.Close() }
