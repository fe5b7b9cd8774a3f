-- Auto top-up: purchases that are charged to a method that is kept, without the buyer.

alter table purchases
    add column auto       boolean not null default false,
    add column method     text not null default '', -- what an auto purchase is charged to, at the provider
    add column most_minor bigint not null default 0, -- what may be taken for an auto purchase, tax included
    add column failure    text not null default ''; -- why the money did not come, as far as that is known
-- At most one under way for each account, whoever starts them and however many at a time.
create unique index purchases_one_auto on purchases (account) where auto and status in ('pending', 'processing');
create index purchases_auto on purchases (account, created_at) where auto;

alter table payment_customers add column card text not null default ''; -- what the method is called: "Visa 4242"

-- What creators have set. A row that was stopped is off, and says why until its creator has dealt with it.
create table topups (
    account     uuid primary key,
    enabled     boolean not null,
    threshold   bigint not null check (threshold > 0),
    pack        text not null,
    price_minor bigint not null check (price_minor > 0), -- what the pack cost when its creator agreed to it
    currency    text not null,
    times       integer not null check (times between 1 and 30), -- a month, at most
    limit_minor bigint not null check (limit_minor > 0), -- a month, at most
    changed_at  timestamptz not null, -- by the creator
    stopped     text not null default '', -- why it is off: declined, authentication, price, pack, returned, owed; empty: its creator wants it so
    stopped_at  timestamptz,
    purchase    uuid, -- the attempt that stopped it
    told_at     timestamptz, -- when an e-mail about that was ordered
    check ((stopped <> '') = (stopped_at is not null)),
    check (not enabled or stopped = '')
);
create index topups_enabled on topups (account) where enabled;
create index topups_untold on topups (account) where stopped <> '' and told_at is null;

-- The sandbox's: what it keeps of buyers who agreed to that, and charges without a page, which are sessions that were never open.
create table sandbox_methods (
    id       text primary key,
    customer text not null,
    card     text not null
);
alter table sandbox_sessions
    add column keep_method boolean not null default false,
    add column method      text not null default '', -- what is kept, or what was charged
    add column reason      text not null default ''; -- why a charge failed, in Stripe's words
