package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is something about a catalog file that its author should know: one line, safe to print.
type Finding struct {
	File   string
	Line   int // zero: the file as a whole
	Reason string
}

// String is the form that editors and CI understand: FILE:LINE: reason.
func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Reason)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Reason)
}

// Error is a catalog that cannot be used: everything that is wrong with it, in the order of its lines.
type Error struct {
	Findings []Finding
}

// Error gives one line for each finding.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// maxFindings is how many errors of a file are told: whoever has more begins with these.
const maxFindings = 100

// inOrder sorts findings by line and cuts what is too much.
func inOrder(list []Finding) []Finding {
	slices.SortStableFunc(list, func(a, b Finding) int { return a.Line - b.Line })
	if len(list) > maxFindings {
		rest := Finding{
			File:   list[0].File,
			Line:   list[maxFindings].Line,
			Reason: "and more from here on",
		}
		list = append(list[:maxFindings:maxFindings], rest)
	}
	return list
}
