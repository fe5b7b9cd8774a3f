package engine

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// UsageSums sums up an account's usage. Errors: ErrNoAccount, kinds Unprocessable (invalid range) and
// Unavailable.
func (e *Engine) UsageSums(ctx context.Context, account uuid.UUID, q ledger.UsageQuery) (ledger.UsageSums, error) {
	a, err := e.Account(ctx, account)
	if err != nil {
		return ledger.UsageSums{}, err
	}
	if q.Last.IsZero() {
		q.Last = ledger.DayIn(e.now(), a.BillingZone)
	}
	if q.First.IsZero() {
		q.First = q.Last.AddDate(0, 0, 1-ledger.DefaultUsageDays)
	}
	switch days := q.Last.Sub(q.First)/(24*time.Hour) + 1; {
	case days < 1:
		return ledger.UsageSums{}, problem.Invalid("from", "must not be after to")
	case days > ledger.MaxUsageDays:
		return ledger.UsageSums{}, problem.Invalid("from", "must be at most %d days before to", ledger.MaxUsageDays-1)
	}
	return e.sumUsage(ctx, account, q)
}

// sumUsage reads past days and today in one snapshot, since lines move between them at midnight.
func (e *Engine) sumUsage(ctx context.Context, account uuid.UUID, q ledger.UsageQuery) (ledger.UsageSums, error) {
	byName := map[string]*ledger.UsageSum{}
	add := func(s ledger.UsageSum) {
		if known := byName[s.Name]; known != nil {
			known.Add(s)
			return
		}
		byName[s.Name] = &s
	}
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlUsageSums, account, q.First, q.Last, string(q.By)).Query(func(rows pgx.Rows) error {
		var s ledger.UsageSum
		_, err := pgx.ForEachRow(rows, []any{&s.Name, &s.Amount, &s.Quantity, &s.Count, &s.Returned}, func() error {
			add(s)
			return nil
		})
		return err
	})
	batch.Queue(sqlToday, account).Query(func(rows pgx.Rows) error {
		today, err := readToday(rows)
		for _, u := range today.Usages() {
			if !u.Day.Before(q.First) && !u.Day.After(q.Last) {
				add(ledger.UsageSum{
					Name:     usageName(&u, q.By),
					Amount:   u.Amount,
					Quantity: u.Quantity,
					Count:    u.Count,
					Returned: u.Returned,
				})
			}
		}
		return err
	})
	batch.Queue("commit")
	if err := e.pool.SendBatch(ctx, batch).Close(); err != nil {
		return ledger.UsageSums{}, problem.Unavailable(err)
	}
	return orderUsage(q, byName), nil
}

func orderUsage(q ledger.UsageQuery, byName map[string]*ledger.UsageSum) ledger.UsageSums {
	out := ledger.UsageSums{First: q.First, Last: q.Last}
	for _, s := range byName {
		out.Sums = append(out.Sums, *s)
		out.Total.Add(*s)
	}
	slices.SortFunc(out.Sums, func(a, b ledger.UsageSum) int {
		if q.By == ledger.ByDay {
			return cmp.Compare(a.Name, b.Name)
		}
		return cmp.Or(cmp.Compare(b.Net(), a.Net()), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func usageName(u *ledger.Usage, by ledger.UsageBy) string {
	switch by {
	case ledger.ByFeature:
		return u.Feature
	case ledger.ByAgent:
		return u.Agent
	default:
		return u.Day.Format(time.DateOnly)
	}
}

// RecentUsage lists the usage of each account, as just read, by day and feature for its last complete days,
// up to yesterday in its billing zone, in no order. Accounts without usage are absent. It runs two
// statements for all accounts. Kind Unavailable.
func (e *Engine) RecentUsage(
	ctx context.Context,
	accounts []ledger.Account,
	days int,
) (map[uuid.UUID][]ledger.RecentUse, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	found, r := map[uuid.UUID][]ledger.RecentUse{}, newRecentRange(accounts, e.now(), days)
	batch := &pgx.Batch{}
	// One snapshot, since lines move from the account's row to the table at midnight.
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlRecentUsage, r.ids, r.from, r.to).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var u ledger.RecentUse
		_, err := pgx.ForEachRow(rows, []any{
			&id, &u.Day, &u.Feature, &u.Amount, &u.Quantity, &u.Count,
			&u.Returned, &u.Agent, &u.AgentName,
		}, func() error {
			if r.has(id, u.Day) {
				found[id] = append(found[id], u)
			}
			return nil
		})
		return err
	})
	batch.Queue(sqlTodays, r.ids).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var t ledger.Today
		var lines []byte
		_, err := pgx.ForEachRow(rows, []any{&id, &t.Day, &lines}, func() (err error) {
			if t.Lines, err = ledger.DecodeToday(lines); err == nil && r.has(id, t.Day) {
				found[id] = append(found[id], byFeature(t.Usages())...)
			}
			return err
		})
		return err
	})
	batch.Queue("commit")
	if err := e.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, problem.Unavailable(err)
	}
	return found, nil
}

