package jobs

import (
	"context"
	"errors"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
)

// chunk is the number of accounts that are settled together: enough to fill a lane's batch, few enough not
// to delay charges.
const chunk = 500

type settleDue struct{}

// Kind is the job's name in River's tables.
func (settleDue) Kind() string { return "settle_due_accounts" }

// settleDue settles due idle accounts in chunks. Nothing depends on it: an account is also settled when it
// is next read or charged.
func (r *Runner) settleDue(ctx context.Context) (more bool, err error) {
	sum := engine.Swept{More: true}
	_, err = r.inTurn(ctx, func(ctx context.Context) (bool, error) {
		swept, err := r.Ledger.SettleDue(ctx, sum.Next, chunk)
		sum.Settled, sum.Failed = sum.Settled+swept.Settled, sum.Failed+swept.Failed
		if errors.Is(err, ledger.ErrBusy) {
			return false, nil // charges come first: the next job continues
		}
		if err == nil {
			sum.Next, sum.More = swept.Next, swept.More
		}
		return sum.More, err
	})
	if err != nil {
		return false, err
	}
	r.report(sum)
	return sum.More, nil
}

func (r *Runner) report(sum engine.Swept) {
	if sum.Failed > 0 {
		r.Log.Error("accounts could not be settled", "failed", sum.Failed, "settled", sum.Settled)
	}
	if sum.More {
		r.Log.Info("settling idle accounts continues in the next job", "settled", sum.Settled)
	}
}

type sweepSessions struct{}

// Kind is the job's name in River's tables.
func (sweepSessions) Kind() string { return "sweep_sessions" }

// sweepSessions deletes expired sessions, which are already invalid.
func (r *Runner) sweepSessions(ctx context.Context) (more bool, err error) {
	_, err = r.Sessions.Sweep(ctx)
	return false, err
}
