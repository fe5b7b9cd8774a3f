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

// LinkLifetime is how long a login link waits to be used: time for a redirect, not for a mailbox.
const LinkLifetime = time.Minute

// ErrLinkInvalid is the one answer for a login link that is used, expired or was never made: they
// cannot be told apart.
var ErrLinkInvalid = problem.New(problem.NotFound, "link_invalid",
	"This sign-in link has been used or has expired. Go back to where you came from and open Credits again.")

// CreateLink makes a single-use login link for an account. token goes into the link and is kept
// nowhere; next, made safe by sitepath.Safe, is where the creator arrives. The error is
// ErrUnavailable.
func (s *Store) CreateLink(ctx context.Context, account uuid.UUID, next string) (token string, expires time.Time,
	err error,
) {
	token, id := newToken()
	expires = s.now().Add(LinkLifetime)
	if _, err := s.pool.Exec(ctx, `
		insert into login_links (token_hash, account, next, expires_at) values ($1, $2, $3, $4)`,
		id[:], account, sitepath.Safe(next), expires); err != nil {
		return "", time.Time{}, ErrUnavailable.Wrap(err)
	}
	return token, expires, nil
}

// LinkAccount tells whom an unused login link would sign in, and does not use it up. Errors:
// ErrLinkInvalid, ErrUnavailable.
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
		return uuid.Nil, ErrUnavailable.Wrap(err)
	}
	return account, nil
}

// UseLink consumes a login link: of any number of callers one gets the account to sign in and the
// path to show, all others ErrLinkInvalid. It is used up even if the sign-in that follows fails.
// Errors: ErrLinkInvalid, ErrUnavailable.
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
		return uuid.Nil, "", ErrUnavailable.Wrap(err)
	}
	return account, next, nil
}
