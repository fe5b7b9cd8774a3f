package engine

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/ledger"
)

// An account has one namespace of idempotency keys. Keys of calls that write an entry are stored in
// entries, those of extensions in hold_extensions, and those of other calls, such as purchases, in
// claimed_keys. ClaimKey locks the account's row before it looks into the other two tables, so it waits for
// a batch that writes there. A batch decided by cached state holds no lock before it writes. The account's
// row therefore says whether there are claims: the first claim raises the row's version, and from then on
// each batch checks claimed_keys after its write has locked the row (queueUnclaimed).

// ClaimKey binds an idempotency key, in the caller's transaction, to a call that writes no entry. The
// account's row stays locked until that transaction ends, so it must be short and must not lock another
// account. known means that the same request claimed the key before; fingerprint identifies the request and
// must include the kind of call. Errors: ErrNoAccount, idempotency.ErrKeyReused, database errors.
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

// DropClaim frees a key bound by ClaimKey, in the transaction that deletes the refused call.
func (e *Engine) DropClaim(ctx context.Context, tx pgx.Tx, account uuid.UUID, key string) error {
	_, err := tx.Exec(ctx, sqlDropClaim, account, key)
	return err
}

// KeepOpen prevents the account from being closed until the caller's transaction ends, by locking its row
// as ClaimKey does. Errors: ErrNoAccount, ErrClosed, database errors.
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

// lockedAccount is a row of sqlLockAccount.
type lockedAccount struct{ exists, closed bool }

func (a *lockedAccount) read(rows pgx.Rows) error {
	_, err := pgx.ForEachRow(rows, []any{&a.exists, &a.closed}, func() error { return nil })
	return err
}
