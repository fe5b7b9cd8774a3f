package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"pop.store/credits/internal/bench"
)

// bench measures one thing, or all of them.
func (p *program) bench(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	o := bench.Options{Progress: p.stderr}
	flags.IntVar(&o.Seconds, "seconds", 5, "of one measurement; there are three of each")
	flags.IntVar(&o.Callers, "callers", 0, "how many ask at once; 0: the benchmark's own number")
	flags.IntVar(&o.Accounts, "accounts", 0, "how many accounts; 0: the benchmark's own number")
	flags.StringVar(&o.Dir, "dir", "", "a folder on a real disk for the database")
	asJSON := flags.Bool("json", false, "one JSON object as the last line")
	usage := fmt.Errorf("bench NAME [--seconds N] [--callers N] [--accounts N] [--dir DIR] [--json], NAME one of %s: %w", strings.Join(bench.Names(), ", "), errUsage)
	if len(args) == 0 || !slices.Contains(bench.Names(), args[0]) {
		return usage
	}
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 || o.Seconds < 1 || o.Seconds > 600 || o.Callers < 0 || o.Accounts < 0 {
		return usage
	}
	r, err := bench.Run(ctx, args[0], o)
	if err != nil {
		return err
	}
	if *asJSON {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%s\n", line)
		return nil
	}
	p.printResult(r)
	return nil
}

func (p *program) printResult(r bench.Result) {
	fmt.Fprintf(p.stdout, "%s: %.0f/s, p50 %.1f ms, p99 %.1f ms, books balance: %t\n", r.Name, r.OpsPerS, r.P50, r.P99, r.BooksBalance)
	for _, name := range slices.Sorted(maps.Keys(r.Ratios)) {
		fmt.Fprintf(p.stdout, "  %.2f x %s\n", r.Ratios[name], name)
	}
	for _, g := range r.Goals {
		verdict := "missed"
		if g.Met {
			verdict = "met"
		}
		if g.AtLeast > 0 {
			fmt.Fprintf(p.stdout, "  goal: at least %.2f x %s: %s\n", g.AtLeast, g.Against, verdict)
		} else {
			fmt.Fprintf(p.stdout, "  goal: at most %.2f x %s: %s\n", g.AtMost, g.Against, verdict)
		}
	}
}
