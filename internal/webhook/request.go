package webhook

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/problem"
)

// fingerprint distinguishes requests that use the same idempotency key.
func fingerprint(parts ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return sum[:]
}

// request runs a POST once: do and the stored answer are one transaction. A replay gets the stored
// answer until the sweep deletes it. Concurrent requests with one key wait for the first.
func request[T any](ctx context.Context, s *Service, key string, print []byte,
	do func(pgx.Tx) (T, error),
) (answer T, replayed bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `insert into webhook_requests (idempotency_key, fingerprint, created_at) values ($1, $2, $3)
			on conflict do nothing`, key, print, s.o.Clock())
		if err != nil {
			return err
		}
		if replayed = tag.RowsAffected() == 0; replayed {
			return replay(ctx, tx, key, print, &answer)
		}
		if answer, err = do(tx); err != nil {
			return err
		}
		raw, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "update webhook_requests set answer = $2::jsonb where idempotency_key = $1", key,
			string(raw))
		return err
	})
	return answer, replayed, known(err)
}

func replay(ctx context.Context, tx pgx.Tx, key string, print []byte, answer any) error {
	var theirs, raw []byte
	err := tx.QueryRow(ctx, "select fingerprint, answer::text from webhook_requests where idempotency_key = $1",
		key).Scan(&theirs, &raw)
	if err != nil {
		return err
	}
	if !bytes.Equal(theirs, print) {
		return idempotency.ErrKeyReused
	}
	return json.Unmarshal(raw, answer)
}

// known wraps errors of the database in one of kind Unavailable.
func known(err error) error {
	if err == nil || problem.Of(err).Kind != problem.Internal {
		return err
	}
	return problem.Unavailable(err)
}
