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
)

// UsageSums adds up what an account has spent. Errors: NotFound, and Meaning for a range that makes no sense.
func (l *Engine) UsageSums(ctx context.Context, account uuid.UUID, q ledger.UsageQuery) (ledger.UsageSums, error) {
	a, err := l.Account(ctx, account)
	if err != nil {
		return ledger.UsageSums{}, err
	}
	if q.Last.IsZero() {
		q.Last = ledger.DayIn(l.now(), a.Zone)
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
	return l.sumUsage(ctx, account, q)
}

// sumUsage reads the days that are over and today's part in one snapshot: at midnight the lines
// move from one to the other.
func (l *Engine) sumUsage(ctx context.Context, account uuid.UUID, q ledger.UsageQuery) (ledger.UsageSums, error) {
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
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return ledger.UsageSums{}, ledger.ErrUnavailable.Wrap(err)
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

// RecentUsage lists the work of each of the accounts, as they were just read, in its last complete
// days by day and feature: up to yesterday in its billing zone, in no order. Accounts without work
// are absent. It is two statements for all of them.
func (l *Engine) RecentUsage(ctx context.Context, accounts []ledger.Account, days int) (map[uuid.UUID][]ledger.RecentUse, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	found, r := map[uuid.UUID][]ledger.RecentUse{}, recentDays(accounts, l.now(), days)
	batch := &pgx.Batch{}
	// One snapshot: at midnight the lines move from the account's row to the table.
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
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, ledger.ErrUnavailable.Wrap(err)
	}
	return found, nil
}

// recent are days that differ between accounts, for it is not the same day everywhere: from is the
// first of all, to the last.
type recent struct {
	ids      []uuid.UUID
	from, to time.Time
	today    map[uuid.UUID]time.Time
	days     int
}

func recentDays(accounts []ledger.Account, now time.Time, days int) recent {
	r := recent{today: make(map[uuid.UUID]time.Time, len(accounts)), days: days}
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

// has says whether a day is one of the account's.
func (r *recent) has(account uuid.UUID, day time.Time) bool {
	today := r.today[account]
	return day.Before(today) && !day.Before(today.AddDate(0, 0, -r.days))
}

// byFeature adds up the lines of one day.
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
