package audit

// lotsNow is the current state of the lots: that of the open lot is in its account's row. next_due_at is
// when the spendable lots next change, so it determines which are usable.
const lotsNow = `(
		select l.account, l.lot, l.kind, l.amount, l.priority, l.effective_at, l.expires_at, l.frozen, l.is_open, l.taken_back,
			case when a.open_lot = l.lot then a.open_remaining else l.remaining end as remaining,
			case when a.open_lot = l.lot then a.open_held else l.held end as held,
			not l.frozen and l.effective_at < coalesce(a.next_due_at, 'infinity') as usable
		from lots as l
		left join ledger_accounts as a on a.account = l.account and a.account between $1 and $2
		where l.account between $1 and $2
	)`

// Compares an account's row with the sums of its entries, lots, holds and reversals.
var accountCheck = check{
	rows: `
	select account, a.account is null as missing, coalesce(a.balance, 0) as balance, coalesce(a.held, 0) as held, coalesce(a.unusable, 0) as unusable,
		coalesce(a.owed, 0) as owed, coalesce(a.seq, 0) as seq, a.last_at, a.newest_lot, coalesce(a.next_due_at, 'infinity') as due, a.level,
		a.low_threshold::numeric, a.open_lot, a.open_remaining, a.open_held,
		coalesce(e.entries, 0) as entries, coalesce(e.newest, 0) as newest, coalesce(e.newest_at, '-infinity') as newest_at,
		coalesce(e.amount, 0) as amount, coalesce(e.held, 0) as held_delta,
		coalesce(e.issued, 0) + coalesce(e.sold, 0) + coalesce(e.spent, 0) + coalesce(e.expired, 0) + coalesce(e.returned, 0) as contra,
		coalesce(l.remaining, 0) as lots_remaining, coalesce(l.held, 0) as lots_held, coalesce(l.unusable, 0) as lots_unusable, coalesce(l.newest, 0) as lots_newest,
		coalesce(h.held, 0) as holds, coalesce(r.reversed, 0) + coalesce(e.clawed, 0) as lacking, least(l.due, h.due, 'infinity') as due_before
	from (select * from ledger_accounts where account between $1 and $2) as a
	full join (
		select account, count(*) as entries, max(seq) as newest, max(at) as newest_at, sum(amount) as amount, sum(held_delta) as held,
			sum(amount) filter (where contra = 1) as issued, sum(amount) filter (where contra = 2) as sold, sum(amount) filter (where contra = 3) as spent,
			sum(amount) filter (where contra = 4) as expired, sum(amount) filter (where contra = 5) as returned, sum(amount) filter (where kind = 8) as clawed
		from entry group by account
	) as e using (account)
	full join (
		select account, sum(remaining) as remaining, sum(held) as held, sum(remaining - held) filter (where not usable) as unusable,
			min(expires_at) filter (where remaining > held) as due, max(lot) as newest
		from ` + lotsNow + ` as l group by account
	) as l using (account)
	full join (
		select account, sum(amount) as held, min(expires_at) as due from holds where account between $1 and $2 and outcome = 0 group by account
	) as h using (account)
	full join (
		select r.account, sum(r.amount - r.lapsed) as reversed from reversals as r
		join lots as l on l.account = r.account and l.lot = r.seq and l.kind = 4 and l.account between $1 and $2
		where r.account between $1 and $2 group by r.account
	) as r using (account)`,
	rules: []rule{
		must("row", "not r.missing", "one", "'none'"),
		sameTokens("balance, by its entries", "r.amount", "r.balance"),
		sameTokens("balance, by its lots", "r.lots_remaining", "r.balance"),
		sameTokens("balance, by its contra accounts", "r.contra", "r.balance"),
		sameTokens("held, by its entries", "r.held_delta", "r.held"),
		sameTokens("held, by its lots", "r.lots_held", "r.held"),
		sameTokens("held, by its open holds", "r.holds", "r.held"),
		sameTokens("unusable, by its lots", "r.lots_unusable", "r.unusable"),
		sameTokens("owed, by purchases taken back", "r.lacking", "r.owed"),
		same("seq", "r.newest", "r.seq"),
		same("entries", "r.seq", "r.entries"),
		must("amounts", `r.balance >= 0 and r.held between 0 and r.balance and r.unusable between 0 and r.balance - r.held and r.owed >= 0`,
			"none below zero, and no part above its whole", "format('balance %s, held %s, unusable %s, owed %s', "+
				inTokens("r.balance")+", "+inTokens("r.held")+", "+inTokens("r.unusable")+", "+inTokens("r.owed")+
				")"),
		// Only the level by a creator's own threshold; any other depends on the catalog. Held tokens count
		// as if they came back.
		{
			"level", `case r.level when 0 then r.balance - r.unusable < r.low_threshold
				when 1 then 4 * (r.balance - r.unusable - r.low_threshold) >= r.low_threshold end`,
			"format('that of %s at a threshold of %s', " + inTokens("(r.balance - r.unusable)") + ", " +
				inTokens("r.low_threshold") + ")", "r.level::text",
		},
		{
			"open lot's remainder", "not r.missing and not (r.open_held between 0 and r.open_remaining and (r.open_lot <> 0 or r.open_remaining = 0))",
			"'held within what remains, and none without a lot'",
			"format('%s, held %s', " + inTokens("r.open_remaining") + ", " + inTokens("r.open_held") + ")",
		},
		{"last at", "not r.missing and r.last_at < r.newest_at", "'not before ' || r.newest_at", "r.last_at::text"},
		{"newest lot", "r.newest_lot <> r.lots_newest", "r.lots_newest::text", "r.newest_lot::text"},
		{"next due", "not r.missing and r.due > r.due_before", "'not after ' || r.due_before", "r.due::text"},
	},
}

