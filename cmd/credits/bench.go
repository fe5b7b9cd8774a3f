package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
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
	names := append(bench.Names(), allBenchmarks)
	usage := fmt.Errorf("bench NAME [--seconds N] [--callers N] [--accounts N] [--dir DIR] [--json], NAME one of %s: %w", strings.Join(names, ", "), errUsage)
	if len(args) == 0 || !slices.Contains(append(names, bench.PeerCommand), args[0]) {
		return usage
	}
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 || o.Seconds < 1 || o.Seconds > 600 ||
		o.Callers < 0 || o.Accounts < 0 {
		return usage
	}
	relaxCollector(p.getenv)
	if args[0] == bench.PeerCommand {
		return bench.Peer(ctx, os.Stdin, p.stdout)
	}
	if args[0] == allBenchmarks {
		return p.benchAll(ctx, o)
	}
	r, err := bench.Run(ctx, args[0], o)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(p.stdout).Encode(r)
	}
	p.printResult(r)
	return nil
}

// allBenchmarks is the name for all of them.
const allBenchmarks = "all"

// benchAll measures everything, charges also with few callers, and ends with one table.
func (p *program) benchAll(ctx context.Context, o bench.Options) error {
	var results []bench.Result
	for _, name := range bench.Names() {
		r, err := bench.Run(ctx, name, o)
		if err != nil {
			return err
		}
		results = append(results, r)
		if name == "charges" {
			few := o
			few.Callers = 64
			if r, err = bench.Run(ctx, name, few); err != nil {
				return err
			}
			r.Name = "charges, 64 callers"
			results = append(results, r)
		}
	}
	fmt.Fprintf(p.stdout, "%-20s %10s %9s %9s %8s %8s  %s\n", "benchmark", "per second", "p50 ms", "p99 ms",
		"app us", "db us", "goals")
	for _, r := range results {
		cost := r.CPU[bench.Itself]
		fmt.Fprintf(p.stdout, "%-20s %10.0f %9.1f %9.1f %8.1f %8.1f  %s\n", r.Name, r.OpsPerS, r.P50, r.P99,
			cost.App, cost.Postgres, goalsOf(r))
	}
	return nil
}

// goalsOf says in a line what was aimed at and what was reached.
func goalsOf(r bench.Result) string {
	var parts []string
	for _, g := range r.Goals {
		sign, aim := ">=", g.AtLeast
		if g.AtMost > 0 {
			sign, aim = "<=", g.AtMost
		}
		parts = append(parts, fmt.Sprintf("%.2f x %s (goal %s %.2f: %s)", r.Ratios[g.Against], g.Against, sign,
			aim, reached(g)))
	}
	if !r.BooksBalance {
		parts = append(parts, "THE BOOKS DO NOT BALANCE")
	}
	return strings.Join(parts, ", ")
}

func reached(g bench.Goal) string {
	if g.Met {
		return "met"
	}
	return "missed"
}

func (p *program) printResult(r bench.Result) {
	fmt.Fprintf(p.stdout, "%s: %.0f/s, p50 %.1f ms, p99 %.1f ms, books balance: %t\n", r.Name, r.OpsPerS, r.P50,
		r.P99, r.BooksBalance)
	for _, name := range slices.Sorted(maps.Keys(r.Ratios)) {
		fmt.Fprintf(p.stdout, "  %.2f x %s\n", r.Ratios[name], name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.CPU)) {
		fmt.Fprintf(p.stdout, "  CPU of one, %s: app %.1f us, Postgres %.1f us\n", name, r.CPU[name].App,
			r.CPU[name].Postgres)
	}
	if goals := goalsOf(r); goals != "" {
		fmt.Fprintf(p.stdout, "  %s\n", goals)
	}
}
