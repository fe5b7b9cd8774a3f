package engine

import (
	"context"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/ledger"
)

// Store keeps the books. Postgres is one; another can keep them in memory and fail on purpose, so that
// the lanes run under a simulated clock and scheduler. It is implemented in this package, since a
// batch is internal to it.
type Store interface {
	// Session gives the transactions of one lane, which has one at a time.
	Session() Session
	// Locked lists those of the accounts that another transaction keeps locked.
	Locked(ctx context.Context, accounts []uuid.UUID) ([]uuid.UUID, error)
	// Due lists accounts with something due at an instant, the longest due first, behind a place.
	Due(ctx context.Context, now time.Time, after DuePlace, limit int) ([]DuePlace, error)
	// Outbox lists the oldest events that were not taken over.
	Outbox(ctx context.Context, limit int) ([]ledger.Told, error)
	// Forget deletes events from the outbox.
	Forget(ctx context.Context, events []ledger.Told) error
	Close()
}

// Session is the transactions of one lane. All but Begin and End belong to the transaction that was
// begun last. Errors of Postgres are *pgconn.PgError; what a lane does about them depends on their
// SQLSTATE.
type Session interface {
	Begin(ctx context.Context) error
	// Lock locks the batch's accounts, reads their rows into its snapshots, and looks up its keys and
	// references. It is left out when the lane remembers all of the accounts.
	Lock(ctx context.Context, b *batch) error
	// Complete adds to the snapshots of some accounts what their rows do not carry, and looks up keys
	// that entries do not have.
	Complete(ctx context.Context, b *batch, accounts []uuid.UUID, now time.Time) error
	// Commit writes the changes of the batch's states, if what was decided from memory is still true.
	// When it fails nothing is written, except that the outcome of a broken connection is unknown.
	Commit(ctx context.Context, b *batch, now time.Time) error
	// End is told how the transaction ended, and frees what it used.
	End(ctx context.Context, err error)
}
