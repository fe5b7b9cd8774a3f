package audit

// Compares each extension with its hold and account, and checks that its key is unique.
var extensionCheck = check{
	place: "'extension of hold ' || r.hold",
	rows: `
	select x.account, x.hold, x.expires_at, h.expires_at as ends, h.account is null as missing, coalesce(a.extended, false) as marked,
		e.seq is not null as taken
	from hold_extensions as x
	left join holds as h on h.account = x.account and h.hold = x.hold and h.account between $1 and $2
	left join ledger_accounts as a on a.account = x.account and a.account between $1 and $2
	left join entry as e on e.account = x.account and e.key_hash = hashtextextended(x.idempotency_key, 0)
	where x.account between $1 and $2`,
	rules: []rule{
		{"hold", "r.missing", "'one'", "'none'"},
		{"end", "r.expires_at > r.ends", "'not after ' || r.ends", "r.expires_at::text"},
		must("account's mark", "r.marked", "extended", "'not extended'"),
		{"idempotency key", "r.taken", "'used once'", "'used by an entry as well'"},
	},
}

// Checks entries whose request wrote further ones: expiries and clawbacks of freed tokens.
var spanCheck = check{
	place: "'entry ' || r.seq",
	rows: `
	select e.account, e.seq, e.last_seq, f.followers
	from rare as e
	cross join lateral (
		select count(*) as followers from entries
		where account = e.account and seq > e.seq and seq <= e.last_seq and kind in (7, 8) and idempotency_key is null
	) as f
	where e.last_seq is not null`,
	rules: []rule{
		must("last entry of its request", "r.last_seq > r.seq", "a later one", "r.last_seq::text"),
		{
			"entries of its request", "r.followers <> r.last_seq - r.seq",
			"'expiries and clawbacks up to ' || r.last_seq", "r.followers || ' of them'",
		},
	},
}
