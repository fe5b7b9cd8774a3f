package engine

// All statements on the ledger's tables. So that Citus can distribute the tables by account: the account is
// in every WHERE and every key; no triggers, no MERGE, no volatile function in SET; UPDATE ... FROM unnest
// also filters by account = ANY. docs/adr/0007-rules-for-citus.md says why.

// The type ids of composite types and of their arrays.
const sqlRecordTypes = `
select oid, typarray from pg_type where typname = any($1) and typtype = 'c'`

// The columns of composite types as text, in order.
const sqlRecordColumns = `
select t.typname, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
from pg_type as t
join pg_attribute as a on a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
where t.typname = any($1) and t.typtype = 'c'
group by t.typname`

const sqlEnsureAccounts = `
insert into ledger_accounts (account, last_at, billing_anchor, billing_zone)
select account, 'epoch', 'epoch', '' from unnest($1::uuid[]) as u (account)
order by account
on conflict (account) do nothing`

const accountColumns = `a.account, a.balance, a.held, a.unusable, a.owed, a.seq, a.last_at, a.next_due_at, a.open_lot, a.open_remaining, a.open_held,
	a.today, a.today_usage, a.today_declined, a.declined, a.plan, a.next_plan, a.plan_status, a.billing_anchor, a.billing_zone, a.period, a.period_granted, a.version, a.newest_lot,
	a.level, a.agents, a.paused_agents, a.guarded, a.reserved, a.low_threshold, a.event_seq, a.claims, a.closed_at, a.extended`

// Rows are locked in id order, so that servers cannot deadlock.
const sqlLockAccounts = `
select ` + accountColumns + ` from ledger_accounts as a where a.account = any($1) order by a.account for no key update`

// The accounts that another transaction has locked: those that exist and cannot be locked at once.
const sqlLockedAccounts = `
with free as (
	select account from ledger_accounts where account = any($1) for no key update skip locked
)
select account from ledger_accounts where account = any($1) and account not in (select account from free)`

const lotColumns = `l.account, l.lot, l.kind, l.amount, l.remaining, l.held, l.effective_at, l.expires_at, l.frozen, l.revoked,
	l.source, l.taken_back`

const sqlOpenLots = `
select ` + lotColumns + ` from lots as l where l.account = any($1) and l.is_open`

const agentColumns = `g.account, g.agent, g.name, g.feature, g.state, g.paused_since, g.turned_away, g.unit, g.budget, g.reserve, g.resumed_at, g.missed`

const sqlNamedAgents = `
select ` + agentColumns + `
from unnest($1::uuid[], $2::text[]) as k (account, agent)
cross join lateral (
	select * from agents where account = k.account and agent = k.agent limit 1
) as g`

const sqlAgents = `
select ` + agentColumns + ` from agents as g where g.account = any($1) order by g.account, g.agent`

// Agents that are paused for lack of tokens (2) or budget (3), and those with a reserve; of the accounts in
// $2, all agents.
const sqlStoppedAgents = `
select ` + agentColumns + ` from agents as g
where g.account = any($1) and (g.account = any($2) or g.state in (2, 3) or g.reserve > 0) order by g.account, g.agent`

const sqlBudgetMonths = `
select a.account, u.agent, u.month, u.amount
from ledger_accounts as a
cross join lateral (
	select d.agent, date_trunc('month', a.today)::date as month, sum(d.amount - d.returned)::bigint as amount
	from agents as g
	join usage_days as d on d.account = g.account and d.agent = g.agent and d.day >= date_trunc('month', a.today)::date
	where g.account = a.account and g.budget is not null
	group by d.agent
) as u
where a.account = any($1)`

// What agents spent in the month of ledger_accounts.today, without that day. A later month has no spending
// yet.
const sqlAgentMonths = `
select a.account, u.agent, u.month, u.amount
from ledger_accounts as a
cross join lateral (
	select agent, date_trunc('month', a.today)::date as month, sum(amount - returned)::bigint as amount
	from usage_days where account = a.account and day >= date_trunc('month', a.today)::date and agent <> '' group by agent
) as u
where a.account = any($1)`

const holdColumns = `h.account, h.hold, h.amount, h.expires_at, h.outcome, h.feature, h.agent, h.quantity, h.unit_price, h.catalog_version,
	h.reference, h.lots, h.lot_amounts`

