package engine

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Commit writes what the batch changed, has Postgres confirm what was decided from memory, and commits,
// in one round trip. When nothing changed it only ends the transaction, which frees the locks.
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
		return nil // decided from memory, and nothing to write
	}
	pgxBatch.Queue("commit")
	return commitError(s.conn.Conn().SendBatch(ctx, pgxBatch).Close())
}

// queueUnconfirmed checks what refusals from memory rest on: that their keys are new, and that accounts
// are as the lane remembers them where nothing is written that would tell.
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

// queueUnextended checks that no extension of a hold bound the keys of requests that were decided from
// memory. Those that an entry bound are found when the new entries are inserted.
func (b *batch) queueUnextended(pgxBatch *pgx.Batch) {
	accounts, keys := b.keysOfExtended(func(c *call) bool { return c.part.remembered && !c.answer.replayed })
	if len(keys) > 0 {
		pgxBatch.Queue(sqlNoneExtended, accounts, keys)
	}
}

// queueUnclaimed has the transaction fail when a key is claimed that was decided on from memory. It
// must come after the statements that lock the accounts' rows.
func (b *batch) queueUnclaimed(pgxBatch *pgx.Batch) {
	if len(b.unclaimed.keys) > 0 {
		pgxBatch.Queue(sqlNoneClaimed, b.unclaimed.accounts, b.unclaimed.keys)
	}
}

// commitError tells a refusal by Postgres, after which nothing was written, from a broken connection,
// after which the outcome is unknown: the COMMIT is sent with the writes. It does not use pgconn's
// SafeToRetry, which is wrong for a lost acknowledgement.
func commitError(err error) error {
	var refused *pgconn.PgError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return errors.Join(errUnknownCommit, err)
}

// errUnknownCommit means that the connection broke around COMMIT: the batch may or may not be in the books.
var errUnknownCommit = errors.New("the outcome of COMMIT is unknown")
