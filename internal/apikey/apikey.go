// Package apikey makes, checks and revokes the API keys of programs. A key is shown once when it is
// made; the database has its SHA-256.
//
// Errors that a caller may see are *problem.Error.
package apikey

import (
	"context"
	"crypto/subtle"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/coalesce"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/recent"
)

var (
	// ErrInvalid means that the key is malformed, unknown or revoked; callers cannot tell which.
	ErrInvalid = problem.New(problem.Unauthenticated, "invalid_api_key", "This API key is not valid.")
	// ErrNotFound means that no key has this id.
	ErrNotFound = problem.New(problem.NotFound, "api_key_not_found", "There is no such API key.")
)

// Key describes a key, without the secret.
type Key struct {
	ID        uuid.UUID
	Name      string // for people
	Prefix    string // how the key begins, "crk_" and 8 characters: enough to recognise it, useless to use it
	Scope     Scope
	CreatedAt time.Time
	RevokedAt time.Time // zero: in force
}

// Options for New.
type Options struct {
	Clock clock.Clock // dates keys and revocations
}

// Keys makes, checks and revokes keys. It is safe for concurrent use.
type Keys struct {
	pool *pgxpool.Pool
	now  clock.Clock
	rows *coalesce.Reader[string, keyRow]
	// One service sends thousands of requests a second with one key: within recentFor they share a
	// look at it.
	recent *recent.Cache[string, keyRow]
}

// For how long a key is believed without asking again, and how many are. It bounds how late a
// revocation in another process may be: less than a request takes that was let in just before it.
const (
	recentFor = 10 * time.Millisecond
	maxRecent = 1_000
)

// New returns the keys in a migrated database.
func New(pool *pgxpool.Pool, o Options) *Keys {
	k := &Keys{
		pool:   pool,
		now:    o.Clock,
		recent: recent.New[string, keyRow](maxRecent),
	}
	k.rows = coalesce.New(k.readInForce)
	return k
}

// Create makes a key. secret is not stored. Errors: kind Unprocessable for a name that is not 1 to
// 100 printable characters, or without scope; problem.Unavailable.
func (k *Keys) Create(ctx context.Context, name string, scope Scope) (key Key, secret string, err error) {
	if err := checkName(name); err != nil {
		return Key{}, "", err
	}
	if !scope.Allows(Read) {
		return Key{}, "", problem.Invalid("scopes", "must be one or more of read, spend, admin")
	}
	secret = newSecret()
	sum := hash(secret)
	key = Key{
		ID:        uuid.New(),
		Name:      name,
		Prefix:    secret[:prefixLength],
		Scope:     scope,
		CreatedAt: k.now(),
	}
	// That two of a thousand keys get one prefix happens once in two million installations, and is
	// an error to try again after.
	if _, err := k.pool.Exec(ctx, `
		insert into api_keys (id, name, prefix, secret_hash, scope, created_at) values ($1, $2, $3, $4, $5, $6)`,
		key.ID, key.Name, key.Prefix, sum[:], key.Scope.String(), key.CreatedAt); err != nil {
		return Key{}, "", problem.Unavailable(err)
	}
	return key, secret, nil
}

func checkName(name string) error {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if n := utf8.RuneCountInString(name); n < 1 || n > 100 || !utf8.ValidString(name) || strings.ContainsFunc(name,
		unprintable) {
		return problem.Invalid("name", "must be 1 to 100 printable characters")
	}
	return nil
}

// Verify returns the key that secret is. Errors: ErrInvalid, problem.Unavailable.
func (k *Keys) Verify(ctx context.Context, secret string) (Key, error) {
	prefix, ok := prefixOf(secret)
	if !ok {
		return Key{}, ErrInvalid
	}
	key, stored, err := k.inForce(ctx, prefix)
	if err != nil {
		return Key{}, err
	}
	// The row was found by its public part; whether the secret part fits shows in no timing.
	// Without a row stored is empty and fits nothing.
	if sum := hash(secret); subtle.ConstantTimeCompare(stored, sum[:]) != 1 {
		return Key{}, ErrInvalid
	}
	return key, nil
}

// inForce returns the key with a public prefix and the hash of its secret; zero values if there is
// none or it is revoked. Every request of the API calls it.
func (k *Keys) inForce(ctx context.Context, prefix string) (key Key, stored []byte, err error) {
	now := k.now()
	row, known, mark := k.recent.Get(prefix, now)
	if known {
		return row.key, row.hash, nil
	}
	row, ok, err := k.rows.Get(ctx, prefix)
	if err != nil {
		return Key{}, nil, problem.Unavailable(err)
	}
	if !ok {
		return Key{}, nil, nil
	}
	k.recent.Put(prefix, row, now, now.Add(recentFor), mark)
	return row.key, row.hash, nil
}

// keyRow is a key in force and the hash of its secret.
type keyRow struct {
	key  Key
	hash []byte
}

// readInForce reads many keys with one query.
func (k *Keys) readInForce(ctx context.Context, prefixes []string) (map[string]keyRow, error) {
	rows, err := k.pool.Query(ctx, `
		select id, name, prefix, scope, created_at, secret_hash from api_keys
		where prefix = any($1) and revoked_at is null`, prefixes)
	if err != nil {
		return nil, err
	}
	found := make(map[string]keyRow, len(prefixes))
	var row keyRow
	var scope string
	_, err = pgx.ForEachRow(rows, []any{
		&row.key.ID, &row.key.Name, &row.key.Prefix, &scope, &row.key.CreatedAt,
		&row.hash,
	}, func() error {
		row.key.Scope, _ = scopeNamed(scope) // one this binary does not know allows nothing
		row.key.CreatedAt = row.key.CreatedAt.UTC()
		found[row.key.Prefix] = row
		row.hash = nil
		return nil
	})
	return found, err
}

// Revoke ends a key: at once here, within recentFor in other processes. Revoking it again does
// nothing. Errors: ErrNotFound, problem.Unavailable.
func (k *Keys) Revoke(ctx context.Context, id uuid.UUID) error {
	tag, err := k.pool.Exec(ctx, `update api_keys set revoked_at = coalesce(revoked_at, $2) where id = $1`, id,
		k.now())
	if err != nil {
		return problem.Unavailable(err)
	}
	if tag.RowsAffected() == 0 {
		return ErrNotFound
	}
	k.recent.ForgetAll()
	return nil
}

// List returns all keys, newest first, with the revoked ones. The error is problem.Unavailable.
func (k *Keys) List(ctx context.Context) ([]Key, error) {
	rows, err := k.pool.Query(ctx, `
		select id, name, prefix, scope, created_at, revoked_at from api_keys order by created_at desc, id`)
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Key, error) {
		var key Key
		var scope string
		var revoked *time.Time
		if err := row.Scan(&key.ID, &key.Name, &key.Prefix, &scope, &key.CreatedAt, &revoked); err != nil {
			return Key{}, err
		}
		key.Scope, _ = scopeNamed(scope)
		key.CreatedAt = key.CreatedAt.UTC()
		if revoked != nil {
			key.RevokedAt = revoked.UTC()
		}
		return key, nil
	})
	if err != nil {
		return nil, problem.Unavailable(err)
	}
	return keys, nil
}
