package testdb

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What a killed run left is removed by a later one; what belongs to a run that goes on, or is about
// to, is not.
func TestKilledRunsAreClearedAway(t *testing.T) {
	t.Parallel()
	left := func(locked bool, age time.Duration) string {
		dir, err := os.MkdirTemp("", prefix)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.MkdirAll(filepath.Join(dir, "pg", "pgdata"), 0o700); err != nil {
			t.Fatal(err)
		}
		held, err := lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		if locked {
			t.Cleanup(func() { _ = held.Close() })
		} else if err := held.Close(); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(dir, then, then); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	killed, young, running := left(false, time.Hour), left(false, 0), left(true, time.Hour)
	h, err := newDataDir()
	if err != nil {
		t.Fatal(err)
	}
	// Another package's tests may have been faster, and be removing it just now.
	for deadline := time.Now().Add(limit); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(killed); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the data folder of a killed run is still there")
		}
	}
	for _, dir := range []string{young, running, h.dir} {
		if _, err := os.Stat(dir); err != nil {
			t.Error("gone, though it is in use: ", err)
		}
	}
	if err := h.remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(h.dir); err == nil {
		t.Error("this run's own data folder is still there")
	}
}
