-- Money. Local by nature: a payment event knows the order, not the account, so these tables are not spread by account. What guards
-- the credit itself is in the books: permanent_references (account, 'purchase', purchase).

-- Purchases are our own orders: what a payment is checked against. Price and tokens are those of the catalog at the time of ordering.
create table purchases (
    id               uuid primary key,
    account          uuid not null,
    pack             text not null,
    tokens           bigint not null check (tokens > 0),
    price_minor      bigint not null check (price_minor >= 0),
    currency         text not null check (currency ~ '^[A-Z]{3}$'),
    catalog_version  text not null,
    lot_expires_days integer not null default 0, -- 0: the tokens never expire
    status           text not null check (status in ('pending', 'processing', 'completed', 'failed', 'expired', 'refunded', 'disputed')),
    provider         text not null,
    provider_session text unique, -- null until the provider has answered
    checkout_url     text not null default '',
    return_path      text not null default '',
    paid_minor       bigint, -- after tax and discounts; null until paid
    card             text not null default '',
    idempotency_key  text not null,
    fingerprint      bytea not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    unique (account, idempotency_key)
);
create index purchases_newest on purchases (account, created_at, id);

-- The inbox of payment events: what arrived, and whether it is dealt with for good.
create table payment_events (
    id           text primary key,
    kind         text not null,
    body_hash    bytea not null,
    received_at  timestamptz not null,
    processed_at timestamptz
);

-- The sandbox provider's own books, apart from ours as Stripe's would be.
create table sandbox_sessions (
    id               text primary key,
    idempotency_key  text not null unique,
    client_reference text not null,
    amount_minor     bigint not null,
    currency         text not null,
    description      text not null,
    success_url      text not null,
    cancel_url       text not null,
    status           text not null default 'open' check (status in ('open', 'complete', 'expired')),
    payment_status   text not null default 'unpaid' check (payment_status in ('unpaid', 'paid')),
    card             text not null default '',
    declines         integer not null default 0,
    created_at       timestamptz not null,
    expires_at       timestamptz not null
);
create index sandbox_sessions_open on sandbox_sessions (expires_at) where status = 'open';

create table sandbox_events (
    id              text primary key,
    body            text not null,
    created_at      timestamptz not null,
    attempts        integer not null default 0,
    next_attempt_at timestamptz not null,
    delivered_at    timestamptz
);
create index sandbox_events_due on sandbox_events (next_attempt_at) where delivered_at is null;
