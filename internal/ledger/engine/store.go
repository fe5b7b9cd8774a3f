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

// Store is the ledger's storage. Besides Postgres, a simulated store can run the lanes deterministically
// and inject faults. Implementations are in this package, since batch is unexported.
type Store interface {
	// Session creates a session for one lane.
	Session() Session
	// Locked lists the accounts that another transaction has locked.
	Locked(ctx context.Context, accounts []uuid.UUID) ([]uuid.UUID, error)
	// Due lists accounts with something due at an instant, oldest first, after a place.
	Due(ctx context.Context, now time.Time, after DuePlace, limit int) ([]DuePlace, error)
	// Outbox lists the oldest events that are not relayed.
	Outbox(ctx context.Context, limit int) ([]ledger.AccountEvent, error)
	// Forget deletes events from the outbox.
	Forget(ctx context.Context, events []ledger.AccountEvent) error
	Close()
}

// Session runs the transactions of one lane, one at a time. Lock, Complete and Commit belong to the
// transaction of the last Begin. Errors of Postgres are *pgconn.PgError: the lane's reaction depends on the
// SQLSTATE.
type Session interface {
	Begin(ctx context.Context) error
	// Lock locks the batch's accounts, reads their rows into its snapshots, and looks up its keys and
	// references. It is not called if all accounts are cached.
	Lock(ctx context.Context, b *batch) error
	// Complete reads further rows of some accounts into the snapshots, and looks up keys that are not in
	// entries.
	Complete(ctx context.Context, b *batch, accounts []uuid.UUID, now time.Time) error
	// Commit writes the changes of the batch's states if what was decided by cached state still holds. On
	// an error nothing is written, but the outcome of a broken connection is unknown.
	Commit(ctx context.Context, b *batch, now time.Time) error
	// End releases the transaction's resources. err is its result.
	End(ctx context.Context, err error)
}

func orUnavailable(err error) error {
	if err == nil {
		return nil
	}
	return problem.Unavailable(err)
}

// DuePlace is a position in the list of accounts with something due, ordered by when it fell due. The zero
// value is before the first.
type DuePlace struct {
	due     time.Time
	account uuid.UUID
}

// errUnreadable refuses only requests for one account.
var errUnreadable = errors.New("this server cannot read the account's row")

// errStale means that a cached state was out of date. The next attempt reads from the database.
var errStale = errors.New("stale cache: another server has written, or a key is older than the cache")

// stale reports whether a batch decided by cached state failed because of that: by the division by zero in
// sqlUpdateAccounts, or an entry or key that already exists.
func stale(err error) bool {
	return errors.Is(err, errStale) || sqlState(err) == "22012" || keyExists(err)
}

// keyExists reports whether a batch failed only because a key is older than the cache. Entries are inserted
// and claims checked after the versions, so the versions were right.
func keyExists(err error) bool { return sqlState(err) == "23505" || sqlState(err) == claimFound }

// sqlState is the SQLSTATE of an error of Postgres, or empty.
func sqlState(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// claimFound is the SQLSTATE with which sqlNoneClaimed fails.
const claimFound = "22003"
