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

// leave announces the end and serves on until proxies have noticed it, which takes them a poll of
// /readyz or two. Ctrl-C comes from somebody who waits, so it ends the server without a delay, as
// does a second signal.
func (s *site) leave(ctx context.Context, failed <-chan error) error {
	s.app.Drain()
	if !delays(ctx) {
		return nil
	}
	delay := time.NewTimer(s.config.ShutdownDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-s.again:
	case err := <-failed:
		return err
	}
	return nil
}

// delays says whether a program waits before its port closes: when SIGTERM told it to stop.
func delays(ctx context.Context) bool {
	var why told
	return errors.As(context.Cause(ctx), &why) && why.by == syscall.SIGTERM
}

// drain closes the port and lets the requests under way end.
func drain(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("some requests did not end in time: %w", err), server.Close())
	}
	return nil
}

// sayStarted and sayStopped frame what a server logs.
func (s *site) sayStarted(at net.Addr, d *database) {
	kind := "external"
	if d.server != nil {
		kind = "embedded"
	}
	s.began = time.Now()
	s.log.Info("started", "version", version(), "process", os.Getpid(), "address", at.String(), "url",
		s.app.BaseURL.String(), "database", kind,
		"demo", s.config.Demo, "stripe", s.config.Stripe.SecretKey != "", "catalog", s.prices.InForce().Version)
}

func (s *site) sayStopped(ctx context.Context) {
	if s.began.IsZero() {
		return
	}
	why := "the end of its context"
	if cause := context.Cause(ctx); cause != nil {
		why = cause.Error()
	}
	s.log.Info("stopped", "why", why, "ran", time.Since(s.began).Round(time.Second).String())
}
