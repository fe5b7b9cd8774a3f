package audit

import (
	"fmt"
	"strings"
)

// A check joins what different tables store about one kind of object, such as an entry, a lot or a hold,
// into rows. Its rules must hold for each row. A check covers a range of accounts, from $1 to $2, rather
// than a list as the lanes' statements do, to find rows without an account.
type check struct {
	place string // SQL over a row r: the object's name; empty for the account
	rows  string // SQL query with a column account
	rules []rule
}

// rule must hold for every row of a check.
type rule struct {
	what            string
	broken          string // SQL over a row r: true if violated; null counts as not violated
	expected, found string // SQL over a row r, of type text
}

// same requires two values to be equal.
func same(what, expected, found string) rule {
	return rule{what, expected + " is distinct from " + found, expected + "::text", found + "::text"}
}

// sameTokens is same for amounts, shown in tokens.
func sameTokens(what, expected, found string) rule {
	r := same(what, expected, found)
	r.expected, r.found = inTokens(expected), inTokens(found)
	return r
}

// must requires a condition. Null counts as false.
func must(what, condition, expected, found string) rule {
	return rule{what, "(" + condition + ") is not true", "'" + expected + "'", found}
}

func inTokens(amount string) string { return "trim_scale(" + amount + "::numeric / 1000000)::text" }

// statement is the query that lists violated rules as differences.
func (c *check) statement() string {
	broken, values := make([]string, len(c.rules)), make([]string, len(c.rules))
	for i, r := range c.rules {
		broken[i] = r.broken
		values[i] = fmt.Sprintf("('%s', %s, %s, %s)", strings.ReplaceAll(r.what, "'", "''"), r.broken, r.expected,
			r.found)
	}
	place := ""
	if c.place != "" {
		place = c.place + " || ': ' || "
	}
	return fmt.Sprintf(`select r.account, %sv.what, coalesce(v.expected, 'none'), coalesce(v.found, 'none')
from (%s
) as r
cross join lateral (values
	%s
) as v (what, broken, expected, found)
where (%s) and v.broken`, place, c.rows, strings.Join(values, ",\n\t"), strings.Join(broken, "\n\tor "))
}

// sqlVerify runs all checks for the accounts from $1 to $2 and lists at most $3 differences; $4 to $11 are
// today's usage lines. It is one statement so that the entries are read only once: they are materialized
// for all checks.
var sqlVerify = func() string {
	statements := make([]string, len(checks))
	for i, c := range checks {
		statements[i] = c.statement()
	}
	return `
with entry as materialized (
	select account, seq, at, kind, amount, held_delta, balance_after, held_after, spendable_after, contra, lot_kind, feature, agent, quantity, reference, about,
		day, lot, lots, lot_amounts, hashtextextended(idempotency_key, 0) as key_hash, idempotency_key is null as without_key, fingerprint is null as without_print, last_seq
	from entries where account between $1 and $2
), rare as materialized (
	select * from entry where kind <> 2
)
select * from (
` + strings.Join(statements, "\nunion all\n") + `
) as differences
limit $3`
}()

// Settings of a chunk's transaction. The server's timeouts are for short statements. Without statistics the
// planner would choose nested loops, which never finish; a merge join would sort all entries where hashing
// the other side is enough.
const sqlVerifySettings = `
set local statement_timeout = 0; set local idle_in_transaction_session_timeout = 0;
set local work_mem = '64MB'; set local jit = off; set local enable_nestloop = off; set local enable_mergejoin = off; set local plan_cache_mode = force_custom_plan`

const sqlVerifyTotal = `
select coalesce(sum(seq), 0)::bigint from ledger_accounts`

// The last account of a chunk: at most $2 accounts from $1 on, up to the one that exceeds $3 entries.
const sqlVerifyChunk = `
select account from (
	select account, sum(seq) over (order by account) - seq as before
	from (select account, seq from ledger_accounts where account >= $1 order by account limit $2) as a
) as a
where before < $3
order by account desc
limit 1`

const sqlVerifyAccounts = `
select account, seq, next_due_at, today, today_usage, plan <> '' and plan_status = 'active' and closed_at is null, billing_anchor, billing_zone, period
from ledger_accounts where account between $1 and $2`

var checks = []check{
	entryCheck, chainCheck, keyCheck, accountCheck, lotCheck, openLotCheck, holdCheck, reversalCheck,
	referenceCheck, onceCheck, usageCheck,
	agentSumsCheck, agentCheck, eventCheck, extensionCheck, spanCheck,
}

// sumOfLots is the sum of an entry's parts if it has several.
const sumOfLots = "(select sum(part) from unnest(r.lot_amounts) as part)"

