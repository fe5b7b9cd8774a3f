package bench

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// drive runs callers that send one request after the other until the time is over, and measures every
// answer.
func drive(ctx context.Context, callers int, d time.Duration,
	ask func(ctx context.Context, caller int) (done int, err error),
) (sample, error) {
	took := make([][]int32, callers) // microseconds
	var total atomic.Int64
	var failed atomic.Pointer[error]
	var working sync.WaitGroup
	began := time.Now()
	end := began.Add(d)
	for i := range callers {
		working.Go(func() {
			for {
				start := time.Now()
				if start.After(end) || failed.Load() != nil {
					return
				}
				done, err := ask(ctx, i)
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				total.Add(int64(done))
				took[i] = append(took[i], int32(time.Since(start).Microseconds()))
			}
		})
	}
	working.Wait()
	if err := failed.Load(); err != nil {
		return sample{}, *err
	}
	all := slices.Concat(took...)
	if len(all) == 0 {
		return sample{}, errors.New("nothing was answered")
	}
	return summary(all, total.Load(), time.Since(began)), nil
}

// summary builds a sample from the answers' times in microseconds and the number of operations.
func summary[N int | int64](took []int32, done N, elapsed time.Duration) sample {
	slices.Sort(took)
	at := func(share float64) time.Duration {
		return time.Duration(took[int(share*float64(len(took)-1))]) * time.Microsecond
	}
	return sample{
		perSecond: float64(done) / elapsed.Seconds(),
		p50:       at(0.5),
		p99:       at(0.99),
	}
}

// inParallel does n things with some workers and returns the first error.
func inParallel(workers, n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && failed.Load() == nil; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	working.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
