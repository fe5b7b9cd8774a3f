package testdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"pop.store/credits/internal/embedpg"
)

// house is the folder of one test process' server. Its lock is held for as long as the process
// lives, however that ends; so a house whose lock is free was left by a killed run.
type house struct {
	dir  string
	lock *os.File
}

const prefix = "credits-test-"

// newHouse makes one, in memory where there is enough of it, and clears away what killed runs have left.
func newHouse() (*house, error) {
	dir, err := os.MkdirTemp(roomiest(), prefix)
	if err != nil {
		return nil, err
	}
	h := &house{dir: dir}
	// The user Postgres runs as has to pass; what is inside is closed again.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, errors.Join(err, h.remove())
	}
	if h.lock, err = lock(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), h.remove())
	}
	clearOld(dir)
	return h, nil
}

// data is the server's data folder.
func (h *house) data() string { return filepath.Join(h.dir, "pg") }

func (h *house) remove() error {
	err := removeAll(h.dir)
	if h.lock != nil {
		err = errors.Join(err, h.lock.Close())
	}
	return err
}

// roomiest prefers memory. A container often has 64 MB of it, which a few copies of a database fill.
func roomiest() string {
	const enough = 1 << 30
	var fs syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &fs); err == nil &&
		uint64(fs.Bavail)*uint64(fs.Bsize) >= enough { //nolint:unconvert // signed on some systems
		if f, err := os.CreateTemp("/dev/shm", prefix); err == nil { // it may be read-only
			_ = f.Close()
			if os.Remove(f.Name()) == nil {
				return "/dev/shm"
			}
		}
	}
	return os.TempDir()
}

func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// removeAll removes a house, and the data that lie elsewhere because Postgres' user cannot reach a
// closed TMPDIR.
func removeAll(dir string) error {
	var err error
	if where, found := embedpg.Moved(filepath.Join(dir, "pg")); found {
		err = os.RemoveAll(where)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// clearOld removes the houses of processes that are gone. What it may not or cannot remove it
// leaves to the next run.
func clearOld(mine string) {
	for _, place := range []string{"/dev/shm", os.TempDir()} {
		found, _ := filepath.Glob(filepath.Join(place, prefix+"*")) // the pattern is valid
		for _, dir := range found {
			info, err := os.Lstat(dir)
			// A young one may not have locked itself yet.
			if err != nil || dir == mine || !info.IsDir() || time.Since(info.ModTime()) < time.Minute {
				continue
			}
			f, err := lock(dir)
			if err != nil {
				continue
			}
			_ = removeAll(dir)
			_ = f.Close()
		}
	}
}
