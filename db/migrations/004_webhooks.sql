-- Outbound webhooks. Local by nature: endpoints are everybody's, and what goes to them was relayed from the outbox, so these tables stay with the
-- coordinator.

create table webhook_endpoints (
    id               uuid primary key,
    url              text not null,
    kinds            text[] not null, -- empty: all events
    secret           bytea not null,  -- what signs; empty once deleted
    old_secret       bytea not null default '',
    old_secret_until timestamptz,     -- until then the one before signs as well
    created_at       timestamptz not null,
    failing_since    timestamptz,     -- the first failure since the last success
    disabled_at      timestamptz,
    disabled_reason  text not null default '',
    deleted_at       timestamptz
);

-- What POSTs about endpoints were answered, for those that come again.
create table webhook_requests (
    idempotency_key text collate "C" primary key,
    fingerprint     bytea not null,
    answer          jsonb,
    created_at      timestamptz not null
);
create index webhook_requests_created on webhook_requests (created_at);

-- Events that some endpoint wants, for as long as a delivery needs them. The key is what makes an event that comes again change nothing.
create table webhook_events (
    account     uuid not null,
    seq         bigint not null,
    external_id text not null,
    kind        text not null,
    at          timestamptz not null,
    data        jsonb not null,
    stored_at   timestamptz not null,
    primary key (account, seq)
);
create index webhook_events_stored on webhook_events (stored_at);

-- An event on its way to an endpoint, and afterwards the log of that.
create table webhook_deliveries (
    account          uuid not null,
    seq              bigint not null,
    endpoint         uuid not null,
    state            text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
    once             boolean not null default false, -- asked for by hand: tried this once
    attempts         integer not null default 0,
    first_attempt_at timestamptz,
    last_attempt_at  timestamptz,
    last_status      integer not null default 0, -- 0: there was no answer
    last_error       text not null default '',
    created_at       timestamptz not null,
    primary key (account, seq, endpoint)
);
create index webhook_deliveries_next on webhook_deliveries (endpoint, account, seq) where state = 'pending';
create index webhook_deliveries_newest on webhook_deliveries (endpoint, created_at, account, seq);
create index webhook_deliveries_done on webhook_deliveries (created_at) where state <> 'pending';

-- Where something waits: what one endpoint is told of one account goes out in order, so it is one lane, and waits as one.
create table webhook_lanes (
    endpoint uuid not null,
    account  uuid not null,
    next_at  timestamptz not null,
    primary key (endpoint, account)
);
create index webhook_lanes_due on webhook_lanes (endpoint, next_at);
