package bench_test

import (
	"os"
	"testing"

	"pop.store/credits/internal/bench"
)

// Every benchmark runs, small, and leaves books that balance. How fast it is says nothing here.
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
	if err := os.Chmod(dir, 0o711); err != nil { // the user that Postgres runs as has to get through
		t.Fatal(err)
	}
	for _, name := range bench.Names() {
		t.Run(name, func(t *testing.T) {
			o := bench.Options{Seconds: 1, Rounds: 1, Callers: 8, Accounts: 2, Dir: dir}
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
