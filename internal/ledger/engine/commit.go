package engine

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Commit writes the batch's changes, checks in Postgres what was decided by cached state, and commits, in
// one round trip. Without changes it ends the transaction to release locks.
func (s *pgSession) Commit(ctx context.Context, b *batch, now time.Time) error {
	w := &s.writer
	w.reset()
	for _, a := range b.accounts {
		if a.state != nil && a.state.Changed() {
			w.add(a.state, now)
		}
	}
	pgxBatch := &pgx.Batch{}
	if !s.began {
		s.db.queueBegin(pgxBatch)
	}
	opened := pgxBatch.Len()
	w.put(pgxBatch)
	b.queueUnconfirmed(pgxBatch, s.began)
	b.queueUnclaimed(pgxBatch)
	b.queueUnextended(pgxBatch)
	if pgxBatch.Len() == opened && !s.began {
		return nil // decided by cached state, and nothing to write
	}
	pgxBatch.Queue("commit")
	return commitError(s.conn.Conn().SendBatch(ctx, pgxBatch).Close())
}

// queueUnconfirmed verifies refusals by cached state: keys must be new, and accounts that this batch does
// not write must be unchanged.
func (b *batch) queueUnconfirmed(pgxBatch *pgx.Batch, locked bool) {
	if len(b.unconfirmed) == 0 {
		return
	}
	var accounts, remembered idList
	var keys []string
	var versions []int64
	for _, c := range b.unconfirmed {
		accounts, keys = append(accounts, c.account), append(keys, c.key)
		if s := c.part.state; !s.Changed() && !locked {
			remembered, versions = append(remembered, s.AccountID), append(versions, s.Version)
		}
	}
	pgxBatch.Queue(sqlNoneKnown, accounts, keys)
	if len(remembered) > 0 {
		pgxBatch.Queue(sqlUnchanged, remembered, versions)
	}
}

// queueUnextended verifies that no extension has bound the keys of requests decided by cached state. For
// keys of entries, the insert verifies it.
func (b *batch) queueUnextended(pgxBatch *pgx.Batch) {
	accounts, keys := b.keysOfExtended(func(c *call) bool { return c.part.remembered && !c.answer.replayed })
	if len(keys) > 0 {
		pgxBatch.Queue(sqlNoneExtended, accounts, keys)
	}
}

// queueUnclaimed makes the transaction fail if a key decided by cached state is claimed. It must follow the
// statements that lock the accounts' rows.
func (b *batch) queueUnclaimed(pgxBatch *pgx.Batch) {
	if len(b.unclaimed.keys) > 0 {
		pgxBatch.Queue(sqlNoneClaimed, b.unclaimed.accounts, b.unclaimed.keys)
	}
}

// commitError distinguishes a refusal by Postgres, after which nothing was written, from a broken
// connection, after which the outcome is unknown, since COMMIT is sent with the writes. pgconn.SafeToRetry
// is wrong for a lost acknowledgement.
func commitError(err error) error {
	var refused *pgconn.PgError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return errors.Join(errUnknownCommit, err)
}

// errUnknownCommit means that the connection broke around COMMIT: the batch may have been written.
var errUnknownCommit = errors.New("the outcome of COMMIT is unknown")