// Includes the notes of holds that time out by $2, since the entry that releases them copies the note.
const sqlOpenHolds = `
select ` + holdColumns + `, coalesce(n.reason, ''), n.metadata
from holds as h
left join lateral (
	select reason, metadata from entry_notes where account = h.account and seq = h.hold and h.expires_at <= $2 limit 1
) as n on true
where h.account = any($1) and h.outcome = 0`

const entryColumns = `e.account, e.seq, e.at, e.kind, e.amount, e.held_delta, e.balance_after, e.held_after, e.spendable_after, e.contra, e.lot_kind, e.feature,
	e.agent, e.quantity, e.unit_price, e.catalog_version, e.reference, e.about, e.day, e.lot, e.lots, e.lot_amounts, coalesce(e.idempotency_key, ''),
	e.fingerprint`

// The balance after the last entry of a request, which a replay returns.
const settledColumns = `coalesce(z.spendable_after, e.spendable_after), coalesce(z.held_after, e.held_after), coalesce(z.balance_after, e.balance_after)`

const settledEntry = `
left join lateral (
	select spendable_after, held_after, balance_after from entries where account = k.account and seq = e.last_seq limit 1
) as z on true`

// LATERAL with LIMIT forces one index probe per key. A generic plan made while the table is empty could
// otherwise join in the wrong order permanently.
const sqlKnownKeys = `
select ` + settledColumns + `, ` + entryColumns + `
from unnest($1::uuid[], $2::text[]) as k (account, key)
cross join lateral (
	select * from entries where account = k.account and idempotency_key = k.key limit 1
) as e` + settledEntry

const sqlKnownExtensions = `
select x.account, x.idempotency_key, x.fingerprint, x.hold, x.at, x.expires_at
from unnest($1::uuid[], $2::text[]) as k (account, key)
cross join lateral (
	select * from hold_extensions where account = k.account and idempotency_key = k.key limit 1
) as x`

// Fails by division by zero if an extension of a hold has bound one of the keys.
const sqlNoneExtended = `
select 1 / (count(x.hold) = 0)::int
from unnest($1::uuid[], $2::text[]) as k (account, key)
left join lateral (
	select hold from hold_extensions where account = k.account and idempotency_key = k.key limit 1
) as x on true`

// Fails the transaction by division by zero if one of the keys belongs to an entry.
const sqlNoneKnown = `
select 1 / (count(e.seq) = 0)::int
from unnest($1::uuid[], $2::text[]) as k (account, key)
left join lateral (
	select seq from entries where account = k.account and idempotency_key = k.key limit 1
) as e on true`

// Locks the row of one account, for transactions outside the lanes.
const sqlLockAccount = `
select plan <> '', closed_at is not null from ledger_accounts where account = $1 for no key update`

// The fingerprint of a key's claim, and whether an entry or an extension has the key.
const sqlKeyUse = `
select (select fingerprint from claimed_keys where account = $1 and idempotency_key = $2),
	exists (select from entries where account = $1 and idempotency_key = $2)
		or exists (select from hold_extensions where account = $1 and idempotency_key = $2)`

const sqlClaimKey = `
insert into claimed_keys (account, idempotency_key, fingerprint) values ($1, $2, $3)`

// The new version makes cached states without claims stale.
const sqlNoteClaims = `
update ledger_accounts set claims = true, version = version + 1 where account = $1 and not claims`

const sqlDropClaim = `
delete from claimed_keys where account = $1 and idempotency_key = $2`

const sqlKnownClaims = `
select k.account, k.key
from unnest($1::uuid[], $2::text[]) as k (account, key)
cross join lateral (
	select account from claimed_keys where account = k.account and idempotency_key = k.key limit 1
) as c`

// Fails the transaction by a number out of range (22003) if one of the keys is claimed.
const sqlNoneClaimed = `
select (40000 * count(c.account))::smallint
from unnest($1::uuid[], $2::text[]) as k (account, key)
left join lateral (
	select account from claimed_keys where account = k.account and idempotency_key = k.key limit 1
) as c on true`

// Fails by division by zero if a row has another version.
const sqlUnchanged = `
select 1 / (count(*) = cardinality($1))::int
from unnest($1::uuid[], $2::bigint[]) as u (account, version)
join ledger_accounts as a on a.account = u.account and a.version = u.version
where a.account = any($1)`

const sqlKnownReferences = `
select k.scope, k.reference, ` + settledColumns + `, ` + entryColumns + `
from unnest($1::uuid[], $2::text[], $3::text[]) as k (account, scope, reference)
cross join lateral (
	select seq from permanent_references where account = k.account and scope = k.scope and reference = k.reference limit 1
) as p
cross join lateral (
	select * from entries where account = k.account and seq = p.seq limit 1
) as e` + settledEntry

