package session

import (
	"context"
	"time"

	"pop.store/credits/internal/problem"
)

// sweepBatch is how many rows one statement deletes, which bounds how long it holds locks.
const sweepBatch = 1_000

// sweeps are the three ways in which a row becomes useless. Rows locked by another server's sweep are
// skipped; the condition is checked again on deletion, in case a visit has come in between.
var sweeps = []struct {
	statement string
	age       time.Duration
}{
	{`delete from sessions where expires_at <= $1 and token_hash = any (array(
		select token_hash from sessions where expires_at <= $1 limit $2 for update skip locked))`, 0},
	{`delete from sessions where seen_at <= $1 and token_hash = any (array(
		select token_hash from sessions where seen_at <= $1 limit $2 for update skip locked))`, Idle},
	{`delete from login_links where expires_at <= $1 and token_hash = any (array(
		select token_hash from login_links where expires_at <= $1 limit $2 for update skip locked))`, 0},
}

// Sweep deletes expired sessions and login links in batches and returns how many, also with an
// error. The error is problem.Unavailable.
func (s *Store) Sweep(ctx context.Context) (int64, error) {
	var total int64
	now := s.now()
	for _, sweep := range sweeps {
		for {
			tag, err := s.pool.Exec(ctx, sweep.statement, now.Add(-sweep.age), sweepBatch)
			if err != nil {
				return total, problem.Unavailable(err)
			}
			total += tag.RowsAffected()
			if tag.RowsAffected() < sweepBatch {
				break
			}
		}
	}
	return total, nil
}
