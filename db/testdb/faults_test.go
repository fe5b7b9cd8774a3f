package testdb_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

// recorded takes what a test would say.
type recorded struct {
	testing.TB
	errors int
}

func (r *recorded) Errorf(string, ...any) { r.errors++ }
func (r *recorded) Error(...any)          { r.errors++ }
func (r *recorded) Helper()               {}

// Every query of an operation fails once, in a transaction and in a batch too, and an operation
// that hides a failure is found.
func TestEveryQueryFailsOnce(t *testing.T) {
	t.Parallel()
	pool, faults := testdb.Open(t).Failing(t)
	ctx := t.Context()
	runs := 0
	faults.Each(t, func() error {
		runs++
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "select 1"); err != nil {
				return err
			}
			batch := &pgx.Batch{}
			batch.Queue("select 2")
			return tx.SendBatch(ctx, batch).Close()
		})
	})
	if runs != 5 { // begin, select, batch, commit, and one without a fault
		t.Errorf("the operation ran %d times", runs)
	}
	hides := &recorded{TB: t}
	faults.Each(hides, func() error {
		_, _ = pool.Exec(context.WithoutCancel(ctx), "select 1")
		return nil
	})
	if hides.errors != 1 {
		t.Errorf("an operation that hides a failure is told of %d times", hides.errors)
	}
}