// An entry that a request refers to: how much was reversed, the outcome of a hold, how much of a purchase
// has expired, and the note.
const sqlPast = `
select coalesce(r.amount, 0), coalesce(r.lapsed, 0), coalesce(x.amount, 0), coalesce(h.outcome, -1), coalesce(n.reason, ''), n.metadata, ` + entryColumns + `
from unnest($1::uuid[], $2::bigint[]) as k (account, seq)
cross join lateral (
	select * from entries where account = k.account and seq = k.seq limit 1
) as e
left join lateral (
	select amount, lapsed from reversals where account = k.account and seq = k.seq limit 1
) as r on true
left join lateral (
	select outcome from holds where account = k.account and hold = k.seq limit 1
) as h on true
left join lateral (
	select reason, metadata from entry_notes where account = k.account and seq = k.seq limit 1
) as n on true
left join lateral (
	select -sum(amount)::bigint as amount from entries
	where account = k.account and reference = e.reference and kind = 7 and lot_kind = 4 and e.kind = 1 and e.lot_kind = 4
) as x on true`

// The closed lots that such an entry was paid from or created.
const sqlPastLots = `
select distinct ` + lotColumns + `
from unnest($1::uuid[], $2::bigint[]) as k (account, seq)
cross join lateral (
	select lot, lots from entries where account = k.account and seq = k.seq limit 1
) as e
cross join lateral (
	select lot from unnest(array_append(coalesce(e.lots, '{}'), e.lot)) as lot
) as part
cross join lateral (
	select * from lots where account = k.account and lot = part.lot and not is_open limit 1
) as l`

// Fails the transaction by division by zero unless every row still has the version that the batch started
// from.
const sqlUpdateAccounts = `
with written as (
update ledger_accounts as a
set version = u.version + 1, balance = u.balance, held = u.held, unusable = u.unusable, owed = u.owed, seq = u.seq, last_at = u.last_at, next_due_at = u.next_due_at,
	newest_lot = u.newest_lot, open_lot = u.open_lot, open_remaining = u.open_remaining, open_held = u.open_held,
	today = u.today, today_usage = u.today_usage, today_declined = u.today_declined, declined = u.declined
from unnest($2::account_row[]) as u
where a.account = u.account and a.account = any($1) and a.version = u.version
returning 1
)
select 1 / (count(*) = cardinality($1))::int from written`

const sqlUpdatePlans = `
update ledger_accounts as a
set plan = u.plan, next_plan = u.next_plan, plan_status = u.plan_status, billing_anchor = u.billing_anchor, billing_zone = u.billing_zone,
	period = u.period, period_granted = u.period_granted
from unnest($2::plan_row[]) as u
where a.account = u.account and a.account = any($1)`

const sqlCloseAccounts = `
update ledger_accounts as a
set closed_at = u.closed_at
from unnest($2::closing_row[]) as u
where a.account = u.account and a.account = any($1)`

const sqlUpdateGuards = `
update ledger_accounts as a
set level = u.level, agents = u.agents, paused_agents = u.paused_agents, guarded = u.guarded, reserved = u.reserved, low_threshold = u.low_threshold,
	event_seq = u.event_seq
from unnest($2::guard_row[]) as u
where a.account = u.account and a.account = any($1)`

const sqlInsertLots = `
insert into lots (account, lot, kind, amount, remaining, held, priority, effective_at, expires_at, frozen, revoked, is_open, source)
select * from unnest($1::lot_row[])`

// revoked is never reset: a lot that was spent without being loaded does not know it.
const sqlUpdateLots = `
update lots as l
set remaining = u.remaining, held = u.held, frozen = u.frozen, revoked = l.revoked or u.revoked, is_open = u.is_open
from unnest($2::lot_change_row[]) as u
where l.account = u.account and l.lot = u.lot and l.account = any($1)`

const sqlUpdateTaken = `
update lots as l
set taken_back = u.taken_back
from unnest($2::lot_taken_row[]) as u
where l.account = u.account and l.lot = u.lot and l.account = any($1)`

const sqlInsertEntries = `
insert into entries (account, seq, at, kind, amount, held_delta, balance_after, held_after, spendable_after, contra, lot_kind, feature, agent, quantity,
	unit_price, catalog_version, reference, about, day, lot, lots, lot_amounts, idempotency_key, fingerprint)
select * from unnest($1::entry_row[])`

