// Package idempotency has the errors of idempotency keys, which every package that binds keys to
// requests answers alike.
package idempotency

import "pop.store/credits/internal/problem"

// The ways in which a key is refused.
var (
	// ErrNoKey is the answer to a request without a key.
	ErrNoKey = problem.New(problem.Malformed, "missing_idempotency_key", "An idempotency key is needed.")
	// ErrKeyReused is the answer to a key that an earlier, different request has.
	ErrKeyReused = problem.New(problem.Unprocessable, "idempotency_key_reused",
		"This idempotency key was used for a different request.")
)
