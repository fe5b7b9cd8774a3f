-- Tokens of a purchase that expired unused before its money went back: nobody owes them.
alter table reversals
    add column lapsed bigint not null default 0 check (lapsed between 0 and amount); -- of the amount

-- The type of the rows of sqlAddReversals; reversal_row stays for servers of the version before.
create type reversal_lapsed_row as (account uuid, seq bigint, amount bigint, lapsed bigint);

-- How much of a purchase has expired, also of what came back of it with a grace.
create index entries_purchase_expired on entries (account, reference) where kind = 7 and lot_kind = 4;
