-- Who may come in. Local by nature: these tables never leave the coordinator.

-- The host's account id, mapped once to the ledger's own uuid, and the creator's profile: the only personal data.
create table accounts (
    external_id     text primary key,
    id              uuid not null unique,
    name            text not null default '',
    email           text not null default '',
    time_zone       text not null default '',
    notice_seen_lot bigint not null default 0,
    created_at      timestamptz not null
);

create table sessions (
    token_hash  bytea primary key,
    account     uuid not null,
    role        text not null check (role in ('creator', 'support')),
    created_at  timestamptz not null,
    seen_at     timestamptz not null, -- to within a few minutes
    expires_at  timestamptz not null
);
create index sessions_account on sessions (account);
create index sessions_expires on sessions (expires_at);
create index sessions_seen on sessions (seen_at);

create table login_links (
    token_hash bytea primary key,
    account    uuid not null,
    next       text not null,
    expires_at timestamptz not null,
    used_at    timestamptz
);
create index login_links_expires on login_links (expires_at);

create table api_keys (
    id         uuid primary key,
    name       text not null,
    prefix     text not null unique, -- the key's public beginning, by which it is looked up
    secret_hash bytea not null check (length(secret_hash) = 32),
    scope      text not null check (scope in ('read', 'spend', 'admin')),
    created_at timestamptz not null,
    revoked_at timestamptz
);

-- Secrets and marks made once at installation, such as the sandbox's signing secret.
create table installation (
    name       text primary key,
    value      text not null,
    created_at timestamptz not null
);
