package results

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/problem"
)

// Sum is what one agent's work brought in of one kind in a month.
type Sum struct {
	Agent   string // empty: work without an agent
	Kind    string
	Reports int64
	Count   int64
	Money   money.Amount // without a currency: none; each currency has a sum of its own
}

// MaxSums bounds the sums of an account in a month.
const MaxSums = 2_000

func monthOf(day time.Time) time.Time { return day.AddDate(0, 0, 1-day.Day()) }

const sqlSums = `
select agent, kind, reports, count, money_minor, currency from result_sums
where account = $1 and month = $2 and ($4::text[] is null or agent = any ($4)) order by agent, kind, currency limit $3`

// Sums lists what an account's agents brought in in the calendar month of a day of the billing zone
// (ledger.Account.Day): by agent, kind and currency. With agents only those of these agents. It
// reads a few rows, however many results there are. Errors: kind Unavailable.
func (r *Results) Sums(ctx context.Context, account uuid.UUID, day time.Time, agents ...string) ([]Sum, error) {
	rows, err := r.pool.Query(ctx, sqlSums, account, monthOf(day), 2*MaxSums, agents)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Sum, error) {
		var s Sum
		err := row.Scan(&s.Agent, &s.Kind, &s.Reports, &s.Count, &s.Money.Minor, &s.Money.Currency)
		return s, err
	})
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return list, nil
}
