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

// Source holds the catalog that the app works with. It is safe for concurrent use.
type Source struct {
	file   string // empty: the built-in catalog
	clock  clock.Clock
	loaded atomic.Pointer[Catalog]
}

// NewSource makes a source of a catalog that is at hand.
func NewSource(c *Catalog, now clock.Clock) *Source {
	s := &Source{clock: now}
	s.Replace(c)
	return s
}

// Open makes a source of a file; of the built-in catalog, about which there is nothing to warn,
// when the name is empty. It gives the warnings too. The error is an *Error.
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

// Load reads a catalog file as Parse does. The error is an *Error, also when there is no such file.
func Load(file string) (*Catalog, []Finding, error) {
	text, err := read(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err // without the name, which every finding begins with
		}
		return nil, nil, &Error{[]Finding{{File: file, Reason: "cannot be read: " + err.Error()}}}
	}
	return Parse(file, text)
}

// read takes no more of a file than Parse needs in order to say that it is too large.
func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFileSize+1))
}

// InForce is the version of the catalog that is in force now.
func (s *Source) InForce() *Catalog { return s.loaded.Load().At(s.clock()) }

// Replace puts another catalog in the place of the loaded one. Work under way ends at the prices it
// began with.
func (s *Source) Replace(c *Catalog) { s.loaded.Store(c) }

// Reload reads the file again and puts it in force, with warnings also about what is different from
// before. When it cannot be used, the old catalog stays in force and the error, an *Error, says
// why. A source without a file stays as it is.
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

// differences is what may surprise about a new catalog in the place of an old one.
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
