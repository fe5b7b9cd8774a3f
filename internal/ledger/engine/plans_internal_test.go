package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db/testdb"
)

// lanePlan is a node of the output of EXPLAIN.
type lanePlan struct {
	Type     string     `json:"Node Type"`
	Relation string     `json:"Relation Name"`
	Cost     float64    `json:"Total Cost"`
	Plans    []lanePlan `json:"Plans"`
}

func (n lanePlan) walk(visit func(lanePlan)) {
	visit(n)
	for _, child := range n.Plans {
		child.walk(visit)
	}
}

// laneStatements are the statements that a lane sends while callers wait.
func laneStatements() map[string]string {
	return map[string]string{
		"ensure accounts":   sqlEnsureAccounts,
		"lock accounts":     sqlLockAccounts,
		"locked accounts":   sqlLockedAccounts,
		"open lots":         sqlOpenLots,
		"named agents":      sqlNamedAgents,
		"agents":            sqlAgents,
		"agent months":      sqlAgentMonths,
		"open holds":        sqlOpenHolds,
		"known keys":        sqlKnownKeys,
		"none known":        sqlNoneKnown,
		"unchanged":         sqlUnchanged,
		"known references":  sqlKnownReferences,
		"past":              sqlPast,
		"past lots":         sqlPastLots,
		"update accounts":   sqlUpdateAccounts,
		"update plans":      sqlUpdatePlans,
		"update guards":     sqlUpdateGuards,
		"insert lots":       sqlInsertLots,
		"update lots":       sqlUpdateLots,
		"insert entries":    sqlInsertEntries,
		"insert references": sqlInsertReferences,
		"insert holds":      sqlInsertHolds,
		"end holds":         sqlEndHolds,
		"add reversals":     sqlAddReversals,
		"insert notes":      sqlInsertNotes,
		"add usage":         sqlAddUsage,
		"insert declined":   sqlInsertDeclined,
		"put agents":        sqlPutAgents,
		"insert outbox":     sqlInsertOutbox,
	}
}

// hashed are the statements that join rows to the accounts they change. A nested loop over both would be quadratic in
// the batch size.
var hashed = []string{"unchanged", "update accounts", "update plans", "update guards", "update lots", "end holds"}

func TestNoLaneStatementIsPlannedForCompilation(t *testing.T) {
	d := testdb.Open(t)
	fill := map[string]string{"empty": ""}
	fill["small"] = fillTables(40, 5)
	fill["large and analyzed"] = fillTables(4_000, 5) + "; analyze"
	for _, size := range []string{"empty", "small", "large and analyzed"} {
		owner, err := pgx.Connect(t.Context(), d.OwnerURL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := owner.Exec(t.Context(), fill[size]); err != nil {
			t.Fatal(err)
		}
		if err := owner.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkPlans(t, d.Pool, size)
	}
}

func checkPlans(t *testing.T, readers *pgxpool.Pool, size string) {
	pool := openLaneDB(readers, 1)
	defer pool.Close()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	var limit float64
	if err := conn.QueryRow(t.Context(),
		"select setting::float8 from pg_settings where name = 'jit_above_cost'").Scan(&limit); err != nil {
		t.Fatal(err)
	}
	for name, statement := range laneStatements() {
		root := explainGeneric(t, conn.Conn(), statement)
		if root.Cost >= limit {
			t.Errorf("%s, %s: planned at a cost of %.0f, and Postgres compiles plans above %.0f", size, name,
				root.Cost, limit)
		}
		root.walk(func(n lanePlan) {
			if n.Type == "Seq Scan" || (n.Type == "Nested Loop" && slices.Contains(hashed, name)) {
				t.Errorf("%s, %s: the plan has a %s %s", size, name, n.Type, n.Relation)
			}
		})
	}
}

// explainGeneric returns the generic plan of a statement, which the lanes' connections use.
func explainGeneric(t *testing.T, conn *pgx.Conn, statement string) lanePlan {
	t.Helper()
	ctx := context.Background()
	described, err := conn.Prepare(ctx, "explained", statement)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Deallocate(ctx, "explained") }()
	nulls := strings.TrimSuffix(strings.Repeat("null, ", len(described.ParamOIDs)), ", ")
	var raw []byte
	query := fmt.Sprintf("explain (format json) execute explained (%s)", nulls)
	if err := conn.QueryRow(ctx, query, pgx.QueryExecModeSimpleProtocol).Scan(&raw); err != nil {
		t.Fatal(err)
	}
	var plans []struct{ Plan lanePlan }
	if err := json.Unmarshal(raw, &plans); err != nil {
		t.Fatal(err)
	}
	return plans[0].Plan
}

// fillTables fills the tables that lanes read, with n accounts of some rows each.
func fillTables(n, each int) string {
	return fmt.Sprintf(`
insert into ledger_accounts (account, last_at, billing_anchor, billing_zone, plan)
select gen_random_uuid(), now(), now(), 'UTC', 'starter' from generate_series(1, %d);
insert into lots (account, lot, kind, amount, remaining, priority, effective_at, source)
select account, n, 1, 10, 5, 100, now(), '' from ledger_accounts, generate_series(1, %[2]d) as n on conflict do nothing;
insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra, day, idempotency_key)
select account, n, now(), 2, -1, 5, 0, 5, 1, now(), n::text from ledger_accounts, generate_series(1, %[2]d) as n on conflict do nothing;
insert into usage_days (account, day, feature, agent, amount, quantity, count)
select account, date '2026-01-01' + n, 'lip_sync', 'dub', 5, 1, 1 from ledger_accounts, generate_series(1, %[2]d) as n on conflict do nothing;
insert into agents (account, agent) select account, n::text from ledger_accounts, generate_series(1, %[2]d) as n on conflict do nothing;
insert into permanent_references (account, scope, reference, seq)
select account, 'purchase', n::text, n from ledger_accounts, generate_series(1, %[2]d) as n on conflict do nothing;
insert into holds (account, hold, amount, expires_at, feature, agent, quantity, unit_price, catalog_version, lots, lot_amounts)
select account, n, 5, now(), 'lip_sync', '', 1, 5, '', '{1}', '{5}' from ledger_accounts, generate_series(1, %[2]d) as n on conflict do nothing`, n, each)
}