// Compares a lot with its entries and the open holds.
var lotCheck = check{
	place: "'lot ' || r.lot",
	rows: `
	select account, lot, l.account is null as missing, l.kind, coalesce(l.amount, 0) as amount, coalesce(l.remaining, 0) as remaining,
		coalesce(l.held, 0) as held, l.priority, l.is_open, coalesce(l.taken_back, 0) as taken_back, coalesce(-e.taken, 0) as taken,
		coalesce(e.amount, 0) as moved, coalesce(e.granted, 0) as granted, e.kind as granted_kind,
		coalesce(h.amount, 0) as holds
	from ` + lotsNow + ` as l
	full join (
		select account, lot, sum(amount) as amount, sum(amount) filter (where seq = lot) as granted, max(lot_kind) filter (where seq = lot and kind = 1) as kind,
			sum(amount) filter (where kind = 1 and amount < 0) as taken
		from (
			select account, seq, lot, amount, kind, lot_kind from entry where lot <> 0 and kind not in (3, 4)
			union all
			select e.account, e.seq, p.lot, p.amount, e.kind, e.lot_kind from entry as e cross join unnest(e.lots, e.lot_amounts) as p (lot, amount)
			where e.lot = 0 and e.kind not in (3, 4)
		) as part
		group by account, lot
	) as e using (account, lot)
	full join (
		select h.account, p.lot, sum(p.amount) as amount from holds as h cross join unnest(h.lots, h.lot_amounts) as p (lot, amount)
		where h.account between $1 and $2 and h.outcome = 0 group by 1, 2
	) as h using (account, lot)`,
	rules: []rule{
		must("row", "not r.missing", "one", "'none'"),
		sameTokens("amount, by the entry that made it", "r.granted", "r.amount"),
		sameTokens("remaining, by its entries", "r.moved", "r.remaining"),
		sameTokens("held, by the open holds", "r.holds", "r.held"),
		sameTokens("taken back, by its entries", "r.taken", "r.taken_back"),
		must("amounts", "r.amount >= r.remaining and r.remaining >= r.held and r.held >= 0",
			"amount, remaining and held from large to small, not below zero",
			"format('%s, %s, %s', "+inTokens("r.amount")+", "+inTokens("r.remaining")+", "+inTokens("r.held")+")"),
		{
			"kind", "r.kind is distinct from coalesce(r.granted_kind, r.kind) or r.kind not between 1 and 4",
			"coalesce(r.granted_kind, r.kind)::text", "r.kind::text",
		},
		{
			"priority", "r.priority <> case when r.kind = 4 then 200 else 100 end", "'that of its kind'",
			"r.priority::text",
		},
		{"open", "r.is_open <> (r.remaining > 0)", "(r.remaining > 0)::text", "r.is_open::text"},
	},
}

