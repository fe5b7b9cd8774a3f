package main_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	credits "pop.store/credits/cmd/credits"
)

// A failed restart is tried again after growing pauses, a limited number of times.
func TestARestartIsTriedAgain(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for works := 1; works <= credits.StartAttempts+1; works++ {
		synctest.Test(t, func(t *testing.T) {
			began, tried := time.Now(), 0
			var pauses []time.Duration
			err := credits.KeepTrying(t.Context(), func() error {
				pauses = append(pauses, time.Since(began))
				began = time.Now()
				if tried++; tried < works {
					return broken
				}
				return nil
			})
			if given := works > credits.StartAttempts; errors.Is(err, broken) != given ||
				tried != min(works, credits.StartAttempts) {
				t.Errorf("one that works at the %d. time: tried %d times, %v", works, tried, err)
			}
			for i := 2; i < len(pauses); i++ {
				if pauses[1] < time.Second || pauses[i] <= pauses[i-1] || pauses[i] > time.Minute {
					t.Errorf("pauses of %v", pauses)
				}
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := credits.KeepTrying(ctx, func() error { return broken }); err != nil {
			t.Errorf("after a stop: %v", err)
		}
	})
}

// A temporary obstacle to Postgres' restart does not end the server.
func TestPostgresIsHeldUp(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	p := s.serve(t)
	key := s.newKey(t, "admin")
	p.openAccount(t, key, "studio")
	first, global := p.postgres(t), filepath.Join(p.pgdata(t), "global")
	if err := os.Rename(global, global+".away"); err != nil {
		t.Fatal(err)
	}
	signalled(t, first, syscall.SIGKILL)
	p.until(t, "a start has failed", func() bool {
		return strings.Contains(p.stderr.String(), "could not be started and will be retried")
	})
	p.get(t, http.StatusOK, "/healthz")
	p.get(t, http.StatusServiceUnavailable, "/readyz")
	if err := os.Rename(global+".away", global); err != nil {
		t.Fatal(err)
	}
	p.until(t, "it is ready again", func() bool {
		a, err := p.send(t, http.MethodGet, "/readyz", "")
		return err == nil && a.StatusCode == http.StatusOK
	})
	p.chargeUntilDone(t, key, "studio", "after")
	p.stop(t)
}
