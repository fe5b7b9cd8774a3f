package ledger

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// UsageBy says what a sum of usage is about.
type UsageBy string

// The three ways to add usage up.
const (
	ByFeature UsageBy = "feature"
	ByAgent   UsageBy = "agent"
	ByDay     UsageBy = "day"
)

// UsageQuery asks what was spent in a range of days of the billing zone, First and Last included,
// each as midnight UTC of the date. Zero Last is today, zero First the thirtieth day up to Last.
type UsageQuery struct {
	By          UsageBy
	First, Last time.Time
}

// UsageSum is the work on one feature, by one agent or on one day, and what was returned of that work.
type UsageSum struct {
	Name     string        // of the feature or agent, empty for no agent; or the date
	Amount   tokens.Amount // what the work cost
	Quantity int64         // units
	Count    int64         // charges and captures
	Returned tokens.Amount // of Amount, by refunds: at most all of it
}

// Net is what the work cost in the end, never below zero; see Usage.Net.
func (s *UsageSum) Net() tokens.Amount { return max(0, s.Amount-s.Returned) }

func (s *UsageSum) add(more UsageSum) {
	s.Amount += more.Amount
	s.Quantity += more.Quantity
	s.Count += more.Count
	s.Returned += more.Returned
}

// UsageSums are sums over a range of days and what they add up to: days in their order, features
// and agents by what they cost in the end, most first.
type UsageSums struct {
	First, Last time.Time
	Sums        []UsageSum
	Total       UsageSum
}

// Bounds on the days of one query.
const (
	MaxUsageDays     = 400
	defaultUsageDays = 30
)

// UsageSums adds up what an account has spent. Errors: NotFound, and Meaning for a range that makes no sense.
func (l *Ledger) UsageSums(ctx context.Context, account uuid.UUID, q UsageQuery) (UsageSums, error) {
	a, err := l.Account(ctx, account)
	if err != nil {
		return UsageSums{}, err
	}
	if q.Last.IsZero() {
		q.Last = dayIn(l.now(), a.Zone)
	}
	if q.First.IsZero() {
		q.First = q.Last.AddDate(0, 0, 1-defaultUsageDays)
	}
	switch days := q.Last.Sub(q.First)/(24*time.Hour) + 1; {
	case days < 1:
		return UsageSums{}, problem.Invalid("from", "must not be after to")
	case days > MaxUsageDays:
		return UsageSums{}, problem.Invalid("from", "must be at most %d days before to", MaxUsageDays-1)
	}
	return l.sumUsage(ctx, account, q)
}

// sumUsage reads the days that are over and today's part in one snapshot: at midnight the lines
// move from one to the other.
func (l *Ledger) sumUsage(ctx context.Context, account uuid.UUID, q UsageQuery) (UsageSums, error) {
	byName := map[string]*UsageSum{}
	add := func(s UsageSum) {
		if known := byName[s.Name]; known != nil {
			known.add(s)
			return
		}
		byName[s.Name] = &s
	}
	batch := &pgx.Batch{}
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlUsageSums, account, q.First, q.Last, string(q.By)).Query(func(rows pgx.Rows) error {
		var s UsageSum
		_, err := pgx.ForEachRow(rows, []any{&s.Name, &s.Amount, &s.Quantity, &s.Count, &s.Returned}, func() error {
			add(s)
			return nil
		})
		return err
	})
	batch.Queue(sqlToday, account).Query(func(rows pgx.Rows) error {
		today, err := readToday(rows)
		for _, u := range today.usages() {
			if !u.Day.Before(q.First) && !u.Day.After(q.Last) {
				add(UsageSum{u.name(q.By), u.Amount, u.Quantity, u.Count, u.Returned})
			}
		}
		return err
	})
	batch.Queue("commit")
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return UsageSums{}, ErrUnavailable.Wrap(err)
	}
	return q.order(byName), nil
}

func (q UsageQuery) order(byName map[string]*UsageSum) UsageSums {
	out := UsageSums{First: q.First, Last: q.Last}
	for _, s := range byName {
		out.Sums = append(out.Sums, *s)
		out.Total.add(*s)
	}
	slices.SortFunc(out.Sums, func(a, b UsageSum) int {
		if q.By == ByDay {
			return cmp.Compare(a.Name, b.Name)
		}
		return cmp.Or(cmp.Compare(b.Net(), a.Net()), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (u *Usage) name(by UsageBy) string {
	switch by {
	case ByFeature:
		return u.Feature
	case ByAgent:
		return u.Agent
	default:
		return u.Day.Format(time.DateOnly)
	}
}

// SeveralAgents stands for the id of an agent in a sum of the work of more than one.
const SeveralAgents = "*"

// RecentUse is the work of a day on one feature, by all: its Agent is the one agent that did some
// of it, SeveralAgents, or empty.
type RecentUse struct {
	Usage
	AgentName string // what the creator calls that one agent, if it was known when the day was over
}

// RecentUsage lists the work of each of the accounts, as they were just read, in its last complete
// days by day and feature: up to yesterday in its billing zone, in no order. Accounts without work
// are absent. It is two statements for all of them.
func (l *Ledger) RecentUsage(ctx context.Context, accounts []Account, days int) (map[uuid.UUID][]RecentUse, error) {
	if len(accounts) == 0 {
		return nil, nil
	}
	found, r := map[uuid.UUID][]RecentUse{}, recentDays(accounts, l.now(), days)
	batch := &pgx.Batch{}
	// One snapshot: at midnight the lines move from the account's row to the table.
	batch.Queue("begin isolation level repeatable read read only")
	batch.Queue(sqlRecentUsage, r.ids, r.from, r.to).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		var u RecentUse
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
		var t today
		var lines []byte
		_, err := pgx.ForEachRow(rows, []any{&id, &t.day, &lines}, func() (err error) {
			if t.lines, err = DecodeToday(lines); err == nil && r.has(id, t.day) {
				found[id] = append(found[id], byFeature(t.usages())...)
			}
			return err
		})
		return err
	})
	batch.Queue("commit")
	if err := l.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, ErrUnavailable.Wrap(err)
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

func recentDays(accounts []Account, now time.Time, days int) recent {
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
func byFeature(list []Usage) []RecentUse {
	agents := map[string]string{}
	for i := range list {
		u := &list[i]
		switch known := agents[u.Feature]; {
		case known == "" || u.Agent == "":
			agents[u.Feature] = cmp.Or(known, u.Agent)
		case known != u.Agent:
			agents[u.Feature] = SeveralAgents
		}
		u.Agent = ""
	}
	var sums []RecentUse
	for _, u := range sumUsage(list) {
		u.Agent = agents[u.Feature]
		sums = append(sums, RecentUse{Usage: u})
	}
	return sums
}
