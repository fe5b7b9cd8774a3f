package engine

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
)

// An account has one space of idempotency keys (spec/ledger.md, rule 7). The keys of calls that
// write an entry stand in entries, those of extensions in hold_extensions, and those of other
// calls, such as purchases and results, in claimed_keys. A claim locks the account's row and then
// looks into the other two, so it waits for a batch that writes there. A batch that is decided from
// memory holds no lock before it writes, so the account's row says whether there are claims: the
// first claim raises the row's version, and from then on each batch looks into claimed_keys, after
// its write has locked the row (queueUnclaimed).

// ClaimKey binds an idempotency key of the account, in the caller's transaction, to a call that
// writes no entry. The account's row stays locked until the transaction ends: it must be short, and
// may lock no other account. known says that the same request claimed the key before; fingerprint
// tells requests apart and must cover the kind of call. Errors: ErrNoAccount,
// idempotency.ErrKeyReused, and those of the database.
func (e *Engine) ClaimKey(
	ctx context.Context, tx pgx.Tx, account uuid.UUID, key string, fingerprint []byte,
) (known bool, err error) {
	var row lockedAccount
	var theirs []byte
	var used bool
	batch := &pgx.Batch{}
	batch.Queue(sqlLockAccount, account).Query(row.read)
	batch.Queue(sqlKeyUse, account, key).Query(func(rows pgx.Rows) error {
		_, err := pgx.ForEachRow(rows, []any{&theirs, &used}, func() error { return nil })
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return false, err
	}
	switch {
	case !row.exists:
		return false, ledger.ErrNoAccount
	case theirs != nil && bytes.Equal(theirs, fingerprint):
		return true, nil
	case theirs != nil || used:
		return false, idempotency.ErrKeyReused
	}
	batch = &pgx.Batch{}
	batch.Queue(sqlClaimKey, account, key, fingerprint)
	batch.Queue(sqlNoteClaims, account)
	return false, tx.SendBatch(ctx, batch).Close()
}

// DropClaim frees a key that ClaimKey bound, in the transaction that forgets the call: it was
// refused after all.
func (e *Engine) DropClaim(ctx context.Context, tx pgx.Tx, account uuid.UUID, key string) error {
	_, err := tx.Exec(ctx, sqlDropClaim, account, key)
	return err
}

// KeepOpen keeps the account from being closed until the caller's transaction ends. Its row stays
// locked, as with ClaimKey. Errors: ErrNoAccount, ErrClosed, and those of the database.
func (e *Engine) KeepOpen(ctx context.Context, tx pgx.Tx, account uuid.UUID) error {
	var row lockedAccount
	batch := &pgx.Batch{}
	batch.Queue(sqlLockAccount, account).Query(row.read)
	err := tx.SendBatch(ctx, batch).Close()
	switch {
	case err != nil:
		return err
	case !row.exists:
		return ledger.ErrNoAccount
	case row.closed:
		return ledger.ErrClosed
	}
	return nil
}

// lockedAccount is what sqlLockAccount tells.
type lockedAccount struct{ exists, closed bool }

func (a *lockedAccount) read(rows pgx.Rows) error {
	_, err := pgx.ForEachRow(rows, []any{&a.exists, &a.closed}, func() error { return nil })
	return err
}