// Entries of requests that wrote further entries.
const sqlInsertSpans = `
insert into entries (account, seq, at, kind, amount, held_delta, balance_after, held_after, spendable_after, contra, lot_kind, feature, agent, quantity,
	unit_price, catalog_version, reference, about, day, lot, lots, lot_amounts, idempotency_key, fingerprint, last_seq)
select * from unnest($1::entry_span_row[])`

const sqlInsertReferences = `
insert into permanent_references (account, scope, reference, seq)
select * from unnest($1::reference_row[])`

const sqlInsertHolds = `
insert into holds (account, hold, amount, expires_at, feature, agent, quantity, unit_price, catalog_version, lots, lot_amounts, reference)
select * from unnest($1::referenced_hold_row[])`

// If a batch extends a hold several times, the latest end counts.
const sqlExtendHolds = `
update holds as h set expires_at = u.expires_at
from (
	select account, hold, max(expires_at) as expires_at from unnest($2::hold_extension_row[]) as x group by account, hold
) as u
where h.account = u.account and h.hold = u.hold and h.account = any($1)`

const sqlMarkExtended = `
update ledger_accounts as a set extended = true
from unnest($2::hold_extension_row[]) as u
where a.account = u.account and a.account = any($1)`

const sqlInsertExtensions = `
insert into hold_extensions (account, idempotency_key, fingerprint, hold, at, expires_at)
select * from unnest($1::hold_extension_row[])`

const sqlEndHolds = `
update holds as h set outcome = u.outcome
from unnest($2::hold_end_row[]) as u
where h.account = u.account and h.hold = u.hold and h.account = any($1)`

const sqlAddReversals = `
insert into reversals as r (account, seq, amount, lapsed)
select * from unnest($1::reversal_lapsed_row[])
on conflict (account, seq) do update set amount = r.amount + excluded.amount, lapsed = r.lapsed + excluded.lapsed`

const sqlInsertNotes = `
insert into entry_notes (account, seq, reason, metadata)
select account, seq, reason, metadata::jsonb from unnest($1::note_row[])`

const sqlAddUsage = `
insert into usage_days as d (account, day, feature, agent, amount, quantity, count, returned)
select * from unnest($1::usage_day_row[])
on conflict (account, day, feature, agent) do update
set amount = d.amount + excluded.amount, quantity = d.quantity + excluded.quantity, count = d.count + excluded.count,
	returned = d.returned + excluded.returned`

const sqlInsertDeclined = `
insert into declined_attempts (account, day, number, at, feature, agent, required, spendable)
select * from unnest($1::declined_row[])`

const sqlPutAgents = `
insert into agents as g (account, agent, name, feature, state, paused_since, turned_away, unit, budget, reserve, resumed_at, missed)
select * from unnest($1::agent_row[])
on conflict (account, agent) do update
set name = excluded.name, feature = excluded.feature, state = excluded.state, paused_since = excluded.paused_since, turned_away = excluded.turned_away,
	unit = excluded.unit, budget = excluded.budget, reserve = excluded.reserve, resumed_at = excluded.resumed_at, missed = excluded.missed`

const sqlInsertOutbox = `
insert into outbox (account, seq, at, kind, data)
select account, seq, at, kind, data::jsonb from unnest($1::outbox_row[])`

// overBudget counts the agents that their budget has stopped, which the account's row does not. It reads
// nothing for an account without agents with rules, as most are.
const overBudget = `
	case when a.guarded then (select count(*) from agents where account = a.account and state = 3) else 0 end`

// One statement is one snapshot, so row, lots and holds are consistent. Each lot and hold is a row of its
// own.
const sqlReadAccounts = `
select ` + accountColumns + `,
	l.lot, l.kind, l.amount, l.remaining, l.held, l.effective_at, l.expires_at, l.frozen, l.revoked, l.source,
	h.hold, h.amount, h.expires_at, h.agent, h.lots, h.lot_amounts,` + overBudget + `
from ledger_accounts as a
left join lateral (
	select l.lot, null::bigint as hold from lots as l where l.account = a.account and l.is_open
	union all
	select null, h.hold from holds as h where h.account = a.account and h.outcome = 0
) as part on true
left join lots as l on l.account = a.account and l.lot = part.lot
left join holds as h on h.account = a.account and h.hold = part.hold
where a.account = any($1)`

