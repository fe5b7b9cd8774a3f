package engine

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/ledger"
)

// planNode is a node of the output of EXPLAIN ANALYZE.
type planNode struct {
	Relation string     `json:"Relation Name"`
	Index    string     `json:"Index Name"`
	Rows     float64    `json:"Actual Rows"`
	Loops    float64    `json:"Actual Loops"`
	Removed  float64    `json:"Rows Removed by Filter"`
	Plans    []planNode `json:"Plans"`
}

// read counts the rows of a table that were read, and collects the names of the indexes.
func (n *planNode) read(table string, indexes map[string]bool) float64 {
	rows := 0.0
	if n.Relation == table {
		rows = (n.Rows + n.Removed) * max(n.Loops, 1)
		indexes[n.Index] = true
	}
	for i := range n.Plans {
		rows += n.Plans[i].read(table, indexes)
	}
	return rows
}

// No statement reads more of a long history than a page may, even if nothing matches and the plan is a generic one.
func TestAPageOfALongHistoryReadsFewEntries(t *testing.T) {
	t.Parallel()
	pool, id := testdb.New(t), uuid.New()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(),
		`insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, lot_kind, day)
		select a, i, now(), case when i % 100 = 0 then 1 else 2 end, 0, 0, 0, 0, 1, case when i % 100 = 0 then 2 else 0 end, now()::date
		from unnest($1::uuid[]) a, generate_series(1, 30000) i`, []uuid.UUID{id, uuid.New()}); err != nil {
		t.Fatal(err)
	}
	for _, setup := range []string{"analyze entries", "set plan_cache_mode = force_generic_plan"} {
		if _, err := conn.Exec(t.Context(), setup); err != nil {
			t.Fatal(err)
		}
	}
	look := func(name, sql string, most float64, index string, args ...any) {
		t.Helper()
		var out []byte
		if err := conn.QueryRow(t.Context(), "explain (analyze, format json) "+sql, args...).Scan(&out); err != nil {
			t.Fatal(name, err)
		}
		var plans []struct{ Plan planNode }
		if err := json.Unmarshal(out, &plans); err != nil {
			t.Fatal(err)
		}
		indexes := map[string]bool{}
		if rows := plans[0].Plan.read("entries", indexes); rows > most || !indexes[index] {
			t.Errorf("%s reads %v entries by %v, want at most %v by %s:\n%s", name, rows, indexes, most, index, out)
		}
	}
	window := []any{id, int64(20_000), int64(20_000 - ledger.MaxScan)}
	look("a filter without a match", sqlHistory, ledger.MaxScan, "entries_pkey",
		append(window, []int16{6}, []int16(nil), "", "", 51)...)
	look("every entry", sqlHistory, 51, "entries_pkey", id, int64(20_000), int64(1), []int16(nil), []int16(nil),
		"", "", 51)
	for name, kinds := range map[string][]int16{
		"grants":           {1},
		"expiries":         {7},
		"all that is rare": {1, 7, 8},
	} {
		look(name, sqlRareHistory, 4*51, "entries_rare", id, int64(30_001), int64(1), kinds, []int16{1, 2, 3, 4}, 51)
	}
}
