package session

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/sitepath"
)

// LinkLifetime is how long a login link works: long enough for a redirect.
const LinkLifetime = time.Minute

// ErrLinkInvalid means that the login link is used, expired or unknown; callers cannot tell which.
var ErrLinkInvalid = problem.New(problem.NotFound, "link_invalid",
	"This sign-in link has been used or has expired. Go back to where you came from and open Credits again.")

// CreateLink makes a single-use login link for an account. token is not stored. next, checked by
// sitepath.Safe, is the page to show. The error is problem.Unavailable.
func (s *Store) CreateLink(ctx context.Context, account uuid.UUID, next string) (token string, expires time.Time,
	err error,
) {
	token, id := newToken()
	expires = s.now().Add(LinkLifetime)
	if _, err := s.pool.Exec(ctx, `
		insert into login_links (token_hash, account, next, expires_at) values ($1, $2, $3, $4)`,
		id[:], account, sitepath.Safe(next), expires); err != nil {
		return "", time.Time{}, problem.Unavailable(err)
	}
	return token, expires, nil
}

// LinkAccount returns the account of an unused login link without using it. Errors: ErrLinkInvalid,
// problem.Unavailable.
func (s *Store) LinkAccount(ctx context.Context, token string) (account uuid.UUID, err error) {
	id, ok := hash(token)
	if !ok {
		return uuid.Nil, ErrLinkInvalid
	}
	err = s.pool.QueryRow(ctx, `
		select account from login_links where token_hash = $1 and used_at is null and expires_at > $2`,
		id[:], s.now()).Scan(&account)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, ErrLinkInvalid
	case err != nil:
		return uuid.Nil, problem.Unavailable(err)
	}
	return account, nil
}

// UseLink uses up a login link and returns the account and the page to show. Of concurrent callers
// one succeeds, the others get ErrLinkInvalid. Errors: ErrLinkInvalid, problem.Unavailable.
func (s *Store) UseLink(ctx context.Context, token string) (account uuid.UUID, next string, err error) {
	id, ok := hash(token)
	if !ok {
		return uuid.Nil, "", ErrLinkInvalid
	}
	err = s.pool.QueryRow(ctx, `
		update login_links set used_at = $2 where token_hash = $1 and used_at is null and expires_at > $2
		returning account, next`, id[:], s.now()).Scan(&account, &next)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, "", ErrLinkInvalid
	case err != nil:
		return uuid.Nil, "", problem.Unavailable(err)
	}
	return account, next, nil
}
