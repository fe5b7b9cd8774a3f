package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// testRun is how long one test took, in seconds.
type testRun struct {
	name    string
	seconds float64
}

// slowTests runs the package's tests as they are and gives a pattern of those that take most of the
// time. Errors: the package does not build, or a test fails without any change.
func slowTests(ctx context.Context, o options) (string, error) {
	var runs []testRun
	for _, pkg := range o.tests {
		said, err := goTest(ctx, o, pkg, "-json")
		if err != nil {
			return "", fmt.Errorf("the package does not build or its tests fail as it is: %w\n%s", err, said)
		}
		runs = append(runs, timesOf(said)...)
	}
	return slowest(runs), nil
}

// timesOf reads the output of go test -json. Subtests count with their test.
func timesOf(output []byte) []testRun {
	var runs []testRun
	for line := range bytes.Lines(output) {
		var event struct {
			Action, Test string
			Elapsed      float64
		}
		if json.Unmarshal(line, &event) != nil || event.Action != "pass" || event.Test == "" ||
			strings.Contains(event.Test, "/") {
			continue
		}
		runs = append(runs, testRun{event.Test, event.Elapsed})
	}
	return runs
}

// slowest is a pattern of the few tests that together take more than three quarters of the time. They run
// only for changes that the quick ones do not notice. It matches nothing when there are no tests.
func slowest(runs []testRun) string {
	slices.SortFunc(runs, func(a, b testRun) int {
		return cmp.Or(cmp.Compare(b.seconds, a.seconds), cmp.Compare(a.name, b.name))
	})
	var total, sum float64
	for _, r := range runs {
		total += r.seconds
	}
	var names []string
	for _, r := range runs {
		if len(names) > 0 && 4*sum > 3*total {
			break
		}
		names = append(names, regexp.QuoteMeta(r.name))
		sum += r.seconds
	}
	return "^(" + strings.Join(names, "|") + ")$"
}