// The account's row is enough for a balance while nothing is due.
const sqlReadBalances = `
select ` + accountColumns + `,` + overBudget + `
from ledger_accounts as a
where a.account = any($1)`

const sqlReadRows = `
select ` + accountColumns + ` from ledger_accounts as a where a.account = any($1)`

const sqlNewest = `
select seq, next_due_at from ledger_accounts where account = $1 and plan <> ''`

// The metadata of a clawback (kind 8) contains the ledger's cause; that of other entries is the caller's.
const lineFields = `coalesce(n.reason, ''), case when e.kind <> 8 then n.metadata end, case when e.kind = 8 then coalesce(n.metadata ->> 'cause', '') else '' end,
	` + entryColumns

const lineColumns = lineFields + `
from entries as e
left join entry_notes as n on n.account = e.account and n.seq = e.seq
`

// The filters are optional: a null array or empty text matches all.
const sqlHistory = `
select ` + lineColumns + `where e.account = $1 and e.seq < $2 and e.seq >= $3
	and ($4::smallint[] is null or e.kind = any($4)) and ($5::smallint[] is null or e.lot_kind = any($5))
	and ($6::text = '' or e.feature = $6) and ($7::text = '' or e.agent = $7)
order by e.seq desc
limit $8`

// sqlHistory for kinds in the index entries_rare. It reads at most a page for each pair of kind and lot
// kind.
const sqlRareHistory = `
select ` + lineFields + `
from unnest($4::smallint[]) as k (kind)
cross join unnest($5::smallint[]) as l (lot_kind)
cross join lateral (
	select * from entries
	where account = $1 and kind in (1, 7, 8) and kind = k.kind and lot_kind = l.lot_kind and seq < $2 and seq >= $3
	order by seq desc
	limit $6
) as e
left join entry_notes as n on n.account = e.account and n.seq = e.seq
order by e.seq desc
limit $6`

const sqlTimeOf = `
select e.at from entries as e where e.account = $1 and e.seq = $2`

const sqlEntry = `
select ` + lineColumns + `where e.account = $1 and e.seq = $2`

const sqlNote = `
select reason, metadata from entry_notes where account = $1 and seq = $2`

// Entries with a reference, newest first. The bounds are row comparisons, so that only the index on
// references provides the order; by its statistics the planner would sometimes scan all entries of the
// account.
const sqlReferenced = `
select ` + lineColumns + `where e.account = $1 and e.reference <> ''
	and (e.reference collate "C", e.seq) < ($2::text, $3::bigint) and (e.reference collate "C", e.seq) >= ($2::text, $4::bigint)
order by e.reference collate "C" desc, e.seq desc
limit $5`

const holdInfoColumns = `h.hold, e.at, h.expires_at, h.outcome, h.amount, h.feature, h.agent, h.quantity, h.unit_price, h.catalog_version,
	h.reference, h.lots, h.lot_amounts, coalesce(n.reason, ''), n.metadata
from holds as h
join entries as e on e.account = h.account and e.seq = h.hold
left join entry_notes as n on n.account = h.account and n.seq = h.hold
`

// Excludes holds that have timed out and are not settled yet.
const sqlListHolds = `
select ` + holdInfoColumns + `where h.account = $1 and h.hold < $2 and h.outcome = 0 and h.expires_at > $3
order by h.hold desc
limit $4`

const sqlReadHold = `
select ` + holdInfoColumns + `where h.account = $1 and h.hold = $2`

// The first entry at or after an instant, by binary search over seq: times never decrease within an
// account.
const sqlSeqAt = `
with recursive search (low, high) as (
	select 1::bigint, a.seq + 1 from ledger_accounts as a where a.account = $1
	union all
	select case when e.at < $2 then (s.low + s.high) / 2 + 1 else s.low end, case when e.at < $2 then s.high else (s.low + s.high) / 2 end
	from search as s
	cross join lateral (
		select at from entries where account = $1 and seq = (s.low + s.high) / 2 limit 1
	) as e
	where s.low < s.high
)
select low from search where low = high`

const sqlBalanceAt = `
select e.balance_after, e.held_after, e.spendable_after from entries as e where e.account = $1 and e.seq = $2`

const sqlUsage = `
select day, feature, agent, amount, quantity, count, returned from usage_days where account = $1 and day >= $2 and day < $3`

const sqlUsageSums = `
select case $4 when 'feature' then feature when 'agent' then agent else to_char(day, 'YYYY-MM-DD') end as name,
	sum(amount)::bigint, sum(quantity)::bigint, sum(count)::bigint, sum(returned)::bigint
from usage_days where account = $1 and day >= $2 and day <= $3
group by name`

