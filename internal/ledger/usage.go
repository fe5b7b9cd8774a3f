package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/tokens"
)

// usageKey is one line of the rollup of an account: a day of the billing zone, a feature, an agent.
type usageKey struct {
	day            time.Time
	feature, agent string
}

// usage is what was spent under a key: tokens, units, charges.
type usage struct {
	amount   tokens.Amount
	quantity int64
	count    int64
}

// addUsage notes a charge in the rollup.
func (s *state) addUsage(e *Entry) {
	if s.usage == nil {
		s.usage = map[usageKey]usage{}
	}
	key := usageKey{e.Day, e.Feature, e.Agent}
	u := s.usage[key]
	u.amount -= e.Amount
	u.quantity += e.Quantity
	u.count++
	s.usage[key] = u
}

func queueUsage(batch *pgx.Batch, states map[uuid.UUID]*state) {
	var accounts []uuid.UUID
	var days []time.Time
	var features, agents []string
	var amounts, quantities, counts []int64
	for id, s := range states {
		for key, u := range s.usage {
			accounts, days = append(accounts, id), append(days, key.day)
			features, agents = append(features, key.feature), append(agents, key.agent)
			amounts, quantities, counts = append(amounts, int64(u.amount)), append(quantities, u.quantity), append(counts, u.count)
		}
	}
	if len(accounts) > 0 {
		batch.Queue(sqlAddUsage, accounts, days, features, agents, amounts, quantities, counts)
	}
}

// SpentThisPeriod is what the account spent since the day its billing period began.
func (l *Ledger) SpentThisPeriod(ctx context.Context, a Account) (tokens.Amount, error) {
	began := dayIn(boundary(a.Anchor, a.Zone, periodAt(a.Anchor, a.Zone, l.now())), a.Zone)
	var spent tokens.Amount
	if err := l.pool.QueryRow(ctx, sqlSpent, a.ID, began).Scan(&spent); err != nil {
		return 0, ErrUnavailable.Because(err)
	}
	return spent, nil
}
