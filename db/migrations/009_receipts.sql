-- Receipts. What the provider has put on the bill of a purchase: who bought it, and which taxes are in it. Personal data, so apart from the
-- purchases, whose rows stay when somebody is erased. There is a row for each purchase that was credited, before anything is known.
create table purchase_bills (
    purchase uuid primary key,
    account  uuid not null,
    bill     jsonb, -- null until the provider has told
    since    timestamptz not null, -- from when on it is asked after
    ask_at   timestamptz, -- when the provider is asked next; null: never again, but by the page
    asked_at timestamptz,
    read_at  timestamptz
);
create index purchase_bills_wanted on purchase_bills (ask_at) where bill is null and ask_at is not null;
create index purchase_bills_of on purchase_bills (account);
insert into purchase_bills (purchase, account, since, ask_at) select id, account, now(), now() from purchases where completed_at is not null;

alter table sandbox_sessions
    add column company   text not null default '',
    add column tax_id    text not null default '',
    add column tax_minor bigint not null default 0 check (tax_minor >= 0); -- on top of the amount
