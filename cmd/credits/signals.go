package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// told is why the program's context has ended: the signal that told it to stop.
type told struct{ by os.Signal }

func (t told) Error() string {
	name := "SIGINT"
	if t.by == syscall.SIGTERM {
		name = "SIGTERM"
	}
	return "told to stop by " + name
}

// untilTold gives a context that ends with the first SIGINT or SIGTERM, whose cause is told, and a
// channel that is closed by the second.
func untilTold() (ctx context.Context, again <-chan struct{}, release func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	hurry := make(chan struct{})
	go func() {
		cancel(told{<-signals})
		<-signals
		close(hurry)
	}()
	return ctx, hurry, func() { signal.Stop(signals) }
}
