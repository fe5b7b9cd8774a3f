package engine

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db"
)

// laneSettings make the planner choose the same plan at any size of table and batch. Every read uses an
// index, and changed rows are hash-joined to their accounts: a high cpu_operator_cost keeps it from nested
// loops over both, which are quadratic in the batch size. Plans that are needed are not disabled, since the
// cost penalty would cause replanning at each execution and, with JIT, compilation.
var laneSettings = db.Settings{
	"cpu_operator_cost": "1",
	"enable_bitmapscan": "off",
	"enable_mergejoin":  "off",
	"enable_seqscan":    "off",
	"lock_timeout":      "3s", // a batch holds its locks for milliseconds
	"plan_cache_mode":   "force_generic_plan",
}

// laneDB is the lanes' connection pool, and the statements that begin a transaction on it.
type laneDB struct {
	*pgxpool.Pool
	begin []string
}

func openLaneDB(pool *pgxpool.Pool, lanes int) laneDB {
	derived, begin, err := db.Derive(pool, int32(lanes), laneSettings, registerRecordTypes)
	if err != nil {
		panic("ledger: cannot derive the lanes' pool: " + err.Error())
	}
	return laneDB{Pool: derived, begin: begin}
}

func (d laneDB) queueBegin(pgxBatch *pgx.Batch) {
	for _, statement := range d.begin {
		pgxBatch.Queue(statement)
	}
}
