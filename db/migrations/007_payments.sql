-- What happens to a purchase after it was ordered: money that goes back, and what became of it in the books.

alter table purchases
    add column payment        text unique, -- the provider's id of it; null until it is known, and where no money was needed
    add column customer       text not null default '', -- who the provider knows the buyer as, when it was ordered
    add column keep_method    boolean not null default false,
    add column owed           bigint not null default 0 check (owed >= 0), -- tokens that were owed when it was ordered
    add column completed_at   timestamptz,
    add column ask_at         timestamptz, -- when the provider is asked next, while the outcome is open
    -- What is known of money that went back. Each change counts the version up; what the books were made to say is of the version applied.
    add column refunded_minor bigint not null default 0 check (refunded_minor >= 0),
    add column taken_back     boolean not null default false, -- a purchase that cost nothing was given back
    add column version        bigint not null default 0,
    add column applied        bigint not null default 0;
update purchases set ask_at = updated_at where status in ('pending', 'processing');
update purchases set completed_at = updated_at where paid_minor is not null;
create index purchases_open on purchases (ask_at) where status in ('pending', 'processing');
create index purchases_unapplied on purchases (updated_at) where applied < version;

create table purchase_disputes (
    id           text primary key, -- the provider's
    purchase     uuid not null,
    state        text not null check (state in ('open', 'won', 'lost')),
    amount_minor bigint not null,
    at           timestamptz not null
);
create index purchase_disputes_of on purchase_disputes (purchase);

-- Refunds that were asked for here. One that is open is carried out by whoever comes by; one that is refused is deleted.
create table purchase_refunds (
    id              uuid primary key, -- the provider's idempotency key
    purchase        uuid not null,
    account         uuid not null,
    amount_minor    bigint not null check (amount_minor >= 0),
    reason          text not null,
    untouched       boolean not null, -- only if nothing was spent of it
    idempotency_key text not null,
    fingerprint     bytea not null,
    created_at      timestamptz not null,
    done_at         timestamptz,
    unique (account, idempotency_key)
);
create index purchase_refunds_open on purchase_refunds (created_at) where done_at is null;
create index purchase_refunds_of on purchase_refunds (purchase) where done_at is null;

-- Who an account is at a provider, and what can be charged there again.
create table payment_customers (
    account  uuid not null,
    provider text not null,
    customer text not null,
    method   text not null default '',
    primary key (account, provider)
);

-- How far the provider's own list of events was compared with the inbox: all before since was, and what lies between since and until from the
-- newest down to after.
create table payment_walks (
    provider text primary key,
    since    timestamptz not null,
    until    timestamptz,
    after    text not null default ''
);

-- An event that was fetched has no body as it came over the wire.
alter table payment_events alter column body_hash drop not null;

alter table sandbox_sessions
    add column payment        text unique,
    add column total_minor    bigint, -- after discounts; null: the amount
    add column failed         boolean not null default false,
    add column refunded_minor bigint not null default 0 check (refunded_minor >= 0),
    add column dispute        text not null default '' check (dispute in ('', 'open', 'won', 'lost')),
    add column customer       text not null default '',
    drop constraint sandbox_sessions_payment_status_check,
    add check (payment_status in ('unpaid', 'paid', 'no_payment_required')),
    add check (refunded_minor <= coalesce(total_minor, amount_minor));
update sandbox_sessions set payment = 'pi_' || substr(id, 9) where payment_status = 'paid';

create table sandbox_refunds (
    idempotency_key text primary key,
    session         text not null,
    amount_minor    bigint not null check (amount_minor > 0)
);

alter table sandbox_events add column copies integer not null default 0; -- how often it is sent again after it arrived
create index sandbox_events_newest on sandbox_events (created_at, id);
