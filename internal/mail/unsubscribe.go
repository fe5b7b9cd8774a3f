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

// ErrBadToken is the answer for a link to unsubscribe that was not made here.
var ErrBadToken = problem.New(problem.NotFound, "link_invalid", "This link is not one of ours, or it was cut short.")

// secretName is the secret's row in the installation table.
const secretName = "unsubscribe_secret"

const (
	sqlSecret     = `select value from installation where name = $1`
	sqlKeepSecret = `insert into installation (name, value, created_at) values ($1, $2, $3) on conflict (name) do nothing`
)

// unsubscribeLink is where an account's creator says that there are to be no more e-mails about the
// balance. It stays good: old e-mails have it, too.
func (m *Mailer) unsubscribeLink(ctx context.Context, account uuid.UUID) (string, error) {
	secret, err := m.ensureSecret(ctx)
	if err != nil {
		return "", err
	}
	return m.link("/unsubscribe/" + base64.RawURLEncoding.EncodeToString(append(account[:],
		seal(secret, account)...))), nil
}

// seal shows that we have made a link for an account.
func seal(secret []byte, account uuid.UUID) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("unsubscribe "))
	mac.Write(account[:])
	return mac.Sum(nil)
}

// accountOf reads the token of a link. It writes nothing: without a secret there are no links yet.
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

// ensureSecret makes the installation's secret, unless there is one: whoever calls at the same time
// gets the same one.
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

// Subscribed says whether the account of a link gets e-mails about its balance. Errors:
// ErrBadToken, problem.Unavailable.
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

// Resubscribe takes an Unsubscribe back; doing it twice is doing it once. Errors: ErrBadToken,
// problem.Unavailable.
func (m *Mailer) Resubscribe(ctx context.Context, token string) error {
	account, err := m.accountOf(ctx, token)
	if err != nil {
		return err
	}
	return m.exec(ctx, sqlResubscribe, account)
}

// Unsubscribe ends the e-mails about the balance of a link's account; doing it twice is doing it
// once. Receipts are sent all the same. Errors: ErrBadToken, problem.Unavailable.
func (m *Mailer) Unsubscribe(ctx context.Context, token string) error {
	account, err := m.accountOf(ctx, token)
	if err != nil {
		return err
	}
	return m.exec(ctx, sqlUnsubscribe, account, m.Clock())
}
