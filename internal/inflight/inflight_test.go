package inflight_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"pop.store/credits/internal/inflight"
)

// Of one key only so many run, the others take their turn, and those beyond are refused. Another
// key is not affected.
func TestOneKeyTakesItsShareOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := inflight.New[string](2, 3)
		var running, most, done atomic.Int64
		finish := make(chan struct{})
		for range 5 {
			go func() {
				release, err := l.Acquire(t.Context(), "busy")
				if err != nil {
					t.Error(err)
					return
				}
				most.Store(max(most.Load(), running.Add(1)))
				<-finish
				running.Add(-1)
				release()
				done.Add(1)
			}()
		}
		synctest.Wait()
		if running.Load() != 2 {
			t.Errorf("%d run, want 2", running.Load())
		}
		if _, err := l.Acquire(t.Context(), "busy"); !errors.Is(err, inflight.ErrTooMany) {
			t.Errorf("the sixth: %v", err)
		}
		release, err := l.Acquire(t.Context(), "other")
		if err != nil {
			t.Fatalf("another key: %v", err)
		}
		release()
		close(finish)
		synctest.Wait()
		if done.Load() != 5 || most.Load() != 2 {
			t.Errorf("%d done, at most %d at once", done.Load(), most.Load())
		}
		if n := l.Keys(); n != 0 {
			t.Errorf("%d keys are kept", n)
		}
	})
}

// A request that stops waiting gives its place up.
func TestWhoLeavesGivesItsPlaceUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := inflight.New[int](1, 1)
		release, err := l.Acquire(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := l.Acquire(ctx, 1)
			left <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("it left with %v", err)
		}
		release()
		if release, err = l.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		release()
		if l.Keys() != 0 {
			t.Error("the key is kept")
		}
	})
}
