package engine

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/ledger"
)

// Baseline inserts entries as they are into a table of the same shape as entries: nothing is
// locked, looked up or decided. It is what a benchmark compares the ledger with: the least that the
// same rows cost.
type Baseline struct {
	db     laneDB
	insert string
}

// NewBaseline makes a baseline with connections of its own, as a lane has them. Close frees them.
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

// Close frees the connections.
func (b *Baseline) Close() { b.db.Close() }