// Checks each entry.
var entryCheck = check{
	place: "'entry ' || r.seq",
	rows: `
	select *, case when kind in (3, 4) then held_delta else amount end as moved
	from entry`,
	rules: []rule{
		must("kind", "r.kind between 1 and 8", "1 to 8", "r.kind::text"),
		must("amount and held", `case r.kind
			when 1 then r.held_delta = 0 and (r.amount > 0 or r.amount < 0 and r.lot_kind = 3)
			when 2 then r.amount <= 0 and r.held_delta = 0
			when 3 then r.amount = 0 and r.held_delta > 0
			when 4 then r.amount = 0 and r.held_delta < 0
			when 5 then r.amount < 0 and r.held_delta < 0
			when 6 then r.amount > 0 and r.held_delta = 0
			when 7 then r.amount < 0 and r.held_delta = 0
			when 8 then r.amount <= 0 and r.held_delta = 0 end`,
			"what its kind does", "format('%s and %s, kind %s', "+inTokens("r.amount")+", "+
				inTokens("r.held_delta")+", r.kind)"),
		same("contra account", `case when r.kind = 1 and r.lot_kind = 4 then 2 when r.kind = 1 then 1 when r.kind in (2, 5, 6) then 3 when r.kind = 7 then 4
			when r.kind = 8 then 5 else 0 end`, "r.contra"),
		{
			"sum of its lots", "case when r.lot = 0 then r.moved <> coalesce(" + sumOfLots +
				", 0) else r.lots is not null or r.lot_amounts is not null end",
			inTokens("r.moved"), inTokens(sumOfLots),
		},
		must("lots", "r.lot <> 0 or cardinality(r.lots) = cardinality(r.lot_amounts)", "an amount for each",
			"r.lots::text || ' with ' || r.lot_amounts::text"),
		must("spendable after", "r.spendable_after between 0 and r.balance_after - r.held_after",
			"between zero and what is not held", inTokens("r.spendable_after")),
		must("held after", "r.held_after between 0 and r.balance_after", "between zero and the balance",
			inTokens("r.held_after")),
		must("about", "case when r.kind in (4, 5, 6, 8) then r.about between 1 and r.seq - 1 else r.about = 0 end",
			"an earlier entry where its kind has one",
			"r.about::text"),
		must("idempotency key", "r.without_key = r.without_print", "a key with a fingerprint, or neither",
			"'one of them'"),
	},
}

// Compares each entry with the previous one.
var chainCheck = check{
	place: "'entry ' || r.seq",
	rows: `
	select account, seq, amount, held_delta, balance_after, held_after, at, day, lag(seq, 1, 0::bigint) over w as seq_before,
		lag(balance_after, 1, 0::bigint) over w as balance_before, lag(held_after, 1, 0::bigint) over w as held_before,
		lag(at, 1, '-infinity') over w as at_before, lag(day, 1, '-infinity') over w as day_before
	from entry
	window w as (partition by account order by seq)`,
	rules: []rule{
		same("seq", "(r.seq_before + 1)", "r.seq"),
		sameTokens("balance after", "(r.balance_before + r.amount)", "r.balance_after"),
		sameTokens("held after", "(r.held_before + r.held_delta)", "r.held_after"),
		{"time", "r.at < r.at_before", "'not before ' || r.at_before", "r.at::text"},
		{"day", "r.day < r.day_before", "'not before ' || r.day_before", "r.day::text"},
	},
}

// Checks that idempotency keys are unique: first by hash, which takes a tenth of the memory, then by the
// keys that collide.
var keyCheck = check{
	place: "'entry ' || r.seq",
	rows: `
	select e.account, max(e.seq) as seq, count(*) as times
	from entry as e
	join (select account, key_hash from entry where not without_key group by 1, 2 having count(*) > 1) as twice using (account, key_hash)
	cross join lateral (select idempotency_key from entries where account = e.account and seq = e.seq limit 1) as whole
	group by e.account, whole.idempotency_key
	having count(*) > 1`,
	rules: []rule{same("entries with its idempotency key", "1", "r.times")},
}

// Compares usage in the entries with the rollup, usage_days and today's lines, by day, feature and agent.
var usageCheck = check{
	place: "format('usage on %s of %s by %s', r.day, r.feature, coalesce(nullif(r.agent, ''), 'no agent'))",
	rows: `
	select account, day, feature, agent, sum(amount) as amount, sum(quantity) as quantity, sum(count) as count, sum(returned) as returned,
		sum(rolled) as rolled, sum(rolled_quantity) as rolled_quantity, sum(rolled_count) as rolled_count, sum(rolled_returned) as rolled_returned
	from (
		select account, day, feature, agent, -amount as amount, quantity, 1 as count, 0::bigint as returned,
			0::bigint as rolled, 0::bigint as rolled_quantity, 0::bigint as rolled_count, 0::bigint as rolled_returned
		from entry where kind in (2, 5)
		union all
		select r.account, w.day, w.feature, w.agent, 0, 0, 0, r.amount, 0, 0, 0, 0
		from rare as r join entry as w on w.account = r.account and w.seq = r.about
		where r.kind = 6
		union all
		select account, day, feature, agent, 0, 0, 0, 0, amount, quantity, count, returned from usage_days where account between $1 and $2
		union all
		select account, day, feature, agent, 0, 0, 0, 0, amount, quantity, count, returned
		from unnest($4::uuid[], $5::date[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[])
			as today (account, day, feature, agent, amount, quantity, count, returned)
	) as u
	group by account, day, feature, agent`,
	rules: []rule{
		sameTokens("amount", "r.amount", "r.rolled"),
		same("quantity", "r.quantity", "r.rolled_quantity"),
		same("count", "r.count", "r.rolled_count"),
		sameTokens("returned", "r.returned", "r.rolled_returned"),
	},
}
