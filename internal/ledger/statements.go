package ledger

// Every statement that touches the books stands here. Rules that they keep, so that the tables can be spread over nodes by account
// (spec "Citus"): the account is in every WHERE and every key; no triggers, no MERGE, no volatile function in SET; UPDATE ... FROM
// unnest also filters by account = ANY.

const sqlEnsureAccounts = `
insert into ledger_accounts (account, last_at, billing_anchor, billing_zone)
select account, 'epoch', 'epoch', '' from unnest($1::uuid[]) as u (account)
order by account
on conflict (account) do nothing`

const accountColumns = `account, balance, held, seq, last_at, plan, next_plan, plan_status, billing_anchor, billing_zone, period, period_granted`

// Rows are locked in id order, so that two servers never wait for each other in a circle.
const sqlLockAccounts = `
select ` + accountColumns + ` from ledger_accounts where account = any($1) order by account for update`

const lotColumns = `account, lot, kind, amount, remaining, held, effective_at, expires_at, frozen, source`

const sqlOpenLots = `
select ` + lotColumns + ` from lots where account = any($1) and is_open`

const entryColumns = `e.account, e.seq, e.at, e.kind, e.amount, e.held_delta, e.balance_after, e.held_after, e.spendable_after, e.contra, e.lot_kind, e.feature, e.agent,
	e.quantity, e.unit_price, e.catalog_version, e.reference, e.day, e.lots, e.lot_amounts, coalesce(e.idempotency_key, ''), e.fingerprint`

// LATERAL with LIMIT pins the plan to one index probe per key: a generic plan made while the table is empty would otherwise join the
// wrong way round for ever.
const sqlKnownKeys = `
select ` + entryColumns + `
from unnest($1::uuid[], $2::text[]) as k (account, key)
cross join lateral (
	select * from entries where account = k.account and idempotency_key = k.key limit 1
) as e`

const sqlKnownReferences = `
select k.scope, k.reference, ` + entryColumns + `
from unnest($1::uuid[], $2::text[], $3::text[]) as k (account, scope, reference)
cross join lateral (
	select seq from permanent_references where account = k.account and scope = k.scope and reference = k.reference limit 1
) as p
cross join lateral (
	select * from entries where account = k.account and seq = p.seq limit 1
) as e`

const sqlUpdateAccounts = `
update ledger_accounts as a
set balance = u.balance, held = u.held, seq = u.seq, last_at = u.last_at, next_due_at = u.next_due_at, plan = u.plan, next_plan = u.next_plan,
	plan_status = u.plan_status, billing_anchor = u.billing_anchor, billing_zone = u.billing_zone, period = u.period, period_granted = u.period_granted
from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::text[], $9::text[],
		$10::timestamptz[], $11::text[], $12::int[], $13::bigint[])
	as u (account, balance, held, seq, last_at, next_due_at, plan, next_plan, plan_status, billing_anchor, billing_zone, period, period_granted)
where a.account = u.account and a.account = any($1)`

const sqlInsertLots = `
insert into lots (account, lot, kind, amount, remaining, held, priority, effective_at, expires_at, frozen, is_open, source)
select * from unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::smallint[], $8::timestamptz[],
	$9::timestamptz[], $10::boolean[], $11::boolean[], $12::text[])`

const sqlUpdateLots = `
update lots as l
set remaining = u.remaining, held = u.held, frozen = u.frozen, is_open = u.is_open
from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::boolean[], $6::boolean[]) as u (account, lot, remaining, held, frozen, is_open)
where l.account = u.account and l.lot = u.lot and l.account = any($1)`

// Arrays of arrays cannot be unnested row by row, so each row's lots travel as the text of an array.
const sqlInsertEntries = `
insert into entries (account, seq, at, kind, amount, held_delta, balance_after, held_after, spendable_after, contra, lot_kind, feature, agent, quantity, unit_price,
	catalog_version, reference, day, lots, lot_amounts, idempotency_key, fingerprint)
select account, seq, at, kind, amount, held_delta, balance_after, held_after, spendable_after, contra, lot_kind, feature, agent, quantity, unit_price,
	catalog_version, reference, day, lots::bigint[], lot_amounts::bigint[], nullif(idempotency_key, ''), fingerprint
from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::smallint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[],
		$10::smallint[], $11::smallint[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::text[], $17::text[], $18::date[], $19::text[],
		$20::text[], $21::text[], $22::bytea[])
	as u (account, seq, at, kind, amount, held_delta, balance_after, held_after, spendable_after, contra, lot_kind, feature, agent, quantity, unit_price,
		catalog_version, reference, day, lots, lot_amounts, idempotency_key, fingerprint)`

const sqlInsertReferences = `
insert into permanent_references (account, scope, reference, seq)
select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[])`

const sqlInsertNotes = `
insert into entry_notes (account, seq, reason, metadata)
select * from unnest($1::uuid[], $2::bigint[], $3::text[], $4::jsonb[])`

const sqlAddUsage = `
insert into usage_days as d (account, day, feature, agent, amount, quantity, count)
select * from unnest($1::uuid[], $2::date[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[])
on conflict (account, day, feature, agent) do update
set amount = d.amount + excluded.amount, quantity = d.quantity + excluded.quantity, count = d.count + excluded.count`

const sqlSpent = `
select coalesce(sum(amount), 0)::bigint from usage_days where account = $1 and day >= $2`

// One statement is one snapshot: an account's row and lots always belong together.
const sqlReadAccounts = `
select a.account, a.balance, a.held, a.seq, a.last_at, a.plan, a.next_plan, a.plan_status, a.billing_anchor, a.billing_zone, a.period, a.period_granted,
	l.lot, l.kind, l.amount, l.remaining, l.held, l.effective_at, l.expires_at, l.frozen, l.source
from ledger_accounts as a
left join lots as l on l.account = a.account and l.is_open
where a.account = any($1)`

const sqlNextDue = `
select next_due_at from ledger_accounts where account = $1 and plan <> ''`

// The filters are optional: a null array or an empty text means all.
const sqlHistory = `
select coalesce(n.reason, ''), ` + entryColumns + `
from entries as e
left join entry_notes as n on n.account = e.account and n.seq = e.seq
where e.account = $1 and e.seq < $2
	and ($3::smallint[] is null or e.kind = any($3)) and ($4::smallint[] is null or e.lot_kind = any($4))
	and ($5::text = '' or e.feature = $5) and ($6::text = '' or e.agent = $6)
	and ($7::timestamptz is null or e.at >= $7) and ($8::timestamptz is null or e.at < $8)
order by e.seq desc
limit $9`
