-- One space of idempotency keys per account, whatever the call; tokens that are taken back; accounts that are closed.

-- Keys of calls that write no entry: purchases, refunds of purchases, results. The keys of calls that write one stand in entries. A key is added while
-- the account's row is locked, after a look into entries, so it is in one of the two tables at most.
create table claimed_keys (
    account         uuid not null,
    idempotency_key text collate "C" not null,
    fingerprint     bytea not null,
    primary key (account, idempotency_key)
);

alter table ledger_accounts
    add column claims    boolean not null default false, -- there are rows in claimed_keys; the version was raised when the first one came
    add column closed_at timestamptz; -- null: open

create type closing_row as (account uuid, closed_at timestamptz);

-- What support took back of a lot: it counts as gone, so a refund of the lot's purchase does not make it a debt.
alter table lots add column taken_back bigint not null default 0 check (taken_back >= 0 and taken_back <= amount);
create type lot_taken_row as (account uuid, lot bigint, taken_back bigint);

insert into claimed_keys (account, idempotency_key, fingerprint)
    select account, idempotency_key, fingerprint from purchases where not auto on conflict do nothing;
insert into claimed_keys (account, idempotency_key, fingerprint)
    select account, idempotency_key, fingerprint from purchase_refunds on conflict do nothing;
insert into claimed_keys (account, idempotency_key, fingerprint)
    select account, idempotency_key, fingerprint from results on conflict do nothing;
update ledger_accounts as a set claims = true, version = version + 1
    where exists (select from claimed_keys as k where k.account = a.account);

-- What a refund of a purchase was answered with, for those that come again; null until it was answered.
alter table purchase_refunds add column answer jsonb;