// recentRange is a range of days per account, since the date depends on the billing zone. from and to span
// all of them.
type recentRange struct {
	ids      []uuid.UUID
	from, to time.Time
	today    map[uuid.UUID]time.Time
	days     int
}

func newRecentRange(accounts []ledger.Account, now time.Time, days int) recentRange {
	r := recentRange{today: make(map[uuid.UUID]time.Time, len(accounts)), days: days}
	for i := range accounts {
		a := &accounts[i]
		day := a.Day(now)
		if r.ids = append(r.ids, a.ID); r.to.Before(day) {
			r.to = day
		}
		if first := day.AddDate(0, 0, -days); r.from.IsZero() || first.Before(r.from) {
			r.from = first
		}
		r.today[a.ID] = day
	}
	return r
}

// has reports whether a day is in the account's range.
func (r *recentRange) has(account uuid.UUID, day time.Time) bool {
	today := r.today[account]
	return day.Before(today) && !day.Before(today.AddDate(0, 0, -r.days))
}

// byFeature sums up the lines of one day by feature.
func byFeature(list []ledger.Usage) []ledger.RecentUse {
	agents := map[string]string{}
	for i := range list {
		u := &list[i]
		switch known := agents[u.Feature]; {
		case known == "" || u.Agent == "":
			agents[u.Feature] = cmp.Or(known, u.Agent)
		case known != u.Agent:
			agents[u.Feature] = ledger.SeveralAgents
		}
		u.Agent = ""
	}
	var sums []ledger.RecentUse
	for _, u := range addUpUsage(list) {
		u.Agent = agents[u.Feature]
		sums = append(sums, ledger.RecentUse{Usage: u})
	}
	return sums
}

func compareUsage(a, b ledger.Usage) int {
	return cmp.Or(a.Day.Compare(b.Day), cmp.Compare(a.Feature, b.Feature), cmp.Compare(a.Agent, b.Agent))
}

// Usage lists usage from one day to before another, both as midnight UTC, oldest first. Kind Unavailable.
func (e *Engine) Usage(ctx context.Context, account uuid.UUID, from, to time.Time) ([]ledger.Usage, error) {
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	var list []ledger.Usage
	add := func(rows pgx.Rows) error {
		for rows.Next() {
			var u ledger.Usage
			if err := rows.Scan(&u.Day, &u.Feature, &u.Agent, &u.Amount, &u.Quantity, &u.Count,
				&u.Returned); err != nil {
				return err
			}
			list = append(list, u)
		}
		return rows.Err()
	}
	batch.Queue(sqlUsage, account, from, to).Query(add)
	batch.Queue(sqlToday, account).Query(func(rows pgx.Rows) error {
		today, err := readToday(rows)
		if !today.Day.Before(from) && today.Day.Before(to) {
			list = append(list, today.Usages()...)
		}
		return err
	})
	batch.Queue("commit")
	if err := e.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, problem.Unavailable(err)
	}
	return addUpUsage(list), nil
}

func readToday(rows pgx.Rows) (ledger.Today, error) {
	var t ledger.Today
	for rows.Next() {
		var usage []byte
		if err := rows.Scan(&t.Day, &usage); err != nil {
			return ledger.Today{}, err
		}
		var err error
		if t.Lines, err = ledger.DecodeToday(usage); err != nil {
			return ledger.Today{}, err
		}
	}
	return t, rows.Err()
}

// addUpUsage merges lines of one day, feature and agent: some of today's may have moved to the table.
func addUpUsage(list []ledger.Usage) []ledger.Usage {
	slices.SortFunc(list, func(a, b ledger.Usage) int {
		return compareUsage(a, b)
	})
	var sums []ledger.Usage
	for _, u := range list {
		if last := len(sums) - 1; last >= 0 && compareUsage(sums[last], u) == 0 {
			sums[last].Amount += u.Amount
			sums[last].Quantity += u.Quantity
			sums[last].Count += u.Count
			sums[last].Returned += u.Returned
			continue
		}
		sums = append(sums, u)
	}
	return sums
}

// SpentThisPeriod is the net cost of work since Account.PeriodStart. Kind Unavailable.
func (e *Engine) SpentThisPeriod(ctx context.Context, a ledger.Account) (tokens.Amount, error) {
	now := e.now()
	list, err := e.Usage(ctx, a.ID, a.PeriodStart(now), ledger.DayIn(now, a.BillingZone).AddDate(0, 0, 1))
	if err != nil {
		return 0, err
	}
	var spent tokens.Amount
	for i := range list {
		spent += list[i].Net()
	}
	return spent, nil
}
