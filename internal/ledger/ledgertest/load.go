package ledgertest

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/ledger/engine"
	"pop.store/credits/internal/tokens"
)

// Work sends n requests of a generator, each to a server chosen at random, or fewer if the context ends. After an
// unknown answer it waits up to 10 ms.
func (rec *Recorder) Work(ctx context.Context, g *Generator, servers []Server, n int) {
	for range n {
		if ctx.Err() != nil {
			return
		}
		r, known := rec.Send(context.WithoutCancel(ctx), servers[g.Random.IntN(len(servers))], g.Next())
		if known {
			g.Observe(r)
		} else {
			time.Sleep(time.Duration(g.Random.IntN(10)) * time.Millisecond)
		}
	}
}

// WorkInBulk sends bulks of charges, of accounts in random order, and single requests in between.
func (rec *Recorder) WorkInBulk(ctx context.Context, name string, ids []uuid.UUID, engines []*engine.Engine,
	rounds int,
) {
	g := NewGenerator(name, ids)
	for range rounds {
		to := engines[g.Random.IntN(len(engines))]
		if g.Random.IntN(3) == 0 {
			if r, known := rec.Send(ctx, InProcess(to), g.Next()); known {
				g.Observe(r)
			}
			continue
		}
		var requests []Request
		for _, i := range g.Random.Perm(len(ids))[:16] {
			g.made++
			requests = append(requests, Request{
				Account: ids[i],
				Key:     name + "-" + strconv.Itoa(g.made),
				Kind:    ledger.KindCharge,
				Amount:  tokens.Amount(1 + g.Random.IntN(3_000_000)),
			})
		}
		rec.sendAll(ctx, to, append(requests, requests[g.Random.IntN(len(requests))]))
	}
}

// WorkDuringFaults sends requests of concurrent callers while it injects faults, one a round. Each round begins under
// load and ends when requests are acknowledged again.
func (rec *Recorder) WorkDuringFaults(servers []Server, callers, rounds int, inject func(round int)) {
	rec.t.Helper()
	ids := rec.OpenAccounts(8)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var working sync.WaitGroup
	for i := range callers {
		g := NewGenerator("caller-"+strconv.Itoa(i), ids)
		working.Go(func() {
			for ctx.Err() == nil {
				rec.Work(ctx, g, servers, 100)
			}
		})
	}
	defer working.Wait()
	defer stop()
	waitForAcked := func(n int64) {
		rec.t.Helper()
		before := rec.Acked.Load()
		rec.f.WaitUntil("requests are acknowledged", func() bool {
			return rec.Acked.Load() >= before+n || rec.t.Failed()
		})
	}
	waitForAcked(50)
	var longest time.Duration
	for round := range rounds {
		injected := time.Now()
		inject(round)
		waitForAcked(1)
		longest = max(longest, time.Since(injected))
		waitForAcked(int64(50 + rand.IntN(100)))
	}
	rec.t.Logf(
		"%d faults; requests were acknowledged again after %v at the latest",
		rounds,
		longest.Round(time.Millisecond),
	)
}

// DrillSize is how much work a test does: the usual amount, or as much as an environment variable says.
func DrillSize(t *testing.T, variable string, usual int) int {
	t.Helper()
	text, ok := os.LookupEnv(variable)
	if !ok {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s is %q, want a number", variable, text)
	}
	return n
}
