package coalesce_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"pop.store/credits/internal/coalesce"
)

func TestEveryoneGetsTheirOwn(t *testing.T) {
	t.Parallel()
	r := coalesce.New(func(_ context.Context, keys []int) (map[int]int, error) {
		found := map[int]int{}
		for _, k := range keys {
			if k%10 != 0 {
				found[k] = k * k
			}
		}
		return found, nil
	})
	var callers sync.WaitGroup
	for i := range 5_000 {
		callers.Go(func() {
			v, ok, err := r.Get(t.Context(), i)
			if err != nil || ok != (i%10 != 0) || (ok && v != i*i) {
				t.Errorf("%d: %d, %t, %v", i, v, ok, err)
			}
		})
	}
	callers.Wait()
}

// While a read is running, all new callers share the next one.
func TestManyShareARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var reads atomic.Int64
		r := coalesce.New(func(_ context.Context, keys []int) (map[int]bool, error) {
			reads.Add(1)
			<-gate
			found := map[int]bool{}
			for _, k := range keys {
				found[k] = true
			}
			return found, nil
		})
		var callers sync.WaitGroup
		for i := range 500 {
			callers.Go(func() {
				if ok, _, err := r.Get(t.Context(), i); !ok || err != nil {
					t.Errorf("%d: %t, %v", i, ok, err)
				}
			})
		}
		synctest.Wait() // all of them wait
		close(gate)
		callers.Wait()
		if n := reads.Load(); n != 2 {
			t.Errorf("%d reads for 500 callers", n)
		}
	})
}

// An answer is never older than its question: what changes before one asks is seen.
func TestAnswersAreNeverOlderThanTheQuestion(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	r := coalesce.New(func(_ context.Context, keys []string) (map[string]int64, error) {
		return map[string]int64{keys[0]: now.Load()}, nil
	})
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 2_000 {
				asked := now.Add(1)
				if got, _, _ := r.Get(t.Context(), "time"); got < asked {
					t.Errorf("asked at %d, answered with %d", asked, got)
				}
			}
		})
	}
	callers.Wait()
}

func TestALeaverDoesNotDisturbTheOthers(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	r := coalesce.New(func(ctx context.Context, keys []int) (map[int]int, error) {
		<-gate
		return map[int]int{keys[0]: 7}, ctx.Err()
	})
	leaving, leave := context.WithCancel(t.Context())
	var callers sync.WaitGroup
	callers.Go(func() {
		if _, _, err := r.Get(leaving, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("the leaver got %v", err)
		}
		close(gate)
	})
	leave()
	callers.Wait()
	if v, ok, err := r.Get(t.Context(), 1); v != 7 || !ok || err != nil {
		t.Errorf("after a leaver: %d, %t, %v", v, ok, err)
	}
}

func TestErrorsReachEveryone(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	r := coalesce.New(func(context.Context, []int) (map[int]int, error) { return nil, broken })
	for i := range 3 {
		if _, _, err := r.Get(t.Context(), i); !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
	}
}

// A panic of the shared read is an error for its callers, and the next read is fine.
func TestAPanicIsAnError(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	r := coalesce.New(func(context.Context, []int) (map[int]int, error) {
		if reads.Add(1) == 1 {
			panic("broken")
		}
		return map[int]int{1: 7}, nil
	})
	_, ok, err := r.Get(t.Context(), 1)
	if ok || err == nil || !strings.Contains(err.Error(), "panic while reading: broken") {
		t.Errorf("a panic gave %t, %v", ok, err)
	}
	if v, ok, err := r.Get(t.Context(), 1); v != 7 || !ok || err != nil {
		t.Errorf("after a panic: %d, %t, %v", v, ok, err)
	}
}
