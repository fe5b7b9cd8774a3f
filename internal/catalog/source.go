package catalog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"pop.store/credits/internal/clock"
)

// Source holds the loaded catalog and reloads it. It is safe for concurrent use.
type Source struct {
	file   string // empty: the built-in catalog
	clock  clock.Clock
	loaded atomic.Pointer[Catalog]
}

// NewSource returns a source of a catalog in memory.
func NewSource(c *Catalog, now clock.Clock) *Source {
	s := &Source{clock: now}
	s.Replace(c)
	return s
}

// Open returns a source of a file, or of the built-in catalog if file is empty, and the warnings.
// The error is an *Error.
func Open(file string, now clock.Clock) (*Source, []Finding, error) {
	if file == "" {
		return NewSource(Builtin(), now), nil, nil
	}
	c, warnings, err := Load(file)
	if err != nil {
		return nil, nil, err
	}
	s := NewSource(c, now)
	s.file = file
	return s, warnings, nil
}

// Load reads a catalog file like Parse. The error is an *Error, also if the file cannot be read.
func Load(file string) (*Catalog, []Finding, error) {
	text, err := read(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err // findings have the name already
		}
		return nil, nil, &Error{[]Finding{{File: file, Reason: "cannot be read: " + err.Error()}}}
	}
	return Parse(file, text)
}

// read reads at most one byte more than Parse accepts.
func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFileSize+1))
}

// InForce returns the version in force now.
func (s *Source) InForce() *Catalog { return s.loaded.Load().At(s.clock()) }

// Replace replaces the catalog. Work that is running finishes at the prices it started with.
func (s *Source) Replace(c *Catalog) { s.loaded.Store(c) }

// Reload reads the file again. The warnings include differences from the old catalog. If the file is
// invalid the old catalog stays and the error is an *Error. A source without a file does nothing.
func (s *Source) Reload() ([]Finding, error) {
	if s.file == "" {
		return nil, nil
	}
	c, warnings, err := Load(s.file)
	if err != nil {
		return nil, err
	}
	before := s.InForce()
	s.Replace(c)
	return append(warnings, differences(s.file, before, s.InForce())...), nil
}

// differences warns of changes that may surprise.
func differences(file string, before, after *Catalog) []Finding {
	var list []Finding
	for _, p := range before.Plans {
		if _, ok := after.Plan(p.ID); !ok {
			reason := fmt.Sprintf("warning: plan %s is gone: accounts on it keep their tokens and get no new ones",
				p.ID)
			list = append(list, Finding{File: file, Reason: reason})
		}
	}
	was, _, _ := strings.Cut(before.Version, "+")
	is, _, _ := strings.Cut(after.Version, "+")
	if was == is && before.Version != after.Version {
		reason := fmt.Sprintf("warning: prices are not what they were, and version still says %s; "+
			"entries tell them apart as %s and %s",
			is, before.Version, after.Version)
		list = append(list, Finding{File: file, Reason: reason})
	}
	return list
}
