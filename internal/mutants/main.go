// Command mutants makes small changes to a package's code, one at a time, runs the package's tests
// against each, and lists the changes that no test noticed. The source is left alone: the Go tool
// reads changed files through an overlay. Property tests may leave what made them fail in
// testdata/rapid, which git ignores.
//
// The tests are those of the package and of the packages in its folders: those of
// internal/ledger/engine test the rules in internal/ledger, too.
//
//	go run ./internal/mutants [-sample 60] [-seed 1] [-minutes 60] [-file NAME] ./internal/ledger
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// options are what is changed and for how long.
type options struct {
	dir     string   // of the package
	tests   []string // packages whose tests run: it and those in its folders
	file    string   // only this file; empty: all
	sample  int      // so many changes; 0: all
	seed    uint64   // of the choice
	minutes int      // no change is begun after that
	testFor time.Duration
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.IntVar(&o.sample, "sample", 60, "how many changes, chosen at random; 0: all of them")
	flags.Uint64Var(&o.seed, "seed", 1, "of the choice")
	flags.IntVar(&o.minutes, "minutes", 60, "no change is begun after so many")
	flags.StringVar(&o.file, "file", "", "only changes to this file of the package")
	flags.DurationVar(&o.testFor, "test-timeout", 20*time.Minute, "tests that take longer have noticed the change")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() != 1 {
		return o, errors.New("name one package by its folder, such as ./internal/ledger")
	}
	o.dir = flags.Arg(0)
	return o, nil
}

// verdict is what the tests made of a change.
type verdict string

const (
	noticed  verdict = "red"
	survived verdict = "GREEN"
	invalid  verdict = "does not build"
)

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	all, err := candidates(o.dir, o.file)
	if err != nil {
		return err
	}
	if o.sample > 0 {
		random := rand.New(rand.NewPCG(o.seed, 0))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	}
	if o.tests, err = testedBy(ctx, o.dir); err != nil {
		return err
	}
	slow, err := slowTests(ctx, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: %d possible changes, seed %d\n", o.dir, len(all), o.seed)
	counts := tryAll(ctx, o, slow, all, out)
	tried := counts[noticed] + counts[survived]
	if tried == 0 {
		return errors.New("no change was tried")
	}
	fmt.Fprintf(out, "%d changes, %d red (%.0f %%), %d green\n", tried, counts[noticed],
		100*float64(counts[noticed])/float64(tried), counts[survived])
	return ctx.Err()
}

// testedBy lists a package and the packages in its folders that have tests, the package first.
func testedBy(ctx context.Context, dir string) ([]string, error) {
	const format = `{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}`
	pattern := "./" + filepath.ToSlash(filepath.Clean(dir)) + "/..."
	list, err := exec.CommandContext(ctx, "go", "list", "-f", format, pattern).Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", dir, err)
	}
	packages := strings.Fields(string(list))
	if len(packages) == 0 {
		return nil, fmt.Errorf("%s has no tests", dir)
	}
	return packages, nil
}

// tryAll tries changes until the sample is full, they run out, or time does. A change that does not
// build counts for nothing.
func tryAll(ctx context.Context, o options, slow string, all []mutant, out io.Writer) map[verdict]int {
	counts := map[verdict]int{}
	end := time.Now().Add(time.Duration(o.minutes) * time.Minute)
	for i := range all {
		if ctx.Err() != nil || time.Now().After(end) ||
			(o.sample > 0 && counts[noticed]+counts[survived] >= o.sample) {
			break
		}
		verdict, said := try(ctx, o, slow, &all[i])
		if ctx.Err() != nil {
			break
		}
		counts[verdict]++
		if verdict != invalid {
			fmt.Fprintf(out, "%-5s %s%s\n", verdict, all[i], said)
		}
	}
	return counts
}

// try runs the quick tests with a change, and the slow ones only when those have not noticed it.
func try(ctx context.Context, o options, slow string, m *mutant) (verdict, string) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return invalid, err.Error()
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := m.overlay(dir)
	if err != nil {
		return invalid, err.Error()
	}
	verdict, said := test(ctx, o, "-overlay", overlay, "-skip", slow)
	if verdict == survived {
		verdict, said = test(ctx, o, "-overlay", overlay, "-run", slow)
	}
	return verdict, said
}

// test runs some of the package's tests. It gives the name of the test that failed, or what the
// compiler said.
func test(ctx context.Context, o options, args ...string) (verdict, string) {
	var said []byte
	var err error
	for _, pkg := range o.tests {
		if said, err = goTest(ctx, o, pkg, append(args, "-failfast")...); err != nil {
			break
		}
	}
	switch {
	case err == nil:
		return survived, ""
	case bytes.Contains(said, []byte("[build failed]")) || bytes.Contains(said, []byte("[setup failed]")):
		return invalid, string(said)
	default:
		return noticed, "  <- " + failedTest(string(said))
	}
}

func goTest(ctx context.Context, o options, pkg string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, o.testFor+5*time.Minute)
	defer cancel()
	args = append([]string{"test", "-count=1", "-vet=off", "-timeout", o.testFor.String()}, args...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	// go test ends its program, and that its Postgres
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	return cmd.CombinedOutput()
}

// failedTest names the test that failed first.
func failedTest(said string) string {
	for line := range strings.Lines(said) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			return strings.Fields(name)[0]
		}
	}
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return lines[max(0, len(lines)-2)]
}

// overlay writes the changed file into dir, and the file that tells the Go tool to read it in place
// of the original.
func (m *mutant) overlay(dir string) (string, error) {
	original, err := filepath.Abs(m.path)
	if err != nil {
		return "", err
	}
	source, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, m.apply(source), 0o600); err != nil {
		return "", err
	}
	raw, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, raw, 0o600)
}

// apply gives the source with the change.
func (m *mutant) apply(source []byte) []byte {
	return slices.Concat(source[:m.from], []byte(m.to), source[m.end:])
}
