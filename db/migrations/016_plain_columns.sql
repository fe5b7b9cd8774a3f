-- Columns for what was the sign of a number. Servers of the version before still write the signs, so
-- both are read.

-- Whether the notice that the creator dismissed last was the early one, after which the low notice still comes.
alter table accounts add column notice_seen_early boolean not null default false;
update accounts set notice_seen_lot = -notice_seen_lot, notice_seen_early = true where notice_seen_lot < 0;

-- What a notification is about: an event of the ledger, or a top-up that stopped. With it, seq is the
-- event's number or the instant in microseconds (negative in rows of the version before, which also
-- needs the primary key).
alter table mail_occasions add column source text not null default 'ledger' check (source in ('ledger', 'topup'));
update mail_occasions set source = 'topup' where seq < 0;
create unique index mail_occasions_source on mail_occasions (account, source, seq);
