package engine

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db"
)

// laneSettings make the planner choose the same plan at any size of table and batch. Lanes find
// rows by keys that they are given, so every read goes through an index, and rows that change are
// joined to their accounts by hash: comparing costs more than it does by default, so a nested loop
// over both, which takes the square of the batch, never looks cheap. No plan that is needed is
// disabled: Postgres adds a huge cost to a disabled plan, which makes it plan again at each
// execution and, with JIT, compile.
var laneSettings = db.Settings{
	"cpu_operator_cost": "1",
	"enable_bitmapscan": "off",
	"enable_mergejoin":  "off",
	"enable_seqscan":    "off",
	"lock_timeout":      "3s", // a batch holds its locks for milliseconds
	"plan_cache_mode":   "force_generic_plan",
}

// laneDB are the lanes' own connections, and the statements that open a transaction on them.
type laneDB struct {
	*pgxpool.Pool
	begin []string
}

// openLaneDB makes a connection for each lane.
func openLaneDB(pool *pgxpool.Pool, lanes int) laneDB {
	derived, begin, err := db.Derive(pool, int32(lanes), laneSettings, registerRecordTypes)
	if err != nil {
		panic("ledger: a pool's own configuration cannot be used again: " + err.Error())
	}
	return laneDB{Pool: derived, begin: begin}
}

// queueBegin opens a transaction with the batch's first statements.
func (d laneDB) queueBegin(pgxBatch *pgx.Batch) {
	for _, statement := range d.begin {
		pgxBatch.Queue(statement)
	}
}
