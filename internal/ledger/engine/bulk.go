package engine

import (
	"context"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
)

// ChargeAll makes up to MaxBulk charges, each decided by itself, in order; those of one lane share a
// transaction. The results have the order of the charges.
func (e *Engine) ChargeAll(ctx context.Context, charges []ledger.BulkCharge) []ledger.BulkResult {
	calls := make([]*call, len(charges))
	byLane := make([][]*call, len(e.lanes))
	for i := range charges {
		c := newCall(charges[i].AccountID)
		c.charge = charges[i].Charge
		c.op = &c.charge
		if calls[i] = c.keyed(charges[i].Key, c.charge.Fingerprint()); c.key != "" {
			lane := laneOf(c.account, len(e.lanes))
			byLane[lane] = append(byLane[lane], c)
		}
	}
	refused := make([]error, len(e.lanes))
	for i, group := range byLane {
		if len(group) > 0 {
			refused[i] = e.lanes[i].queue.push(group...)
		}
	}
	results := make([]ledger.BulkResult, len(charges))
	for i := range calls {
		if calls[i].key == "" {
			results[i].Err = idempotency.ErrNoKey
			continue
		}
		if err := refused[laneOf(calls[i].account, len(e.lanes))]; err != nil {
			results[i].Err = err
			continue
		}
		a, err := calls[i].wait(ctx)
		results[i].Receipt, results[i].Err = a.receipt(), err
		results[i].Note = ledger.Note{Reason: charges[i].Reason, Metadata: charges[i].Metadata}
	}
	return results
}
