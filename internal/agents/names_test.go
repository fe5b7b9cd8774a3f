package agents_test

import (
	"slices"
	"testing"

	"pop.store/credits/internal/agents"
)

func TestCompareNames(t *testing.T) {
	t.Parallel()
	want := []string{
		"", "2", "10", "Agent", "agent 1", "Agent 2", "agent 9 b", "Agent 10", "Agent 10 a",
		"agent 10b", "Agent 18446744073709551616", "Agent 18446744073709551617", "Éclair", "éclair 2",
	}
	got := slices.Clone(want)
	for i := range got { // an order that is not the right one
		j := (i * 5) % len(got)
		got[i], got[j] = got[j], got[i]
	}
	slices.SortFunc(got, agents.CompareNames)
	if !slices.Equal(got, want) {
		t.Errorf("sorted\n%q, want\n%q", got, want)
	}
	for i, a := range want {
		for j, b := range want {
			if c := agents.CompareNames(a, b); (c == 0) != (i == j) || c != -agents.CompareNames(b, a) {
				t.Errorf("%q and %q: %d", a, b, c)
			}
		}
	}
	if agents.CompareNames("Agent 02", "agent 2") == 0 || agents.CompareNames("Agent", "agent") == 0 {
		t.Error("different names are the same")
	}
}
