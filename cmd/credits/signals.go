package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// stopSignal is the cause of the program's context once a signal has ended it.
type stopSignal struct{ signal os.Signal }

func (s stopSignal) Error() string {
	name := "SIGINT"
	if s.signal == syscall.SIGTERM {
		name = "SIGTERM"
	}
	return "told to stop by " + name
}

// notifyStop returns a context that the first SIGINT or SIGTERM ends, with a stopSignal as its
// cause, and a channel that the second one closes.
func notifyStop() (ctx context.Context, second <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	closed := make(chan struct{})
	go func() {
		cancel(stopSignal{<-signals})
		<-signals
		close(closed)
	}()
	return ctx, closed, func() { signal.Stop(signals) }
}
