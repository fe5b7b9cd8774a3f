-- E-mails to creators. Local by nature, like jobs: written after what they are about, not with it.

-- Who gets e-mails, and what they were told of their balance last.
create table mail_accounts (
    account         uuid primary key,
    unsubscribed_at timestamptz, -- from e-mails about the balance and agents; receipts go out all the same
    told_at         timestamptz, -- when the last e-mail about the balance or agents went out
    told_level      smallint not null default 0,
    told_paused     boolean not null default false,
    busy_until      timestamptz not null default '-infinity' -- one server writes to one creator at a time
);

-- Events that may be a reason to write. Several may become one e-mail, and many become none.
create table mail_occasions (
    account       uuid not null,
    seq           bigint not null, -- the event's
    at            timestamptz not null,
    kind          text not null,
    agents        text[] not null,
    amount        bigint not null,
    purchase      text not null,
    due_at        timestamptz not null, -- when it is looked at next
    failures      integer not null default 0,
    failing_since timestamptz,
    done_at       timestamptz,
    outcome       text not null default '',
    primary key (account, seq)
);
create index mail_occasions_due on mail_occasions (due_at) where done_at is null;
create index mail_occasions_done on mail_occasions (done_at) where done_at is not null;
