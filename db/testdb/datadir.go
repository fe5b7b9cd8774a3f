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

// dataDir is the folder of the Postgres of one test process. The process holds its lock until it
// ends, so an unlocked folder was left by a killed run.
type dataDir struct {
	dir  string
	lock *os.File
}

const prefix = "credits-test-"

// newDataDir makes a folder, in memory if there is room, and removes those of killed runs.
func newDataDir() (*dataDir, error) {
	dir, err := os.MkdirTemp(mostFreeSpace(), prefix)
	if err != nil {
		return nil, err
	}
	d := &dataDir{dir: dir}
	// The user Postgres runs as has to pass; what is inside is closed again.
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	if d.lock, err = lock(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", dir, err), d.remove())
	}
	clearOld(dir)
	return d, nil
}

// data is the server's data folder.
func (d *dataDir) data() string { return filepath.Join(d.dir, "pg") }

func (d *dataDir) remove() error {
	err := removeAll(d.dir)
	if d.lock != nil {
		err = errors.Join(err, d.lock.Close())
	}
	return err
}

// mostFreeSpace is /dev/shm if it has a gigabyte free. Containers often have 64 MB, too little for
// a few databases.
func mostFreeSpace() string {
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

// removeAll removes a folder, and its data if they were moved because the user of Postgres cannot
// reach TMPDIR.
func removeAll(dir string) error {
	var err error
	if where, found := embedpg.Moved(filepath.Join(dir, "pg")); found {
		err = os.RemoveAll(where)
	}
	return errors.Join(err, os.RemoveAll(dir))
}

// clearOld removes the folders of processes that ended. What cannot be removed is left to the next
// run.
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
