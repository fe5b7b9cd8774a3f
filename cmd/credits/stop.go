package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// waitForProxies answers /readyz with 503 and keeps serving until proxies have noticed, which takes them a
// poll or two. It does not wait after Ctrl-C, since a person is waiting, and a second signal ends the wait.
func (s *server) waitForProxies(ctx context.Context, failed <-chan error) error {
	s.handler.Drain()
	if !stoppedBySIGTERM(ctx) {
		return nil
	}
	delay := time.NewTimer(s.config.ShutdownDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-s.secondSignal:
	case err := <-failed:
		return err
	}
	return nil
}

func stoppedBySIGTERM(ctx context.Context) bool {
	var cause stopError
	return errors.As(context.Cause(ctx), &cause) && cause.signal == syscall.SIGTERM
}

// drain closes the port and waits for the running requests.
func drain(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("some requests did not end in time: %w", err), server.Close())
	}
	return nil
}

func (s *server) logStarted(at net.Addr, d *database) {
	kind := "external"
	if d.server != nil {
		kind = "embedded"
	}
	s.started = time.Now()
	s.log.Info("started",
		"version", version(),
		"process", os.Getpid(),
		"address", at.String(),
		"url", s.app.BaseURL.String(),
		"database", kind,
		"demo", s.config.Demo,
		"stripe", s.config.Stripe.SecretKey != "",
		"catalog", s.prices.InForce().Version)
}

func (s *server) logStopped(ctx context.Context) {
	if s.started.IsZero() {
		return
	}
	why := "the end of its context"
	if cause := context.Cause(ctx); cause != nil {
		why = cause.Error()
	}
	s.log.Info("stopped", "why", why, "ran", time.Since(s.started).Round(time.Second).String())
}
