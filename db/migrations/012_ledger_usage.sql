-- Work and what was returned of it stand apart in the rollup, both on the day of the work. Until now a refund was taken off the day on which it
-- was given, so that a day's use could be negative.

alter table usage_days add column returned bigint not null default 0;

-- What arrives for usage_days. The type before it stays for the servers of the version before.
create type usage_day_row as (account uuid, day date, feature text, agent text, amount bigint, quantity bigint, count bigint, returned bigint);

-- The account's row still carries lines from which today's refunds were taken off. What they lack is added here: the two are added up wherever
-- they are read.
insert into usage_days as d (account, day, feature, agent, amount, quantity, count, returned)
select account, day, feature, agent, sum(amount)::bigint, 0, 0, sum(returned)::bigint
from (
    select account, day, feature, agent, amount, 0 as returned from entries where kind = 6
    union all
    select r.account, w.day, w.feature, w.agent, 0, r.amount
    from entries as r
    join entries as w on w.account = r.account and w.seq = r.about
    where r.kind = 6
) as u
group by account, day, feature, agent
on conflict (account, day, feature, agent) do update
set amount = d.amount + excluded.amount, returned = d.returned + excluded.returned;
-- A day on which there was nothing but refunds has nothing left to say.
delete from usage_days where amount = 0 and quantity = 0 and count = 0 and returned = 0;
