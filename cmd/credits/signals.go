package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopError is the cause of the program's context after a signal.
type stopError struct{ signal os.Signal }

func (s stopError) Error() string {
	name := "SIGINT"
	if s.signal == syscall.SIGTERM {
		name = "SIGTERM"
	}
	return "told to stop by " + name
}

// notifyStop returns a context that the first SIGINT or SIGTERM ends, with a stopError as its
// cause, and a channel that the second one closes.
func notifyStop() (ctx context.Context, second <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	closed := make(chan struct{})
	go func() {
		cancel(stopError{<-signals})
		<-signals
		close(closed)
	}()
	return ctx, closed, func() { signal.Stop(signals) }
}
