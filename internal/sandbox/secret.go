package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/clock"
)

const secretName = "sandbox_webhook_secret"

const sqlKeepSecret = `insert into installation (name, value, created_at) values ($1, $2, $3) on conflict (name) do nothing`

// EnsureSecret returns the secret that signs this installation's sandbox events. The first call creates it;
// concurrent calls get the same one.
func EnsureSecret(ctx context.Context, pool *pgxpool.Pool, now clock.Clock) (string, error) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	fresh := "whsec_" + base64.StdEncoding.EncodeToString(raw)
	if _, err := pool.Exec(ctx, sqlKeepSecret, secretName, fresh, now()); err != nil {
		return "", fmt.Errorf("store the sandbox's signing secret: %w", err)
	}
	var secret string
	if err := pool.QueryRow(ctx, `select value from installation where name = $1`,
		secretName).Scan(&secret); err != nil {
		return "", fmt.Errorf("read the sandbox's signing secret: %w", err)
	}
	return secret, nil
}
