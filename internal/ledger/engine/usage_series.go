package engine

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/tokens"
)

// UsageSeries reads the daily usage of an account, as just read, for the last days including today, by
// feature or agent. The database sums up the rollup, so memory is independent of the number of entries and
// agents. Errors: kinds Unprocessable (days not in 1 to MaxUsageDays, other groupings) and Unavailable.
func (e *Engine) UsageSeries(
	ctx context.Context,
	a ledger.Account,
	by ledger.UsageBy,
	days int,
) (ledger.UsageSeries, error) {
	if days < 1 || days > ledger.MaxUsageDays {
		return ledger.UsageSeries{}, problem.Invalid("days", "must be between 1 and %d", ledger.MaxUsageDays)
	}
	if by != ledger.ByFeature && by != ledger.ByAgent {
		return ledger.UsageSeries{}, problem.Invalid("by", `must be "feature" or "agent"`)
	}
	last := ledger.DayIn(e.now(), a.BillingZone)
	series := ledger.UsageSeries{First: last.AddDate(0, 0, 1-days), Last: last}
	// One snapshot, since lines move from the account's row to the table at midnight or when there are too
	// many.
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, e.pool, snapshot, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sqlToday, a.ID)
		if err != nil {
			return err
		}
		today, err := readToday(rows)
		if err != nil {
			return err
		}
		args := append([]any{a.ID, series.First, series.Last, string(by)},
			seriesColumns(&today, by, series.First, series.Last)...)
		if rows, err = tx.Query(ctx, sqlUsageSeries, append(args, ledger.MaxSeries)...); err != nil {
			return err
		}
		return readSeries(&series, rows)
	})
	return series, orUnavailable(err)
}

// seriesColumns converts the lines to arrays of days, names, amounts, quantities, counts and returned
// amounts, empty if the day is outside the range.
func seriesColumns(t *ledger.Today, by ledger.UsageBy, first, last time.Time) []any {
	days, names := []time.Time{}, []string{}
	amounts, quantities, counts, returned := []int64{}, []int64{}, []int64{}, []int64{}
	for _, u := range t.Usages() {
		if u.Day.Before(first) || u.Day.After(last) {
			continue
		}
		days, names = append(days, u.Day), append(names, usageName(&u, by))
		amounts, quantities, counts = append(amounts, int64(u.Amount)), append(quantities, u.Quantity),
			append(counts, u.Count)
		returned = append(returned, int64(u.Returned))
	}
	return []any{days, names, amounts, quantities, counts, returned}
}

// readSeries reads rows ordered by rank.
func readSeries(s *ledger.UsageSeries, rows pgx.Rows) error {
	var (
		place, at int64
		rest      bool
		day       time.Time
		sum       ledger.UsageSum
	)
	days := int(s.Last.Sub(s.First)/(24*time.Hour)) + 1
	_, err := pgx.ForEachRow(rows, []any{
		&place, &rest, &sum.Name, &day, &sum.Amount, &sum.Quantity, &sum.Count,
		&sum.Returned,
	}, func() error {
		if place != at {
			at = place
			s.Series = append(s.Series, ledger.Series{
				UsageSum: ledger.UsageSum{Name: sum.Name},
				Rest:     rest,
				Days:     make([]tokens.Amount, days),
			})
		}
		one := &s.Series[len(s.Series)-1]
		if rest {
			one.Name = ""
		}
		one.Add(sum)
		one.Days[day.Sub(s.First)/(24*time.Hour)] += sum.Net()
		s.Total.Add(sum)
		return nil
	})
	return err
}