// Checks that the open lot is the first spendable one in burn order.
var openLotCheck = check{
	rows: `
	select a.account, a.open_lot, a.open_remaining > a.open_held as free, f.lot as first,
		case when l.lot is null then 'no lot' when l.frozen then 'a frozen lot' when a.open_remaining = 0 then 'an empty lot'
			when l.effective_at >= coalesce(a.next_due_at, 'infinity') then 'a lot that is not in effect' when l.expires_at <= a.last_at then 'an expired lot' end as wrong
	from ledger_accounts as a
	left join lots as l on l.account = a.account and l.lot = a.open_lot and l.account between $1 and $2
	left join (
		select distinct on (account) account, lot from ` + lotsNow + ` as l where usable and remaining > held
		order by account, priority, expires_at nulls last, lot
	) as f on f.account = a.account
	where a.account between $1 and $2 and a.open_lot <> 0`,
	rules: []rule{
		{"open lot", "r.wrong is not null", "'one that can be spent'", "r.wrong || ', ' || r.open_lot"},
		{
			"open lot, by burn order", "r.free and r.first is distinct from r.open_lot", "r.first::text",
			"r.open_lot::text",
		},
	},
}

// Compares a hold with the entries that created and ended it. Its outcome is the kind of the entry that
// ended it, or 7 after a timeout, which writes a release.
var holdCheck = check{
	place: "'hold ' || r.hold",
	rows: `
	select account, hold, h.account is null as missing, h.amount, h.outcome, h.expires_at, e.made, e.ended, e.ending, e.freed, e.ended_at,
		(select sum(part) from unnest(h.lot_amounts) as part) as parts, h.reference, e.named, x.extended_to
	from (select * from holds where account between $1 and $2) as h
	full join (
		select account, case when kind = 3 then seq else about end as hold, sum(held_delta) filter (where kind = 3) as made,
			count(*) filter (where kind <> 3) as ended, max(kind) filter (where kind <> 3) as ending, sum(held_delta) filter (where kind <> 3) as freed,
			max(at) filter (where kind <> 3) as ended_at, max(reference) filter (where kind = 3) as named
		from rare where kind in (3, 4, 5) group by 1, 2
	) as e using (account, hold)
	left join (
		select account, hold, max(expires_at) as extended_to from hold_extensions where account between $1 and $2 group by 1, 2
	) as x using (account, hold)`,
	rules: []rule{
		must("row", "not r.missing", "one", "'none'"),
		{
			"amount, by its entry", "not r.missing and r.amount is distinct from r.made", inTokens("r.made"),
			inTokens("r.amount"),
		},
		{
			"sum of its lots", "not r.missing and r.amount is distinct from r.parts", inTokens("r.amount"),
			inTokens("r.parts"),
		},
		{
			"entries that ended it", "not r.missing and coalesce(r.ended, 0) <> case when r.outcome = 0 then 0 else 1 end",
			"case when r.outcome = 0 then '0' else '1' end", "coalesce(r.ended, 0)::text",
		},
		{"outcome", "r.outcome <> 0 and r.ending is distinct from case when r.outcome = 7 then 4 else r.outcome end", "r.ending::text", "r.outcome::text"},
		{
			"freed by its end", "r.outcome <> 0 and r.ended = 1 and r.freed is distinct from -r.amount",
			inTokens("(-r.amount)"), inTokens("r.freed"),
		},
		{"reference", "r.reference <> '' and r.reference is distinct from r.named", "r.named", "r.reference"},
		{"end, by its extensions", "r.expires_at < r.extended_to", "r.extended_to::text", "r.expires_at::text"},
		{
			"time of its end", "r.outcome = 7 and r.ended_at < r.expires_at", "'not before ' || r.expires_at",
			"r.ended_at::text",
		},
	},
}