// Usage per day of the names that used most, each with its rank, and of all others together with the last
// rank. Today's part is passed as arrays and counts for the ranks.
const sqlUsageSeries = `
with used as (
	select day, case $4 when 'agent' then agent else feature end as name, amount, quantity, count, returned
	from usage_days where account = $1 and day >= $2 and day <= $3
	union all
	select day, name, amount, quantity, count, returned
	from unnest($5::date[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]) as today (day, name, amount, quantity, count, returned)
), ranked as (
	select name, row_number() over (order by sum(amount - returned) desc, name) as place, count(*) over () as names from used group by name
)
select least(r.place, $11), r.names > $11 and r.place >= $11 as rest, min(r.name), u.day,
	sum(u.amount)::bigint, sum(u.quantity)::bigint, sum(u.count)::bigint, sum(u.returned)::bigint
from used as u join ranked as r on r.name = u.name
group by 1, 2, u.day
order by 1, u.day`

const sqlRecentUsage = `
select u.account, u.day, u.feature, sum(u.amount)::bigint, sum(u.quantity)::bigint, sum(u.count)::bigint, sum(u.returned)::bigint,
	case when min(nullif(u.agent, '')) = max(u.agent) then max(u.agent) when max(u.agent) > '' then '*' else '' end,
	case when min(nullif(u.agent, '')) = max(u.agent) then coalesce(max(g.name), '') else '' end
from usage_days as u left join agents as g on g.account = u.account and g.agent = u.agent and u.agent <> ''
where u.account = any($1) and u.day >= $2 and u.day < $3
group by u.account, u.day, u.feature`

// What agents spent since an instant, net of refunds of that work, from the newest $3 entries of each
// account.
const sqlAgentWork = `
with newest as (
	select k.account, e.seq, e.at, e.kind, e.amount, e.about, e.agent <> '' or e.feature = any($4) as counts
	from unnest($1::uuid[]) as k (account)
	cross join lateral (
		select seq, at, kind, amount, about, agent, feature from entries where account = k.account order by seq desc limit $3
	) as e
	where e.at >= $2 and e.kind in (2, 5, 6)
)
select n.account, sum(-n.amount)::bigint, count(*) filter (where n.kind <> 6), min(n.at) filter (where n.kind <> 6)
from newest as n
where n.counts and (n.kind <> 6 or exists (select from newest as w where w.account = n.account and w.seq = n.about and w.counts))
group by n.account`

const sqlTodays = `
select account, today, today_usage from ledger_accounts where account = any($1)`

const sqlAgentNames = `
select agent, name, feature from agents where account = $1 and agent <> '' order by agent limit $2`

const sqlHasAgent = `
select exists (select 1 from agents where account = $1 and agent = $2)`

const sqlHeldByAgents = `
select agent, sum(amount)::bigint from holds where account = $1 and outcome = 0 group by agent`

const sqlHeldByAgentsOf = `
select account, agent, sum(amount)::bigint from holds where account = any($1) and outcome = 0 group by account, agent`

// Filters by no account: each shard returns its own events, and no rule depends on the order between
// accounts.
const sqlOutbox = `
select account, seq, at, kind, data from outbox order by account, seq limit $1`

// Skips events that another server is deleting: waiting could deadlock.
const sqlForgetOutbox = `
with mine as (
	select o.account, o.seq
	from unnest($1::uuid[], $2::bigint[]) as u (account, seq)
	join outbox as o on o.account = u.account and o.seq = u.seq
	where o.account = any($1)
	for update of o skip locked
)
delete from outbox as o using mine where o.account = mine.account and o.seq = mine.seq and o.account = any($1)`

const sqlToday = `
select today, today_usage from ledger_accounts where account = $1`

const sqlDeclined = `
select day, number, at, feature, agent, required, spendable from declined_attempts where account = $1 and day = $2 order by number desc limit $3`

const sqlPurchaseLot = `
select seq from permanent_references where account = $1 and scope = $2 and reference = $3`

// Accounts with something due, oldest first. It filters by no account: each shard uses its index on
// next_due_at. A stale row only means that an account is settled once more.
const sqlDueAccounts = `
select next_due_at, account from ledger_accounts where next_due_at <= $1 and (next_due_at, account) > ($2, $3::uuid)
order by next_due_at, account
limit $4`
