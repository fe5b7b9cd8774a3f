-- The books. Account first in every key; ids and times are made by the app; amounts are millionths of a token.

-- One fixed row per account: what every operation locks, and all that the common charge reads and writes.
create table ledger_accounts (
    account        uuid primary key,
    balance        bigint not null default 0 check (balance >= 0),
    held           bigint not null default 0 check (held >= 0 and held <= balance),
    -- What cannot be spent although it is there and not held: frozen lots, and lots that are not in effect yet.
    unusable       bigint not null default 0 check (unusable >= 0 and unusable <= balance - held),
    owed           bigint not null default 0 check (owed >= 0),
    seq            bigint not null default 0,
    version        bigint not null default 0, -- one more with every write: what a write is conditional on
    last_at        timestamptz not null,
    next_due_at    timestamptz, -- null: nothing is ever due
    newest_lot     bigint not null default 0, -- the highest number of a lot: a higher one means that tokens came
    -- The lot being spent: while it is open its remainder stands here and its own row is behind.
    open_lot       bigint not null default 0,
    open_remaining bigint not null default 0 check (open_remaining >= 0),
    open_held      bigint not null default 0 check (open_held >= 0 and open_held <= open_remaining),
    -- Today's part of the usage rollup and of the declined attempts.
    today          date not null default '0001-01-01',
    today_usage    bytea not null default '',
    today_declined integer not null default 0,
    declined       bigint not null default 0,
    plan           text not null default '',
    next_plan      text not null default '',
    plan_status    text not null default 'active',
    billing_anchor timestamptz not null,
    billing_zone   text not null,
    period         integer not null default -1,
    period_granted bigint not null default 0,
    -- How full it is, and how its agents stand.
    level          smallint not null default 0,
    agents         integer not null default 0,
    paused_agents  integer not null default 0, -- for lack of tokens
    guarded        boolean not null default false, -- an agent is paused, or has a budget or a reserve
    reserved       bigint not null default 0 check (reserved >= 0), -- by all agents
    low_threshold  bigint check (low_threshold >= 0), -- null: the catalog's
    event_seq      bigint not null default 0
) with (fillfactor = 50);
-- For sweeps over idle accounts, the longest due first. The common charge leaves the instant as it is, so its update touches no index.
create index ledger_accounts_due on ledger_accounts (next_due_at, account) where next_due_at is not null;

-- A lot is where tokens come from; its number is the seq of the entry that granted it.
create table lots (
    account      uuid not null,
    lot          bigint not null,
    kind         smallint not null,
    amount       bigint not null check (amount > 0),
    remaining    bigint not null check (remaining >= 0),
    held         bigint not null default 0 check (held >= 0 and held <= remaining),
    priority     smallint not null,
    effective_at timestamptz not null,
    expires_at   timestamptz, -- null: never
    frozen       boolean not null default false,
    revoked      boolean not null default false,
    is_open      boolean not null default true,
    source       text not null,
    primary key (account, lot)
);
create index lots_open on lots (account) where is_open;

-- Append-only: the server's role may insert and read, nothing else (db.Grant).
create table entries (
    account         uuid not null,
    seq             bigint not null,
    at              timestamptz not null,
    kind            smallint not null,
    amount          bigint not null,
    held_delta      bigint not null default 0,
    balance_after   bigint not null check (balance_after >= 0),
    held_after      bigint not null check (held_after >= 0 and held_after <= balance_after),
    spendable_after bigint not null check (spendable_after >= 0 and spendable_after <= balance_after - held_after),
    contra          smallint not null,
    lot_kind        smallint not null default 0,
    feature         text not null default '',
    agent           text not null default '',
    quantity        bigint not null default 0,
    unit_price      bigint not null default 0,
    catalog_version text not null default '',
    reference       text not null default '',
    about           bigint not null default 0, -- the entry that a refund, capture or release is about
    day             date not null,
    lot             bigint not null default 0, -- the one lot that paid or received it all; 0: see lots
    lots            bigint[],
    lot_amounts     bigint[],
    idempotency_key text collate "C", -- compared by byte, whatever the database's locale
    fingerprint     bytea,
    primary key (account, seq)
);
create unique index entries_key on entries (account, idempotency_key) where idempotency_key is not null;

-- What may happen once only, for ever: a plan period's allowance, a purchase, a caller's unique reference.
create table permanent_references (
    account   uuid not null,
    scope     text not null,
    reference text not null,
    seq       bigint not null,
    primary key (account, scope, reference)
);

-- Tokens set aside for jobs; a hold's number is the seq of its entry.
create table holds (
    account         uuid not null,
    hold            bigint not null,
    amount          bigint not null check (amount > 0),
    expires_at      timestamptz not null,
    outcome         smallint not null default 0, -- 0: open; else the kind of the entry that ended it
    feature         text not null,
    agent           text not null,
    quantity        bigint not null,
    unit_price      bigint not null,
    catalog_version text not null,
    lots            bigint[] not null,
    lot_amounts     bigint[] not null,
    primary key (account, hold)
);
create index holds_open on holds (account) where outcome = 0;