// Compares reversals with the refunds of charges and captures, and with the expired tokens of purchases.
var reversalCheck = check{
	place: "'entry ' || r.seq",
	rows: `
	select r.account, r.seq, coalesce(r.refunded, 0) as refunded, coalesce(r.reversed, 0) as reversed, coalesce(r.lapsed, 0) as lapsed, coalesce(e.kind, 0) as kind,
		e.lot_kind, e.amount, coalesce(x.expired, 0) as expired
	from (
		select * from (select account, about as seq, sum(amount) as refunded from rare where kind = 6 group by 1, 2) as refund
		full join (select account, seq, amount as reversed, lapsed from reversals where account between $1 and $2) as reversal using (account, seq)
	) as r
	left join entry as e on e.account = r.account and e.seq = r.seq
	left join (
		select account, reference, -sum(amount) as expired from rare where kind = 7 and lot_kind = 4 group by 1, 2
	) as x on x.account = r.account and x.reference = e.reference and e.kind = 1`,
	rules: []rule{
		must("what is reversed", "r.kind in (2, 5) or r.kind = 1 and r.lot_kind = 4",
			"a charge, a capture or a purchase", "'kind ' || r.kind"),
		{
			"reversed, by its refunds", "r.kind <> 1 and r.refunded <> r.reversed", inTokens("r.refunded"),
			inTokens("r.reversed"),
		},
		{
			"reversed", "greatest(r.refunded, r.reversed) > abs(r.amount) or r.reversed < 0",
			"'at most ' || " + inTokens("abs(r.amount)"),
			inTokens("greatest(r.refunded, r.reversed)"),
		},
		{
			"lapsed, by what expired", "r.lapsed not between 0 and least(r.reversed, r.expired)",
			"'at most ' || " + inTokens("least(r.reversed, r.expired)"),
			inTokens("r.lapsed"),
		},
	},
}

// Compares a permanent reference with its entry.
var referenceCheck = check{
	place: "format('%s reference %s', r.scope, r.reference)",
	rows: `
	select p.account, p.scope, p.reference, p.seq, e.seq is null as missing, e.kind, e.lot_kind, e.reference as named
	from permanent_references as p
	left join entry as e on e.account = p.account and e.seq = p.seq
	where p.account between $1 and $2`,
	rules: []rule{
		{"entry", "r.missing", "'entry ' || r.seq", "'none'"},
		{
			"what it points to", `not r.missing and case r.scope when 'charge' then r.kind <> 2 when 'purchase' then r.kind <> 1 or r.lot_kind <> 4
			when 'period' then r.kind <> 1 or r.lot_kind <> 1 else false end`, "'an entry of its scope'",
			"format('entry %s of kind %s', r.seq, r.kind)",
		},
		{"reference of its entry", "not r.missing and r.scope in ('charge', 'purchase') and r.named <> r.reference", "r.reference", "r.named"},
	},
}

// Checks that each plan allowance and purchase has one permanent reference.
var onceCheck = check{
	place: "'entry ' || r.seq",
	rows: `
	select e.account, e.seq, count(p.seq) as refs
	from rare as e
	left join permanent_references as p on p.account = e.account and p.seq = e.seq and p.scope in ('period', 'purchase') and p.account between $1 and $2
	where e.kind = 1 and e.lot_kind in (1, 4)
	group by 1, 2`,
	rules: []rule{same("permanent references", "1", "r.refs")},
}
