package bench_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"pop.store/credits/internal/bench"
)

// The test binary also plays the second server of a benchmark.
func TestMain(m *testing.M) {
	if slices.Equal(os.Args[1:], []string{"bench", bench.PeerCommand}) {
		if err := bench.Peer(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Every benchmark runs at a small size, and the ledger balances afterwards. Speed is not tested.
func TestEveryBenchmarkRuns(t *testing.T) {
	dir, err := os.MkdirTemp("", "credits-bench-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres' user has to pass through
		t.Fatal(err)
	}
	for _, name := range bench.Names() {
		t.Run(name, func(t *testing.T) {
			o := bench.Options{
				Seconds:  1,
				Rounds:   1,
				Callers:  8,
				Accounts: 2,
				Dir:      dir,
			}
			r, err := bench.Run(t.Context(), name, o)
			if err != nil {
				t.Fatal(err)
			}
			if !r.BooksBalance || r.OpsPerS <= 0 || r.P99 <= 0 || len(r.Baselines) == 0 || r.Ratio <= 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}
