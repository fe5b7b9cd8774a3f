package ledgertest

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"pop.store/credits/internal/tokens"
)

// invariants are queries that count violations. The view lot_now has each lot's current remainder; that of the open lot
// is in the account's row.
var invariants = map[string]string{
	"balance is not the sum of the entries": `select count(*) from ledger_accounts a
		where balance <> (select coalesce(sum(amount), 0) from entries e where e.account = a.account)`,
	"balance is not the sum of the lots": `select count(*) from ledger_accounts a
		where balance <> (select coalesce(sum(remaining), 0) from lot_now l where l.account = a.account)`,
	"held is not the sum of the holds": `select count(*) from ledger_accounts a
		where held <> (select coalesce(sum(amount), 0) from holds h where h.account = a.account and outcome = 0)`,
	"held is not the sum of the lots": `select count(*) from ledger_accounts a
		where held <> (select coalesce(sum(held), 0) from lot_now l where l.account = a.account)`,
	"seq has gaps": `select count(*) from ledger_accounts a where seq <> (select count(*) from entries e where e.account = a.account)
		or seq <> (select coalesce(max(seq), 0) from entries e where e.account = a.account)`,
	"balance_after is not a chain": `select count(*) from (select balance_after - amount <> lag(balance_after, 1, 0::bigint) over w
		or held_after - held_delta <> lag(held_after, 1, 0::bigint) over w as broken from entries window w as (partition by account order by seq)) e where broken`,
	"time runs backwards": `select count(*) from (select at < lag(at) over (partition by account order by seq) as broken from entries) e where broken`,
	"parts do not add up": `select count(*) from entries e where case when kind in (3, 4) then held_delta else amount end <>
		(select coalesce(sum(p.amount), 0) from part p where p.account = e.account and p.seq = e.seq)`,
	"a lot disagrees with the entries": `select count(*) from lot_now l
		full join (select account, lot, sum(amount) as amount from part where kind not in (3, 4) group by 1, 2) p using (account, lot)
		where l.remaining is distinct from p.amount`,
	"an open lot is empty or a closed one is not": `select count(*) from lot_now where is_open <> (remaining > 0)`,
	"a refund is more than its charge":            `select count(*) from reversals r join entries e using (account, seq) where r.amount > abs(e.amount)`,
	"refunds are not what was reversed": `select count(*) from (select account, about as seq, sum(amount) as amount from entries where kind = 6 group by 1, 2) e
		full join (select r.account, r.seq, r.amount from reversals r join entries using (account, seq) where kind in (2, 5)) r using (account, seq)
		where e.amount is distinct from r.amount`,
	"a row disagrees with its agents": `select count(*) from ledger_accounts a
		where (a.agents, a.paused_agents, a.reserved, a.guarded) <> (select count(*) filter (where agent <> ''), count(*) filter (where state = 2),
			coalesce(sum(reserve), 0), coalesce(bool_or(state <> 0 or reserve > 0 or budget is not null), false) from agents g where g.account = a.account)`,
	"an event is numbered above the newest": `select count(*) from outbox o join ledger_accounts a using (account) where o.seq > a.event_seq`,
	"a pause has no beginning, or there is one of none": `select count(*) from agents
		where (state = 0) <> (paused_since is null) or (state = 0 and turned_away > 0)`,
}

const invariantViews = `
create temp view lot_now as select l.account, l.lot, l.is_open,
	case when a.open_lot = l.lot then a.open_remaining else l.remaining end as remaining, case when a.open_lot = l.lot then a.open_held else l.held end as held
	from lots l join ledger_accounts a using (account);
create temp view part as select account, seq, kind, lot, case when kind in (3, 4) then held_delta else amount end as amount from entries where lot <> 0
	union all select e.account, e.seq, e.kind, p.lot, p.amount from entries e, unnest(e.lots, e.lot_amounts) as p (lot, amount) where e.lot = 0`

// CheckInvariants compares the redundant figures of all accounts: balances, holds, lots, entries, agents, events and
// usage.
func (f *Fixture) CheckInvariants() {
	ctx := context.Background()
	conn, err := f.Pool.Acquire(ctx)
	if err != nil {
		f.T.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "drop view if exists lot_now, part;"+invariantViews); err != nil {
		f.T.Fatal(err)
	}
	for name, query := range invariants {
		var wrong int
		if err := conn.QueryRow(ctx, query).Scan(&wrong); err != nil || wrong != 0 {
			f.T.Errorf("%s: %d (%v)", name, wrong, err)
		}
	}
	f.checkRollup(ctx, conn)
}

// checkRollup compares the usage of every account, including today's, with its entries.
func (f *Fixture) checkRollup(ctx context.Context, conn *pgxpool.Conn) {
	rows, err := conn.Query(
		ctx,
		`select account, coalesce(-sum(amount) filter (where kind in (2, 5)), 0), sum(quantity) filter (where kind in (2, 5)), count(*) filter (where kind in (2, 5)), coalesce(sum(amount) filter (where kind = 6), 0)
		from entries where contra = 3 group by 1`,
	)
	if err != nil {
		f.T.Fatal(err)
	}
	type sums struct {
		Account         uuid.UUID
		Amount          tokens.Amount
		Quantity, Count int64
		Returned        tokens.Amount
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sums])
	if err != nil {
		f.T.Fatal(err)
	}
	for _, want := range list {
		usage, err := f.Usage(ctx, want.Account, Start.AddDate(-30, 0, 0), Start.AddDate(30, 0, 0))
		if err != nil {
			f.T.Fatal(err)
		}
		got := sums{Account: want.Account}
		for _, u := range usage {
			got.Amount, got.Quantity, got.Count = got.Amount+u.Amount, got.Quantity+u.Quantity, got.Count+u.Count
			got.Returned += u.Returned
			if u.Returned < 0 || u.Returned > u.Amount {
				f.T.Errorf("%s of %s are returned on %v", u.Returned, u.Amount, u.Day)
			}
		}
		if got != want {
			f.T.Errorf("the rollup says %+v, the entries %+v", got, want)
		}
	}
}
