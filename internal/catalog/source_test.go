package catalog_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/clock"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpenAndReload(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "prices.yaml")
	write(t, file, small)
	s, warnings, err := catalog.Open(file, clock.NewManual(day(1)).Now)
	if err != nil || warnings != nil {
		t.Fatal(warnings, err)
	}
	first := s.InForce()

	for _, bad := range []string{
		strings.Replace(small, "price: 10\n", "price: -1\n", 1), "",
		strings.Repeat(" ", catalog.MaxFileSize+1),
	} {
		write(t, file, bad)
		if _, err := s.Reload(); err == nil || !strings.HasPrefix(err.Error(), file+":") || s.InForce() != first {
			t.Errorf("a bad file: %v, %+v", err, s.InForce())
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reload(); err == nil || err.Error() != file+": cannot be read: no such file or directory" ||
		s.InForce() != first {
		t.Errorf("no file: %v", err)
	}

	write(t, file, edit(t, edit(t, small, "id: big\n", "id: huge\n"), "price: 10\n", "price: 11\n"))
	warnings, err = s.Reload()
	second := s.InForce()
	want := []string{
		file + ": warning: plan big is gone: accounts on it keep their tokens and get no new ones",
		file + ": warning: prices are not what they were, and version still says v1; entries tell them apart as " +
			first.Version + " and " + second.Version,
	}
	if err != nil || !slices.Equal(lines(warnings), want) || second.Version == first.Version {
		t.Errorf("%q, %v", lines(warnings), err)
	}
	write(t, file, edit(t, small, "version: v1", "version: v2"))
	warnings, err = s.Reload()
	if err != nil || len(warnings) != 1 || !strings.HasPrefix(s.InForce().Version, "v2+") {
		t.Errorf("%q, %v", lines(warnings), err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for file, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot be read: no such file or directory",
		dir:                             "cannot be read: is a directory",
	} {
		if s, _, err := catalog.Open(file, clock.System); s != nil || err == nil || err.Error() != file+": "+want {
			t.Errorf("%v, %v", s, err)
		}
	}
	if s, warnings, err := catalog.Open("", clock.System); err != nil || warnings != nil ||
		s.InForce().Version != catalog.DefaultVersion {
		t.Errorf("the built-in catalog: %v, %v", warnings, err)
	}
}
