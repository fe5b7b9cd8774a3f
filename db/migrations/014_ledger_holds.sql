-- Holds that can be extended, references that can be looked up, and answers that can be repeated after their consequences.

-- The caller's own name for the job. A capture and a release inherit it.
alter table holds add column reference text not null default '';

-- The last entry that the same request wrote, when it wrote several: a release of an expired lot's tokens also writes their expiry. Null: the entry is
-- the only one, or a server of the version before wrote it. A replay answers the balance after that entry.
alter table entries add column last_seq bigint;

-- An account whose holds were extended: only its requests have to look for their idempotency keys among the extensions.
alter table ledger_accounts add column extended boolean not null default false;

-- Extensions of holds. They move no tokens, so they are no entries; what each one answered stays here for its replays.
create table hold_extensions (
    account         uuid not null,
    idempotency_key text collate "C" not null,
    fingerprint     bytea not null,
    hold            bigint not null,
    at              timestamptz not null,
    expires_at      timestamptz not null, -- of the hold, once extended
    primary key (account, idempotency_key)
);

-- Finds entries by the caller's reference. Partial, so that entries without one cost nothing more.
create index entries_reference on entries (account, reference collate "C", seq) where reference <> '';

-- Rows on their way in, as types of their own: a server of the version before goes on writing entry_row and hold_row.
create type entry_span_row as (
    account uuid, seq bigint, at timestamptz, kind smallint, amount bigint, held_delta bigint, balance_after bigint, held_after bigint,
    spendable_after bigint, contra smallint, lot_kind smallint, feature text, agent text, quantity bigint, unit_price bigint, catalog_version text,
    reference text, about bigint, day date, lot bigint, lots bigint[], lot_amounts bigint[], idempotency_key text, fingerprint bytea, last_seq bigint
);
create type referenced_hold_row as (
    account uuid, hold bigint, amount bigint, expires_at timestamptz, feature text, agent text, quantity bigint, unit_price bigint,
    catalog_version text, lots bigint[], lot_amounts bigint[], reference text
);
create type hold_extension_row as (
    account uuid, idempotency_key text, fingerprint bytea, hold bigint, at timestamptz, expires_at timestamptz
);
