package config

import (
	"slices"
	"strings"
)

// Names returns the variables that Load reads, sorted.
func Names() []string {
	var names []string
	_, _ = Load(func(name string) string { // without a value nothing is wrong
		names = append(names, name)
		return ""
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// Unknown is a variable that nothing reads.
type Unknown struct {
	Name  string
	Meant string // the variable that it was probably meant to be; empty: none is near
}

// maxTypos is how many wrong letters a name may have to be recognised.
const maxTypos = 3

// Unknowns finds variables that were meant for Credits but are not read: those named CREDITS_...,
// and misspelt ones. environ is as os.Environ returns it.
func Unknowns(environ []string) []Unknown {
	known := Names()
	var found []Unknown
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if slices.Contains(known, name) {
			continue
		}
		meant, typos := nearest(name, known)
		ours := strings.HasPrefix(name, "CREDITS_")
		switch {
		case ours && typos <= maxTypos, typos <= 1:
			found = append(found, Unknown{Name: name, Meant: meant})
		case ours:
			found = append(found, Unknown{Name: name, Meant: within(name, known)})
		}
	}
	slices.SortFunc(found, func(a, b Unknown) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// nearest is the known name with the smallest edit distance.
func nearest(name string, known []string) (best string, typos int) {
	typos = len(name) + 1
	for _, k := range known {
		if d := distance(name, k); d < typos {
			best, typos = k, d
		}
	}
	return best, typos
}

// within is the only known name that contains all words of a name, such as
// CREDITS_STRIPE_SECRET_KEY for CREDITS_SECRET_KEY; empty if there is not exactly one.
func within(name string, known []string) string {
	words := strings.Split(name, "_")
	var found []string
	for _, k := range known {
		theirs := strings.Split(k, "_")
		if !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(theirs, w) }) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// distance is the edit distance with transpositions.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(replace, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
