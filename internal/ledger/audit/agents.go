package audit

// Compares the summary in an account's row with its agents.
var agentSumsCheck = check{
	rows: `
	select account, a.account is null as missing, coalesce(a.agents, 0) as agents, coalesce(a.paused_agents, 0) as paused, coalesce(a.guarded, false) as guarded,
		coalesce(a.reserved, 0) as reserved, coalesce(g.agents, 0) as rows_agents, coalesce(g.paused, 0) as rows_paused,
		coalesce(g.guarded, false) as rows_guarded, coalesce(g.reserved, 0) as rows_reserved
	from (select * from ledger_accounts where account between $1 and $2) as a
	full join (
		select account, count(*) filter (where agent <> '') as agents, count(*) filter (where state = 2) as paused, sum(reserve) as reserved,
			bool_or(state <> 0 or budget is not null or reserve > 0) as guarded
		from agents where account between $1 and $2 group by account
	) as g using (account)`,
	rules: []rule{
		must("row, by its agents", "not r.missing", "one", "'none'"),
		same("agents", "r.rows_agents", "r.agents"),
		same("agents that wait for tokens", "r.rows_paused", "r.paused"),
		sameTokens("reserved, by its agents", "r.rows_reserved", "r.reserved"),
		same("guarded, by its agents", "r.rows_guarded", "r.guarded"),
	},
}

// Checks each agent. The row with an empty id holds the reserve for the creator's own tools, and nothing else.
var agentCheck = check{
	place: "'agent ' || coalesce(nullif(r.agent, ''), 'of none')",
	rows: `
	select g.account, g.agent, g.state, g.paused_since, g.turned_away, g.budget, g.reserve, a.last_at
	from agents as g
	left join ledger_accounts as a on a.account = g.account and a.account between $1 and $2
	where g.account between $1 and $2`,
	rules: []rule{
		must("state", "r.state between 0 and 3 and (r.agent <> '' or r.state = 0)",
			"0 to 3, and 0 for the creator", "r.state::text"),
		must("paused since", "(r.state = 0) = (r.paused_since is null)",
			"an instant for one that is paused, else none", "coalesce(r.paused_since::text, 'none')"),
		must("budget and reserve", "coalesce(r.budget, 1) > 0 and r.reserve >= 0 and (r.agent <> '' or r.budget is null)",
			"none below zero, and no budget for the creator",
			"format('%s, %s', "+inTokens("r.budget")+", "+inTokens("r.reserve")+")"),
		must("over its budget", "r.state <> 3 or r.budget is not null", "a budget for one that it has stopped",
			"'none'"),
		must("turned away", "r.turned_away >= 0 and (r.state <> 0 or r.turned_away = 0)", "none while it is on",
			"r.turned_away::text"),
	},
}

// Events are relayed in order, so those in the outbox must be the newest, without a gap, up to the
// account's event_seq.
var eventCheck = check{
	rows: `
	select account, a.account is null as missing, coalesce(a.event_seq, 0) as counted, o.newest, o.oldest, o.waiting
	from (select account, event_seq from ledger_accounts where account between $1 and $2) as a
	full join (
		select account, max(seq) as newest, min(seq) as oldest, count(*) as waiting from outbox where account between $1 and $2 group by account
	) as o using (account)`,
	rules: []rule{
		must("row, by its events", "not r.missing", "one", "'none'"),
		{"newest event", "r.newest <> r.counted", "r.counted::text", "r.newest::text"},
		{
			"events that wait", "r.waiting <> r.newest - r.oldest + 1 or r.oldest < 1",
			"(r.newest - r.oldest + 1)::text || ', from 1 on'", "r.waiting::text || ', from ' || r.oldest",
		},
	},
}
