package agents

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/ledger"
)

// Label is what a creator calls an agent: its own name, else its feature's, else its id.
func Label(prices *catalog.Catalog, n ledger.AgentName) string {
	if n.Name != "" {
		return n.Name
	}
	if f, ok := prices.Feature(n.Feature); ok {
		return f.Name
	}
	return n.ID
}

// CompareNames orders names as people do: without regard to case, and numbers by their value, so
// that "Agent 2" comes before "Agent 10". It is zero for equal strings only.
func CompareNames(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		if digits(x) > 0 && digits(y) > 0 {
			m, n := x[:digits(x)], y[:digits(y)]
			if c := compareNumbers(m, n); c != 0 {
				return c
			}
			x, y = x[len(m):], y[len(n):]
			continue
		}
		r, size := utf8.DecodeRuneInString(x)
		s, other := utf8.DecodeRuneInString(y)
		if c := cmp.Compare(unicode.ToLower(r), unicode.ToLower(s)); c != 0 {
			return c
		}
		x, y = x[size:], y[other:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// digits counts the ASCII digits at the beginning.
func digits(s string) int {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n
}

// compareNumbers compares runs of digits of any length by their value.
func compareNumbers(m, n string) int {
	m, n = strings.TrimLeft(m, "0"), strings.TrimLeft(n, "0")
	return cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n))
}
