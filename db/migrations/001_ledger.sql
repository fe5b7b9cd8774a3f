-- The books. Account first in every key; ids and times are made by the app; amounts are millionths of a token.

-- One fixed row per account: what every operation locks, and all that the common charge reads.
create table ledger_accounts (
    account        uuid primary key,
    balance        bigint not null default 0 check (balance >= 0),
    held           bigint not null default 0 check (held >= 0 and held <= balance),
    seq            bigint not null default 0,
    last_at        timestamptz not null,
    next_due_at    timestamptz, -- null: nothing is ever due
    plan           text not null default '',
    next_plan      text not null default '',
    plan_status    text not null default 'active',
    billing_anchor timestamptz not null,
    billing_zone   text not null,
    period         integer not null default -1,
    period_granted bigint not null default 0
);

-- A lot is where tokens come from; its number is the seq of the entry that granted it.
create table lots (
    account      uuid not null,
    lot          bigint not null,
    kind         smallint not null,
    amount       bigint not null check (amount > 0),
    remaining    bigint not null check (remaining >= 0 and remaining <= amount),
    held         bigint not null default 0 check (held >= 0 and held <= remaining),
    priority     smallint not null,
    effective_at timestamptz not null,
    expires_at   timestamptz, -- null: never
    frozen       boolean not null default false,
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
    spendable_after bigint not null check (spendable_after >= 0 and spendable_after <= balance_after),
    contra          smallint not null,
    lot_kind        smallint not null default 0,
    feature         text not null default '',
    agent           text not null default '',
    quantity        bigint not null default 0,
    unit_price      bigint not null default 0,
    catalog_version text not null default '',
    reference       text not null default '',
    day             date not null,
    lots            bigint[] not null,
    lot_amounts     bigint[] not null,
    idempotency_key text,
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

-- Free text beside the books, which erasure may delete.
create table entry_notes (
    account  uuid not null,
    seq      bigint not null,
    reason   text not null default '',
    metadata jsonb,
    primary key (account, seq)
);

-- What was spent per day of the billing zone: exact at every commit, so that no page has to add up entries.
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
