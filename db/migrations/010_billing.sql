-- What a creator agreed to for auto top-up, beside pack, price and currency. It is what they agreed to at agreed_at: a row whose changed_at is another
-- instant was saved by a server of the version before, and what it sold then is looked up in the catalog.
alter table topups
    add column agreed_tokens       bigint check (agreed_tokens > 0),
    add column agreed_expires_days integer check (agreed_expires_days >= 0), -- 0: the tokens never expire
    add column agreed_at           timestamptz;

-- The secret of an answer about a webhook endpoint stands apart from the answer, so that it can be encrypted, and deleted with its endpoint. An answer of
-- before, or of a server of the version before, has it inside.
alter table webhook_requests
    add column endpoint uuid,
    add column secret   bytea; -- null: none, or deleted
create index webhook_requests_secret on webhook_requests (endpoint) where secret is not null;
