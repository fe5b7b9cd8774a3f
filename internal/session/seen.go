package session

import (
	"context"
	"time"

	"github.com/google/uuid"

	"pop.store/credits/internal/problem"
)

// SeenSince reports whether a live session of the account was used since an instant. Uses are stored
// every seenEvery, so the instant should be further back. The error is problem.Unavailable.
func (s *Store) SeenSince(ctx context.Context, account uuid.UUID, since time.Time) (bool, error) {
	var seen bool
	err := s.pool.QueryRow(ctx, `
		select exists (select from sessions where account = $1 and seen_at >= $2 and expires_at > $3)`,
		account, since, s.now()).Scan(&seen)
	if err != nil {
		return false, problem.Unavailable(err)
	}
	return seen, nil
}
