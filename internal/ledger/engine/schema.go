package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// recordColumns are the composite types that writer fills, with their columns in the order of writing.
var recordColumns = map[string]string{
	"account_row": "account uuid, version bigint, balance bigint, held bigint, unusable bigint, " +
		"owed bigint, seq bigint, last_at timestamp with time zone, " +
		"next_due_at timestamp with time zone, newest_lot bigint, open_lot bigint, " +
		"open_remaining bigint, open_held bigint, today date, today_usage bytea, " +
		"today_declined integer, declined bigint",
	"plan_row": "account uuid, plan text, next_plan text, plan_status text, " +
		"billing_anchor timestamp with time zone, billing_zone text, period integer, " +
		"period_granted bigint",
	"lot_row": "account uuid, lot bigint, kind smallint, amount bigint, remaining bigint, held bigint, " +
		"priority smallint, effective_at timestamp with time zone, " +
		"expires_at timestamp with time zone, frozen boolean, revoked boolean, is_open boolean, " +
		"source text",
	"lot_change_row": "account uuid, lot bigint, remaining bigint, held bigint, frozen boolean, " +
		"revoked boolean, is_open boolean",
	"entry_row": "account uuid, seq bigint, at timestamp with time zone, kind smallint, amount bigint, " +
		"held_delta bigint, balance_after bigint, held_after bigint, spendable_after bigint, " +
		"contra smallint, lot_kind smallint, feature text, agent text, quantity bigint, " +
		"unit_price bigint, catalog_version text, reference text, about bigint, day date, " +
		"lot bigint, lots bigint[], lot_amounts bigint[], idempotency_key text, fingerprint bytea",
	"reference_row": "account uuid, scope text, reference text, seq bigint",
	"referenced_hold_row": "account uuid, hold bigint, amount bigint, expires_at timestamp with time zone, " +
		"feature text, agent text, quantity bigint, unit_price bigint, catalog_version text, " +
		"lots bigint[], lot_amounts bigint[], reference text",
	"hold_end_row":        "account uuid, hold bigint, outcome smallint",
	"reversal_lapsed_row": "account uuid, seq bigint, amount bigint, lapsed bigint",
	"note_row":            "account uuid, seq bigint, reason text, metadata text",
	"usage_day_row": "account uuid, day date, feature text, agent text, amount bigint, quantity bigint, " +
		"count bigint, returned bigint",
	"declined_row": "account uuid, day date, number integer, at timestamp with time zone, feature text, " +
		"agent text, required bigint, spendable bigint",
	"agent_row": "account uuid, agent text, name text, feature text, state smallint, " +
		"paused_since timestamp with time zone, turned_away bigint, unit bigint, budget bigint, " +
		"reserve bigint, resumed_at timestamp with time zone, missed bigint",
	"guard_row": "account uuid, level smallint, agents integer, paused_agents integer, guarded boolean, " +
		"reserved bigint, low_threshold bigint, event_seq bigint",
	"outbox_row":    "account uuid, seq bigint, at timestamp with time zone, kind text, data text",
	"closing_row":   "account uuid, closed_at timestamp with time zone",
	"lot_taken_row": "account uuid, lot bigint, taken_back bigint",
	"entry_span_row": "account uuid, seq bigint, at timestamp with time zone, kind smallint, amount bigint, " +
		"held_delta bigint, balance_after bigint, held_after bigint, spendable_after bigint, " +
		"contra smallint, lot_kind smallint, feature text, agent text, quantity bigint, " +
		"unit_price bigint, catalog_version text, reference text, about bigint, day date, " +
		"lot bigint, lots bigint[], lot_amounts bigint[], idempotency_key text, " +
		"fingerprint bytea, last_seq bigint",
	"hold_extension_row": "account uuid, idempotency_key text, fingerprint bytea, hold bigint, " +
		"at timestamp with time zone, expires_at timestamp with time zone",
}

// CheckSchema compares the columns that the lanes write, by position, with the composite types in the
// database. The error names the first type that differs. A server must not start then, since it would mix
// up amounts.
func CheckSchema(ctx context.Context, pool *pgxpool.Pool) error {
	names := slices.Sorted(maps.Keys(recordColumns))
	rows, err := pool.Query(ctx, sqlRecordColumns, names)
	if err != nil {
		return fmt.Errorf("read the types that the ledger writes: %w", err)
	}
	found := map[string]string{}
	var name, columns string
	if _, err := pgx.ForEachRow(rows, []any{&name, &columns}, func() error {
		found[name] = columns
		return nil
	}); err != nil {
		return fmt.Errorf("read the types that the ledger writes: %w", err)
	}
	for _, name := range names {
		switch columns, ok := found[name]; {
		case !ok:
			return fmt.Errorf("the database has no type %s, which the ledger writes", name)
		case columns != recordColumns[name]:
			return fmt.Errorf("the type %s of the database is (%s), and the ledger writes (%s)",
				name, columns, recordColumns[name])
		}
	}
	return nil
}
