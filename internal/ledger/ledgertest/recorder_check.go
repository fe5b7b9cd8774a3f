package ledgertest

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/tokens"
)

// OpenAccounts opens n accounts to send requests for. Every other one has agents with a budget and with a reserve.
func (rec *Recorder) OpenAccounts(n int) []uuid.UUID {
	rec.t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = rec.f.MustOpen("star")
		if i%2 == 0 {
			rec.f.MustPutAgent(ids[i], "a", "100", "")
			rec.f.MustPutAgent(ids[i], "b", "", "50")
			rec.f.MustPutAgent(ids[i], "", "", "20")
		}
		a, err := rec.f.Account(rec.t.Context(), ids[i])
		if err != nil {
			rec.t.Fatal(err)
		}
		rec.opening[ids[i]] = a
	}
	return ids
}

// Check compares what was recorded with the database: every acknowledged request has exactly one entry, which is as it
// was answered; refused requests have none; and there are no other entries. Then it checks the invariants and events.
func (rec *Recorder) Check() {
	rec.t.Helper()
	rows, err := rec.f.Pool.Query(context.Background(),
		`select idempotency_key, account, seq, kind, amount, held_delta, balance_after, held_after, spendable_after, at
		from entries where idempotency_key is not null and account = any($1)`, rec.accounts())
	if err != nil {
		rec.t.Fatal(err)
	}
	found, wrong := map[string]int{}, 0
	complain := func(format string, args ...any) {
		if wrong++; wrong <= 20 {
			rec.t.Errorf(format, args...)
		}
	}
	var key string
	var e ledger.Entry
	fields := []any{
		&key, &e.AccountID, &e.Seq, &e.Kind, &e.Amount, &e.HeldDelta, &e.BalanceAfter, &e.HeldAfter,
		&e.SpendableAfter, &e.At,
	}
	_, err = pgx.ForEachRow(rows, fields, func() error {
		att, ok := rec.attempts[key]
		switch {
		case !ok:
			complain("an entry of no request: %+v under key %q", e, key)
		case att.receipt == nil:
			complain("%+v was refused and has an entry", att.Request)
		case !SameEntry(e, att.receipt.Entry):
			complain("%+v was answered %+v, the entry is %+v", att.Request, *att.receipt, e)
		}
		found[key]++
		return nil
	})
	if err != nil {
		rec.t.Fatal(err)
	}
	sums := map[uuid.UUID]tokens.Amount{}
	for _, att := range rec.order {
		if att.receipt == nil {
			continue
		}
		sums[att.Account] += att.receipt.Amount
		if found[att.Key] != 1 {
			complain("%+v was acknowledged and has %d entries", att.Request, found[att.Key])
		}
	}
	for id, before := range rec.opening {
		a, err := rec.f.Account(context.Background(), id)
		if err != nil || a.Total != before.Total+sums[id] || a.Spendable < 0 {
			complain("account %v has %v of which %v spendable (%v); it had %v and %v were acknowledged", id, a.Total,
				a.Spendable, err, before.Total, sums[id])
		}
	}
	rec.f.CheckInvariants()
	for id := range rec.opening {
		rec.f.CheckEvents(id)
	}
}

func (rec *Recorder) accounts() []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(rec.opening))
	for id := range rec.opening {
		ids = append(ids, id)
	}
	return ids
}
