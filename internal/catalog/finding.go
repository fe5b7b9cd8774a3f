package catalog

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is an error or warning about a catalog file. It is one line and safe to print.
type Finding struct {
	File   string
	Line   int // zero: the file as a whole
	Reason string
}

// String has the form that editors and CI understand: FILE:LINE: reason.
func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Reason)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Reason)
}

// Error lists everything that is wrong with a catalog, in the order of lines.
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

// maxFindings is how many errors are reported.
const maxFindings = 100

// inOrder sorts findings by line and cuts the list at maxFindings.
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
