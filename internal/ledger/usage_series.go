package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// MaxSeries bounds the series of a UsageSeries: an account may have a thousand agents, and nobody
// can tell so many colours apart.
const MaxSeries = 8

// Series is what one feature or agent used on each day of a UsageSeries.
type Series struct {
	// UsageSum is the whole range. Its name is empty for work without an agent, and for the rest.
	UsageSum
	// Rest is set for all features or agents together that have no series of their own; it comes last.
	Rest bool
	// Days holds what the work of each day from UsageSeries.First to Last cost in the end, in
	// millionths of a token: never below zero.
	Days []tokens.Amount
}

// UsageSeries is what an account used per day of its billing zone: the features or agents that used
// most, most first, and the rest.
type UsageSeries struct {
	First, Last time.Time // midnight UTC of the dates; Last is today
	Series      []Series  // at most MaxSeries
	Total       UsageSum
}

// UsageSeries reads what an account as it was just read used on each of the last days, today
// included, by feature or by agent. It reads the rollup alone and adds up in the database: neither
// the number of entries nor that of agents matters to memory. Errors: Meaning for anything else
// than 1 to MaxUsageDays days or another grouping; Unavailable.
func (l *Ledger) UsageSeries(ctx context.Context, a Account, by UsageBy, days int) (UsageSeries, error) {
	if days < 1 || days > MaxUsageDays {
		return UsageSeries{}, problem.Invalid("days", "must be between 1 and %d", MaxUsageDays)
	}
	if by != ByFeature && by != ByAgent {
		return UsageSeries{}, problem.Invalid("by", `must be "feature" or "agent"`)
	}
	last := dayIn(l.now(), a.Zone)
	series := UsageSeries{First: last.AddDate(0, 0, 1-days), Last: last}
	// One snapshot: at midnight, and when they get too many, the lines move from the account's row
	// to the table.
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, l.pool, snapshot, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlToday, a.ID)
		if err != nil {
			return err
		}
		today, err := readToday(rows)
		if err != nil {
			return err
		}
		args := append([]any{a.ID, series.First, series.Last, string(by)},
			today.columns(by, series.First, series.Last)...)
		if rows, err = tx.Query(ctx, sqlUsageSeries, append(args, MaxSeries)...); err != nil {
			return err
		}
		return series.read(rows)
	})
	return series, orUnavailable(err)
}

// columns are the lines as arrays of days, names, amounts, quantities, counts and what was
// returned; none when the day lies outside the range.
func (t *today) columns(by UsageBy, first, last time.Time) []any {
	days, names := []time.Time{}, []string{}
	amounts, quantities, counts, returned := []int64{}, []int64{}, []int64{}, []int64{}
	for _, u := range t.usages() {
		if u.Day.Before(first) || u.Day.After(last) {
			continue
		}
		days, names = append(days, u.Day), append(names, u.name(by))
		amounts, quantities, counts = append(amounts, int64(u.Amount)), append(quantities, u.Quantity),
			append(counts, u.Count)
		returned = append(returned, int64(u.Returned))
	}
	return []any{days, names, amounts, quantities, counts, returned}
}

// read takes the rows in the order of their places.
func (s *UsageSeries) read(rows pgx.Rows) error {
	var (
		place, at int64
		rest      bool
		day       time.Time
		sum       UsageSum
	)
	days := int(s.Last.Sub(s.First)/(24*time.Hour)) + 1
	_, err := pgx.ForEachRow(rows, []any{
		&place, &rest, &sum.Name, &day, &sum.Amount, &sum.Quantity, &sum.Count,
		&sum.Returned,
	}, func() error {
		if place != at {
			at = place
			s.Series = append(s.Series, Series{
				UsageSum: UsageSum{Name: sum.Name},
				Rest:     rest,
				Days:     make([]tokens.Amount, days),
			})
		}
		one := &s.Series[len(s.Series)-1]
		if rest {
			one.Name = ""
		}
		one.add(sum)
		one.Days[day.Sub(s.First)/(24*time.Hour)] += sum.Net()
		s.Total.add(sum)
		return nil
	})
	return err
}
