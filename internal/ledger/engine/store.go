package engine

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/problem"
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
	// End frees what the transaction used. err is how it ended.
	End(ctx context.Context, err error)
}

func orUnavailable(err error) error {
	if err == nil {
		return nil
	}
	return problem.Unavailable(err)
}

// DuePlace is a place among the accounts with something due, which stand in order of when it fell
// due. The zero value is before the first.
type DuePlace struct {
	due     time.Time
	account uuid.UUID
}

// errUnreadable concerns one account: only requests about that account are refused.
var errUnreadable = errors.New("the account's row makes no sense to this server")

// errStale means that the lane's cached state was out of date. The next try reads from the database.
var errStale = errors.New("another server was faster, or a key is older than the lane remembers")

// stale recognises errStale in the error of a batch that was decided from the cache: Postgres reports
// it by the division by zero in sqlUpdateAccounts, or by an entry or key that exists already.
func stale(err error) bool {
	return errors.Is(err, errStale) || sqlState(err) == "22012" || keyExists(err)
}

// keyExists says whether it was no more than a key that is older than the lane's memory: what the
// batch began from has been found true when entries are inserted, and claims looked up, which comes
// later.
func keyExists(err error) bool { return sqlState(err) == "23505" || sqlState(err) == claimFound }

// sqlState is that of a refusal by Postgres; empty for anything else.
func sqlState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// claimFound is the SQLSTATE by which sqlNoneClaimed fails.
const claimFound = "22003"