-- How much of a charge or capture was given back, or of a purchase taken back, so far.
create table reversals (
    account uuid not null,
    seq     bigint not null,
    amount  bigint not null check (amount > 0),
    primary key (account, seq)
);

-- Free text beside the books, which erasure may delete.
create table entry_notes (
    account  uuid not null,
    seq      bigint not null,
    reason   text not null default '',
    metadata jsonb,
    primary key (account, seq)
);

-- What was spent per day of the billing zone, but for the day that the account row still carries.
create table usage_days (
    account  uuid not null,
    day      date not null,
    feature  text not null,
    agent    text not null,
    amount   bigint not null,
    quantity bigint not null,
    count    bigint not null,
    primary key (account, day, feature, agent)
);

-- Attempts that lacked tokens: they explain a paused agent. Bounded per account and day; the account row counts them all.
create table declined_attempts (
    account   uuid not null,
    day       date not null,
    number    integer not null,
    at        timestamptz not null,
    feature   text not null,
    agent     text not null,
    required  bigint not null,
    spendable bigint not null,
    primary key (account, day, number)
);

-- Agents, by the id that the services call them. The one without an id is the creator, whose reserve is for the creator's own tools.
create table agents (
    account      uuid not null,
    agent        text not null,
    name         text not null default '',
    feature      text not null default '',
    state        smallint not null default 0,
    paused_since timestamptz,
    turned_away  bigint not null default 0, -- requests since then
    unit         bigint not null default 0, -- what the request wanted that made it pause
    resumed_at   timestamptz, -- when it last went on after a pause
    missed       bigint not null default 0, -- requests in that pause
    budget       bigint check (budget > 0), -- tokens a month; null: no limit
    reserve      bigint not null default 0 check (reserve >= 0),
    primary key (account, agent)
);

-- What others are to be told about, in the order in which it happened; relayed and then deleted.
create table outbox (
    account uuid not null,
    seq     bigint not null,
    at      timestamptz not null,
    kind    text not null,
    data    jsonb not null,
    primary key (account, seq)
);

-- Rows on their way in: what a batch writes arrives as one array of such rows for each statement. They are types of their own, and not those of the
-- tables, so that a server of the version before goes on writing while a table has a new column already.
create type account_row as (
    account uuid, version bigint, balance bigint, held bigint, unusable bigint, owed bigint, seq bigint, last_at timestamptz, next_due_at timestamptz,
    newest_lot bigint, open_lot bigint, open_remaining bigint, open_held bigint, today date, today_usage bytea, today_declined integer, declined bigint
);
create type plan_row as (
    account uuid, plan text, next_plan text, plan_status text, billing_anchor timestamptz, billing_zone text, period integer, period_granted bigint
);
create type lot_row as (
    account uuid, lot bigint, kind smallint, amount bigint, remaining bigint, held bigint, priority smallint, effective_at timestamptz,
    expires_at timestamptz, frozen boolean, revoked boolean, is_open boolean, source text
);
create type lot_change_row as (
    account uuid, lot bigint, remaining bigint, held bigint, frozen boolean, revoked boolean, is_open boolean
);
create type entry_row as (
    account uuid, seq bigint, at timestamptz, kind smallint, amount bigint, held_delta bigint, balance_after bigint, held_after bigint,
    spendable_after bigint, contra smallint, lot_kind smallint, feature text, agent text, quantity bigint, unit_price bigint, catalog_version text,
    reference text, about bigint, day date, lot bigint, lots bigint[], lot_amounts bigint[], idempotency_key text, fingerprint bytea
);
create type reference_row as (account uuid, scope text, reference text, seq bigint);
create type hold_row as (
    account uuid, hold bigint, amount bigint, expires_at timestamptz, feature text, agent text, quantity bigint, unit_price bigint,
    catalog_version text, lots bigint[], lot_amounts bigint[]
);
create type hold_end_row as (account uuid, hold bigint, outcome smallint);
create type reversal_row as (account uuid, seq bigint, amount bigint);
create type note_row as (account uuid, seq bigint, reason text, metadata text);
create type usage_row as (account uuid, day date, feature text, agent text, amount bigint, quantity bigint, count bigint);
create type declined_row as (
    account uuid, day date, number integer, at timestamptz, feature text, agent text, required bigint, spendable bigint
);
create type agent_row as (
    account uuid, agent text, name text, feature text, state smallint, paused_since timestamptz, turned_away bigint, unit bigint, budget bigint,
    reserve bigint, resumed_at timestamptz, missed bigint
);
create type guard_row as (
    account uuid, level smallint, agents integer, paused_agents integer, guarded boolean, reserved bigint, low_threshold bigint, event_seq bigint
);
create type outbox_row as (account uuid, seq bigint, at timestamptz, kind text, data text);
