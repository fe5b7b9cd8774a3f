package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/audit"
	"pop.store/credits/internal/tokens"
)

// chargesEach is the number of charges per audited account: a hundred thousand accounts have ten million
// entries.
const chargesEach = 94

// setVerify runs the full audit, and compares it with one sum over the entries, the least cost of reading
// them.
func setVerify(ctx context.Context, l *lab, o Options) (*experiment, error) {
	ids, err := l.open(ctx, orDefault(o.Accounts, 10_000), 1_000*tokens.One)
	if err != nil {
		return nil, err
	}
	l.say("making %d charges", len(ids)*chargesEach)
	if err := l.chargeEach(ctx, ids, chargesEach); err != nil {
		return nil, err
	}
	if _, err := l.owner.Exec(ctx, "analyze"); err != nil {
		return nil, err
	}
	return &experiment{run: l.verifying(), baselines: []baseline{{"plain_sum", l.summing()}}}, nil
}

func (l *lab) chargeEach(ctx context.Context, ids []uuid.UUID, n int) error {
	const perCall = 500
	return inParallel(16, (len(ids)*n+perCall-1)/perCall, func(call int) error {
		var charges []ledger.BulkCharge
		for i := call * perCall; i < min((call+1)*perCall, len(ids)*n); i++ {
			charges = append(charges, ledger.BulkCharge{
				AccountID: ids[i%len(ids)],
				Key:       newKey(),
				Charge:    agentsWork[i%len(agentsWork)],
			})
		}
		for _, r := range l.ledger.ChargeAll(ctx, charges) {
			if r.Err != nil {
				return r.Err
			}
		}
		return nil
	})
}

func (l *lab) verifying() probe {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return drive(ctx, 1, d, func(ctx context.Context, _ int) (int, error) {
			r, err := audit.Verify(ctx, l.pool, audit.Options{})
			if err == nil && len(r.Differences) > 0 {
				err = fmt.Errorf("the ledger differs: %s", r.Differences[0])
			}
			return int(r.Entries), err
		})
	}
}

func (l *lab) summing() probe {
	return func(ctx context.Context, d time.Duration) (sample, error) {
		return drive(ctx, 1, d, func(ctx context.Context, _ int) (int, error) {
			var entries int
			err := l.owner.QueryRow(ctx,
				`select sum(n)::bigint from (select count(*) as n, sum(amount), max(seq) from entries group by account) as a`).Scan(&entries)
			return entries, err
		})
	}
}
