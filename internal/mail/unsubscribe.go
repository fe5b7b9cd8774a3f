package mail

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// ErrBadToken means that an unsubscribe link is malformed or has a wrong signature.
var ErrBadToken = problem.New(problem.NotFound, "link_invalid", "This link is not one of ours, or it was cut short.")

// secretName is the secret's row in the installation table.
const secretName = "unsubscribe_secret"

const (
	sqlSecret     = `select value from installation where name = $1`
	sqlKeepSecret = `insert into installation (name, value, created_at) values ($1, $2, $3) on conflict (name) do nothing`
)

// unsubscribeLink is the link that ends an account's alerts. It never expires.
func (m *Mailer) unsubscribeLink(ctx context.Context, account uuid.UUID) (string, error) {
	secret, err := m.ensureSecret(ctx)
	if err != nil {
		return "", err
	}
	return m.link("/unsubscribe/" + base64.RawURLEncoding.EncodeToString(append(account[:],
		seal(secret, account)...))), nil
}

// seal signs an account's link.
func seal(secret []byte, account uuid.UUID) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("unsubscribe "))
	mac.Write(account[:])
	return mac.Sum(nil)
}

// accountOf verifies the token of a link. It does not create the secret: without one there are no
// links.
func (m *Mailer) accountOf(ctx context.Context, token string) (uuid.UUID, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != len(uuid.UUID{})+sha256.Size {
		return uuid.Nil, ErrBadToken
	}
	account := uuid.UUID(raw[:len(uuid.UUID{})])
	secret, err := m.readSecret(ctx)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, ErrBadToken
	case err != nil:
		return uuid.Nil, problem.Unavailable(err)
	case !hmac.Equal(seal(secret, account), raw[len(uuid.UUID{}):]):
		return uuid.Nil, ErrBadToken
	}
	return account, nil
}

// ensureSecret creates the installation's secret unless it exists. Concurrent callers get the same
// one.
func (m *Mailer) ensureSecret(ctx context.Context) ([]byte, error) {
	secret, err := m.readSecret(ctx)
	if errors.Is(err, pgx.ErrNoRows) {
		if _, err = m.pool.Exec(ctx, sqlKeepSecret, secretName, rand.Text()+rand.Text(), m.Clock()); err == nil {
			secret, err = m.readSecret(ctx)
		}
	}
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return secret, nil
}

func (m *Mailer) readSecret(ctx context.Context) ([]byte, error) {
	m.mu.Lock()
	secret := m.secret
	m.mu.Unlock()
	if secret != nil {
		return secret, nil
	}
	var value string
	if err := m.pool.QueryRow(ctx, sqlSecret, secretName).Scan(&value); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.secret = []byte(value)
	return m.secret, nil
}

// Subscribed reports whether the account of a link gets alerts. Errors: ErrBadToken,
// kind Unavailable.
func (m *Mailer) Subscribed(ctx context.Context, token string) (bool, error) {
	account, err := m.accountOf(ctx, token)
	if err != nil {
		return false, err
	}
	var gone bool
	err = m.pool.QueryRow(ctx, `select exists (select from mail_accounts where account = $1 and unsubscribed_at is not null)`, account).Scan(&gone)
	if err != nil {
		return false, problem.Unavailable(err)
	}
	return !gone, nil
}

const sqlUnsubscribe = `insert into mail_accounts (account, unsubscribed_at) values ($1, $2)
	on conflict (account) do update set unsubscribed_at = coalesce(mail_accounts.unsubscribed_at, excluded.unsubscribed_at)`

const sqlResubscribe = `update mail_accounts set unsubscribed_at = null where account = $1 and unsubscribed_at is not null`

// Resubscribe undoes Unsubscribe. It is idempotent. Errors: ErrBadToken, kind Unavailable.
func (m *Mailer) Resubscribe(ctx context.Context, token string) error {
	account, err := m.accountOf(ctx, token)
	if err != nil {
		return err
	}
	return m.exec(ctx, sqlResubscribe, account)
}

// Unsubscribe ends an account's alerts, not its receipts. It is idempotent. Errors: ErrBadToken,
// kind Unavailable.
func (m *Mailer) Unsubscribe(ctx context.Context, token string) error {
	account, err := m.accountOf(ctx, token)
	if err != nil {
		return err
	}
	return m.exec(ctx, sqlUnsubscribe, account, m.Clock())
}
