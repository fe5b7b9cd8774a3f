package main

import (
	"context"
	"log/slog"
)

// Main lets the test binary be the program under test.
var Main = main

// KeepTrying starts a database until it works.
func KeepTrying(ctx context.Context, start func() error) error {
	return (&program{log: slog.New(slog.DiscardHandler)}).keepTrying(ctx, start)
}

// StartAttempts is the limit of KeepTrying.
const StartAttempts = startAttempts
