package webhook

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// Secrets are stored sealed by Options.Keys, each bound to its endpoint.

func (s *Service) seal(endpoint uuid.UUID, secret []byte) []byte {
	return s.o.Keys.Seal(secret, endpoint.String())
}

func (s *Service) unseal(endpoint uuid.UUID, stored []byte) ([]byte, error) {
	return s.o.Keys.Open(stored, endpoint.String())
}

const (
	sqlKeepSecret = `update webhook_requests set endpoint = $2, secret = $3 where idempotency_key = $1`
	sqlSecretOf   = `select secret, coalesce(answer->>'Secret', '') from webhook_requests where idempotency_key = $1`
)

// secretRequest runs a POST that makes a secret, once. The secret is stored apart from the answer
// and is deleted with the answer or the endpoint.
func (s *Service) secretRequest(
	ctx context.Context, key string, print []byte, do func(tx pgx.Tx, secret []byte) (Endpoint, error),
) (answer Secret, replayed bool, err error) {
	secret := newSecret()
	answer, replayed, err = request(ctx, s, key, print, func(tx pgx.Tx) (Secret, error) {
		e, err := do(tx, secret)
		if err == nil {
			_, err = tx.Exec(ctx, sqlKeepSecret, key, e.ID, s.seal(e.ID, secret))
		}
		return Secret{Endpoint: e, Secret: secretText(secret)}, err
	})
	if err == nil && replayed {
		answer.Secret, err = s.secretOf(ctx, key, answer.ID)
	}
	if err != nil {
		return Secret{}, false, err
	}
	return answer, replayed, nil
}

// secretOf returns the secret of a replayed answer, or ErrNoEndpoint if its endpoint was deleted.
func (s *Service) secretOf(ctx context.Context, key string, endpoint uuid.UUID) (string, error) {
	var stored []byte
	var inside string // from an answer of an older version
	if err := s.pool.QueryRow(ctx, sqlSecretOf, key).Scan(&stored, &inside); err != nil {
		return "", problem.Unavailable(err)
	}
	if stored == nil {
		if inside == "" {
			return "", ErrNoEndpoint
		}
		return inside, nil
	}
	secret, err := s.unseal(endpoint, stored)
	if err != nil {
		return "", problem.Unavailable(err)
	}
	return secretText(secret), nil
}

// sealChunk is how many secrets are read at a time.
const sealChunk = 500

// Each entry lists the rows after a key with their sealed secrets, and stores a secret again unless
// it was changed meanwhile.
var sealed = []struct{ list, store string }{
	{
		`select id::text, id, secret from webhook_endpoints where deleted_at is null and id::text > $1 order by id::text limit $2`,
		`update webhook_endpoints set secret = $2 where id::text = $1 and secret = $3`,
	},
	{
		`select id::text, id, old_secret from webhook_endpoints where deleted_at is null and old_secret <> '' and id::text > $1 order by id::text limit $2`,
		`update webhook_endpoints set old_secret = $2 where id::text = $1 and old_secret = $3`,
	},
	{
		`select idempotency_key, endpoint, secret from webhook_requests where secret is not null and idempotency_key > $1 order by idempotency_key limit $2`,
		`update webhook_requests set secret = $2 where idempotency_key = $1 and secret = $3`,
	},
}

// sqlTakeOut moves secrets out of answers that older versions stored. Those of deleted endpoints
// are deleted.
const sqlTakeOut = `update webhook_requests as r set answer = r.answer - 'Secret', endpoint = e.id,
		secret = case when e.id is not null then decode(substr(r.answer->>'Secret', 7), 'base64') end
	from webhook_requests as q left join webhook_endpoints as e on e.id::text = q.answer->>'ID' and e.deleted_at is null
	where q.idempotency_key = r.idempotency_key and r.answer ? 'Secret'`

// Reseal seals all secrets with the first key. It runs at startup, so that an old key can be
// removed after one start. count is how many were stored again. The error is the first secret that
// cannot be read, after all others are done, or one of kind Unavailable.
func (s *Service) Reseal(ctx context.Context) (count int, err error) {
	if _, err := s.pool.Exec(ctx, sqlTakeOut); err != nil {
		return 0, problem.Unavailable(err)
	}
	var unread error
	for _, kind := range sealed {
		for after, more := "", true; more; {
			list, err := s.stored(ctx, kind.list, after)
			if err != nil {
				return count, problem.Unavailable(err)
			}
			for _, row := range list {
				n, err := s.reseal(ctx, kind.store, row)
				if problem.Of(err).Kind == problem.KindUnavailable {
					return count, err
				}
				if unread == nil {
					unread = err
				}
				count, after = count+n, row.key
			}
			more = len(list) == sealChunk
		}
	}
	return count, unread
}

// storedSecret is a sealed secret and its row's key.
type storedSecret struct {
	key      string
	endpoint uuid.UUID
	secret   []byte
}

func (s *Service) stored(ctx context.Context, sql, after string) ([]storedSecret, error) {
	rows, err := s.pool.Query(ctx, sql, after, sealChunk)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (r storedSecret, err error) {
		return r, row.Scan(&r.key, &r.endpoint, &r.secret)
	})
}

func (s *Service) reseal(ctx context.Context, sql string, row storedSecret) (count int, err error) {
	if s.o.Keys.Current(row.secret) {
		return 0, nil
	}
	plain, err := s.unseal(row.endpoint, row.secret)
	if err != nil {
		return 0, fmt.Errorf("the secret of webhook endpoint %s: %w", row.endpoint, err)
	}
	tag, err := s.pool.Exec(ctx, sql, row.key, s.seal(row.endpoint, plain), row.secret)
	if err != nil {
		return 0, problem.Unavailable(err)
	}
	return int(tag.RowsAffected()), nil
}
