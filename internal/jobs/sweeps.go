package jobs

import (
	"context"
	"errors"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
)

// chunk is how many accounts are settled together: enough to fill a batch of the lanes, few enough
// that charges do not notice.
const chunk = 500

type settleDue struct{}

// Kind names the job in River's tables.
func (settleDue) Kind() string { return "settle_due_accounts" }

// settleDue writes what has fallen due for accounts that nobody asks for, chunk after chunk until
// there is none left or its turn is over. Nobody depends on it: whoever asks for an account settles
// it first.
func (r *Runner) settleDue(ctx context.Context) (more bool, err error) {
	mine, cancel := context.WithTimeout(ctx, r.turn)
	defer cancel()
	defer context.AfterFunc(r.stopping, cancel)()
	var sum engine.Swept
	for sum.More = true; sum.More; {
		// Not mine: a chunk that was begun is finished.
		swept, err := r.Ledger.SettleDue(ctx, sum.Next, chunk)
		sum.Settled, sum.Failed = sum.Settled+swept.Settled, sum.Failed+swept.Failed
		if errors.Is(err, ledger.ErrBusy) {
			break // charges come first
		}
		if err != nil {
			return false, err
		}
		if sum.Next, sum.More = swept.Next, swept.More; mine.Err() != nil {
			break
		}
	}
	r.report(sum)
	return sum.More, nil
}

func (r *Runner) report(sum engine.Swept) {
	if sum.Failed > 0 {
		r.Log.Error("accounts could not be settled", "failed", sum.Failed, "settled", sum.Settled)
	}
	if sum.More {
		r.Log.Info("settling idle accounts goes on in the next job", "settled", sum.Settled)
	}
}

type sweepSessions struct{}

// Kind names the job in River's tables.
func (sweepSessions) Kind() string { return "sweep_sessions" }

// sweepSessions deletes expired sessions; they are dead without it.
func (r *Runner) sweepSessions(ctx context.Context) (more bool, err error) {
	_, err = r.Sessions.Sweep(ctx)
	return false, err
}
