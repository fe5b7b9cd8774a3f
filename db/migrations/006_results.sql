-- What work brought in, as the services report it: a sale, a message that was answered. Account first in every key, as in the books.
create table results (
    account         uuid not null,
    id              uuid not null,
    at              timestamptz not null,
    month           date not null, -- the first day of its calendar month in the billing zone
    agent           text not null, -- empty: work without an agent
    kind            text not null,
    charge          bigint not null, -- the seq of the charge or capture that it comes from; 0: not said
    count           bigint not null check (count >= 0),
    money_minor     bigint not null check (money_minor >= 0),
    currency        text not null check (currency ~ '^([A-Z]{3})?$'), -- empty: no money
    idempotency_key text collate "C" not null,
    fingerprint     bytea not null,
    primary key (account, id),
    unique (account, idempotency_key)
);

-- The sums of a month, exact at every commit.
create table result_sums (
    account     uuid not null,
    month       date not null,
    agent       text not null,
    kind        text not null,
    currency    text not null,
    reports     bigint not null,
    count       bigint not null,
    money_minor bigint not null,
    primary key (account, month, agent, kind, currency)
);
