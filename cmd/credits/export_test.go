package main

import (
	"context"
	"log/slog"
)

// Main lets the test binary be the program under test.
var Main = main

// KeepTrying is how often and when a database is started again.
func KeepTrying(ctx context.Context, start func() error) error {
	return (&program{log: slog.New(slog.DiscardHandler)}).keepTrying(ctx, start)
}

// StartAttempts is how often at most.
const StartAttempts = startAttempts
