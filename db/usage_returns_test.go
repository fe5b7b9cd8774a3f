package db_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"

	"pop.store/credits/db"
	"pop.store/credits/db/testdb"
)

// Before this migration a refund was deducted on the day when it was given, in usage_days and on the
// account's row. Afterwards work and its refunds are separate on the day of the work, and both sums are
// exact. The account's row keeps its bytes.
func TestUsageReturnsAreSplitByTheMigration(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), testdb.Empty(t).OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	m, err := db.NewMigrator(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(m.Migrations, func(one *migrate.Migration) bool {
		return strings.Contains(one.Name, "ledger_usage")
	})
	if err := m.MigrateTo(t.Context(), int32(at)); err != nil {
		t.Fatal(err)
	}
	// 60 on 1 March; 65 on 5 April, of which 5 came back on the same day. Then 60 and 20 came back
	// on 5 April, which is still on the account's row.
	const a = "00000000-0000-0000-0000-000000000001"
	if _, err := conn.Exec(t.Context(), `
		insert into entries (account, seq, at, kind, amount, balance_after, held_after, spendable_after, contra,
			feature, agent, quantity, about, day) values
			('`+a+`', 1, '2026-03-01', 2, -60, 0, 0, 0, 3, 'pdf', '', 1, 0, '2026-03-01'),
			('`+a+`', 2, '2026-03-02', 2, -20, 0, 0, 0, 3, 'pdf', 'bot', 1, 0, '2026-03-02'),
			('`+a+`', 3, '2026-03-09', 6, 5, 0, 0, 0, 3, 'pdf', 'bot', 0, 2, '2026-03-09'),
			('`+a+`', 4, '2026-04-05', 2, -65, 0, 0, 0, 3, 'pdf', '', 1, 0, '2026-04-05'),
			('`+a+`', 5, '2026-04-05', 6, 5, 0, 0, 0, 3, 'pdf', '', 0, 4, '2026-04-05'),
			('`+a+`', 6, '2026-04-05', 6, 60, 0, 0, 0, 3, 'pdf', '', 0, 1, '2026-04-05');
		insert into usage_days (account, day, feature, agent, amount, quantity, count) values
			('`+a+`', '2026-03-01', 'pdf', '', 60, 1, 1), ('`+a+`', '2026-03-02', 'pdf', 'bot', 20, 1, 1), ('`+a+
		`', '2026-03-09', 'pdf', 'bot', -5, 0, 0);
	`); err != nil {
		t.Fatal(err)
	}
	if err := m.MigrateTo(t.Context(), int32(at+1)); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(),
		`select concat_ws(' ', day, feature, agent, amount, quantity, count, returned) from usage_days
			order by day, agent`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	// The row's line of 5 April says 65 - 5 - 60 = 0 with a quantity and count of 1: with these 65
	// it is right.
	want := []string{"2026-03-01 pdf  60 1 1 60", "2026-03-02 pdf bot 20 1 1 5", "2026-04-05 pdf  65 0 0 5"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s\n%v", strings.Join(got, "\n"), strings.Join(want, "\n"), err)
	}
	// A server of the version before goes on writing.
	if _, err := conn.Exec(t.Context(),
		`insert into usage_days as d (account, day, feature, agent, amount, quantity, count)
		select * from unnest(array[row('`+a+`', '2026-04-05', 'pdf', '', 0, 1, 1)::usage_row])
		on conflict (account, day, feature, agent) do update set amount = d.amount + excluded.amount,
			quantity = d.quantity + excluded.quantity,
			count = d.count + excluded.count`); err != nil {
		t.Error(err)
	}
}
