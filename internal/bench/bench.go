// Package bench measures the app and compares each figure with what its parts cost alone, at the same time
// on the same machine, since absolute figures say little on a shared machine. It starts its own Postgres
// with default durability on a real disk.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// Options configure a benchmark.
type Options struct {
	Seconds  int // of one measurement
	Rounds   int // repetitions, of which the median counts; zero: three
	Callers  int // zero: the benchmark's own
	Accounts int // zero: the benchmark's own
	Dir      string
	Progress io.Writer // receives progress for a person
}

// Result is a benchmark's result.
type Result struct {
	Name         string             `json:"name"`
	OpsPerS      float64            `json:"ops_per_s"`
	P50          float64            `json:"p50_ms"`
	P99          float64            `json:"p99_ms"`
	Ratio        float64            `json:"ratio"`     // to the goal's baseline
	Ratios       map[string]float64 `json:"ratios"`    // to each baseline
	Baselines    map[string]float64 `json:"baselines"` // per second
	CPU          map[string]CPU     `json:"cpu"`       // by name, Itself and the baselines; zero if the system does not report it
	BooksBalance bool               `json:"books_balance"`
	Goals        []Goal             `json:"goals"`
}

// CPU is the cost of one operation, in microseconds of one core. The app's part includes the callers.
type CPU struct {
	App      float64 `json:"app_us"`
	Postgres float64 `json:"postgres_us"`
}

// cpu is used CPU time.
type cpu struct{ app, postgres time.Duration }

// Goal is the ratio to reach.
type Goal struct {
	Against string  `json:"against"`
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
	Met     bool    `json:"met"`
}

// benchmark is what to measure and its baselines.
type benchmark struct {
	name    string
	about   string
	callers int
	set     func(ctx context.Context, l *lab, o Options) (*experiment, error)
}

// experiment is a prepared benchmark.
type experiment struct {
	run       probe
	baselines []baseline // the goal's comes first
	goals     []Goal
}

// baseline is a cost to compare with.
type baseline struct {
	name string
	run  probe
}

// probe runs a load for some time and measures it.
type probe func(ctx context.Context, d time.Duration) (sample, error)

// sample is one measurement.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	cost      CPU
}

// metered runs a probe and measures its CPU time.
func (l *lab) metered(ctx context.Context, run probe, d time.Duration) (sample, error) {
	before, began := l.spent(), time.Now()
	s, err := run(ctx, d)
	after, ops := l.spent(), s.perSecond*time.Since(began).Seconds()
	if ops > 0 {
		s.cost = CPU{
			App:      microseconds(after.app-before.app) / ops,
			Postgres: microseconds(after.postgres-before.postgres) / ops,
		}
	}
	return s, err
}

// Names lists the benchmarks in the order of the table.
func Names() []string {
	var names []string
	for _, b := range all {
		names = append(names, b.name)
	}
	return names
}

// Run measures one benchmark.
func Run(ctx context.Context, name string, o Options) (Result, error) {
	i := slices.IndexFunc(all, func(b benchmark) bool { return b.name == name })
	if i < 0 {
		return Result{}, fmt.Errorf("there is no benchmark %q", name)
	}
	b := all[i]
	if o.Callers == 0 {
		o.Callers = b.callers
	}
	l, err := openLab(ctx, o)
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	e, err := b.set(ctx, l, o)
	if err != nil {
		return Result{}, fmt.Errorf("prepare %s: %w", name, err)
	}
	if o.Rounds == 0 {
		o.Rounds = 3
	}
	r, err := e.measure(ctx, time.Duration(o.Seconds)*time.Second, o.Rounds, l)
	if err != nil {
		return Result{}, fmt.Errorf("measure %s: %w", name, err)
	}
	r.Name = b.name
	r.BooksBalance, err = l.booksBalance(ctx)
	return r, err
}

// measure alternates between the benchmark and its baselines, so that a slow phase of the machine affects
// all, and compares round by round.
func (e *experiment) measure(ctx context.Context, d time.Duration, rounds int, l *lab) (Result, error) {
	r := Result{
		Ratios:    map[string]float64{},
		Baselines: map[string]float64{},
		CPU:       map[string]CPU{},
		Goals:     e.goals,
	}
	var own []sample
	ratios, speeds := map[string][]float64{}, map[string][]float64{}
	for round := range rounds {
		l.say("round %d of %d", round+1, rounds)
		s, err := l.metered(ctx, e.run, d)
		if err != nil {
			return r, err
		}
		own = append(own, s)
		for _, b := range e.baselines {
			base, err := l.metered(ctx, b.run, d)
			if err != nil {
				return r, fmt.Errorf("%s: %w", b.name, err)
			}
			r.CPU[b.name] = base.cost
			speeds[b.name] = append(speeds[b.name], base.perSecond)
			ratios[b.name] = append(ratios[b.name], s.perSecond/base.perSecond)
			if base.p50 > 0 {
				ratios[b.name+"_p50"] = append(ratios[b.name+"_p50"], float64(s.p50)/float64(base.p50))
			}
			if base.p99 > 0 {
				ratios[b.name+"_p99"] = append(ratios[b.name+"_p99"], float64(s.p99)/float64(base.p99))
			}
		}
	}
	slices.SortFunc(own, func(a, b sample) int { return int(a.perSecond - b.perSecond) })
	middle := own[len(own)/2]
	r.OpsPerS, r.P50, r.P99, r.CPU[Itself] = middle.perSecond, milliseconds(middle.p50), milliseconds(middle.p99),
		middle.cost
	for name, list := range speeds {
		r.Baselines[name] = median(list)
	}
	for name, list := range ratios {
		r.Ratios[name] = median(list)
	}
	if len(e.baselines) > 0 {
		r.Ratio = r.Ratios[e.baselines[0].name]
	}
	for i := range r.Goals {
		g := &r.Goals[i]
		ratio := r.Ratios[g.Against]
		g.Met = (g.AtLeast == 0 || ratio >= g.AtLeast) && (g.AtMost == 0 || ratio <= g.AtMost)
	}
	return r, nil
}

// Itself is the benchmark's own name in Result.CPU.
const Itself = "itself"

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
