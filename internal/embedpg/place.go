package embedpg

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// elsewhere is where root keeps the data of a folder that the server's user cannot reach.
const elsewhere = "/var/lib/credits"

// place is a data folder and the account that uses it.
type place struct {
	dir string
	who account
}

func (p place) pgdata() string { return filepath.Join(p.dir, "pgdata") }

// locate finds where the data of a wanted folder are. It changes nothing.
func locate(wanted string) (place, error) {
	dir, err := filepath.Abs(wanted)
	if err != nil {
		return place{}, fmt.Errorf("data folder %s: %w", wanted, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "location"))
	if errors.Is(err, os.ErrNotExist) {
		return place{dir: dir}, nil
	}
	if err != nil {
		return place{}, place{dir: dir}.denied(err)
	}
	moved := strings.TrimSpace(string(text))
	if filepath.Dir(moved) != elsewhere {
		return place{}, fmt.Errorf("%w: %s does not name a folder in %s", ErrNotOurs,
			filepath.Join(dir, "location"), elsewhere)
	}
	return place{dir: moved}, nil
}

// Moved returns the folder of the data if they are not in the wanted folder because the server's
// user cannot reach it. To delete the data for good, delete both.
func Moved(wanted string) (string, bool) {
	asked, err := filepath.Abs(wanted)
	if err != nil {
		return "", false
	}
	p, err := locate(wanted)
	return p.dir, err == nil && p.dir != asked
}

// prepare finds or makes the data folder where the server's user can reach it.
func prepare(wanted string, log *slog.Logger) (place, error) {
	p, err := locate(wanted)
	if err != nil {
		return place{}, err
	}
	asked, err := filepath.Abs(wanted)
	if err != nil {
		return place{}, err
	}
	if p.who, err = accountFor(p.dir); err != nil {
		return place{}, err
	}
	if p.dir == asked {
		if p, err = p.makeOrMove(); err != nil {
			return place{}, err
		}
	} else if err := p.make(); err != nil {
		return place{}, err
	}
	if p.dir != asked {
		log.Warn("the user Postgres runs as cannot reach the data folder; the data lie elsewhere",
			"user", p.who.name, "wanted", asked, "used", p.dir)
	}
	return p, nil
}

// makeOrMove makes the wanted folder, or one elsewhere if the server's user cannot reach it. It
// fails if the wanted folder already has data.
func (p place) makeOrMove() (place, error) {
	parent := filepath.Dir(p.dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return p, fmt.Errorf("data folder: %w", err)
	}
	reachable, err := p.who.canEnter(parent)
	if err != nil {
		return p, err
	}
	if reachable {
		err := p.make()
		if err == nil || p.who.credential == nil || !errors.Is(err, syscall.EPERM) {
			return p, err
		}
	}
	if exists(p.pgdata()) {
		return p, fmt.Errorf("the data folder %s holds a database, but user %s, who has to run it, cannot reach it: "+
			"open the folders above it (chmod o+x)", p.dir, p.who.name)
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return p, fmt.Errorf("data folder: %w", err)
	}
	if err := p.mustBeOurs(); err != nil {
		return p, err
	}
	moved, err := p.move()
	if err != nil {
		return p, err
	}
	// Another start may have been first: it has made the same choice.
	err = writeNote(filepath.Join(p.dir, "location"), moved.dir, os.O_EXCL)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return p, fmt.Errorf("data folder: %w", err)
	}
	return moved, nil
}

// move makes a folder elsewhere, with a name derived from the wanted one. If that has data already,
// the wanted folder was deleted; whether the data should be deleted or used again is unknown, so it
// fails.
func (p place) move() (place, error) {
	if err := os.MkdirAll(elsewhere, 0o755); err != nil {
		return p, fmt.Errorf("data folder: %w", err)
	}
	if ok, err := p.who.canEnter(elsewhere); err != nil || !ok {
		return p, both(err, fmt.Errorf("user %s can reach neither %s nor %s for its data", p.who.name, p.dir,
			elsewhere))
	}
	sum := sha256.Sum256([]byte(p.dir))
	moved := place{dir: filepath.Join(elsewhere, hex.EncodeToString(sum[:6])), who: p.who}
	if note := filepath.Join(p.dir, "location"); exists(moved.pgdata()) && !exists(note) {
		return p, fmt.Errorf("%s was deleted, but its data are still in %s: "+
			"delete them, too, to begin anew (rm -r %[2]s), or use them again (echo %[2]s >%[3]s)",
			p.dir, moved.dir, note)
	}
	return moved, moved.make()
}

// make creates the folder, or checks that an existing one is ours, and gives it to the account.
func (p place) make() error {
	if err := os.MkdirAll(filepath.Dir(p.dir), 0o755); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := os.Mkdir(p.dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := p.mustBeOurs(); err != nil {
		return err
	}
	uid, _, ok := owner(p.dir)
	switch {
	case !ok:
		return fmt.Errorf("data folder %s cannot be examined", p.dir)
	case uid == p.who.uid: // closed below, in case another user created it
	case p.who.credential == nil:
		return fmt.Errorf("the data folder %s belongs to user %s", p.dir, userName(uid))
	case exists(p.pgdata()):
		return fmt.Errorf("the data folder %s belongs to root, but user %s has to run Postgres on it: "+
			"chown -R %[2]s %[1]s",
			p.dir, p.who.name)
	}
	if err := p.who.take(p.dir); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// denied adds the owner of the folder to the error if that is the cause.
func (p place) denied(err error) error {
	if uid, _, ok := owner(p.dir); ok && uid != os.Geteuid() && errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the data folder belongs to user %s: %w", userName(uid), err)
	}
	return fmt.Errorf("data folder: %w", err)
}

// mustBeOurs fails if the folder has files that this package did not make.
func (p place) mustBeOurs() error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		return p.denied(err)
	}
	if len(entries) == 0 || exists(p.dir, "lock") || exists(p.pgdata()) {
		return nil
	}
	return fmt.Errorf("%w: %s holds other files, and Postgres needs a folder of its own", ErrNotOurs, p.dir)
}

// acquire takes the lock of the folder. The kernel releases it when the holder ends, so a server
// that still runs under a free lock is about to stop.
func (p place) acquire(ctx context.Context) (*os.File, error) {
	name := filepath.Join(p.dir, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := p.who.takeFile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("data folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, ownerLimit)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		if err := pause(ctx); err != nil {
			_ = f.Close()
			if errors.Is(err, context.DeadlineExceeded) {
				return nil, fmt.Errorf("%w: another process serves the data folder %s", ErrRunning, p.dir)
			}
			return nil, err
		}
	}
}

// waitUntilFree waits for an old server on the data to end after its parent was killed.
func (p place) waitUntilFree(ctx context.Context, log *slog.Logger) error {
	began, told := time.Now(), false
	for {
		state, err := readPidFile(p.pgdata())
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		pids := serving(p.pgdata(), state.pid)
		if len(pids) == 0 {
			return p.forget(state)
		}
		limit := orphanLimit
		if state.status == "ready" && slices.Contains(pids, state.pid) {
			limit = strayLimit
		}
		waited := time.Since(began)
		if waited > limit {
			return fmt.Errorf("%w: a Postgres that is not ours (process %d) serves the data folder %s", ErrRunning,
				pids[0], p.dir)
		}
		if waited > time.Second && !told {
			log.Info("waiting for an old Postgres to end", "process", pids[0])
			told = true
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// forget removes the pid file of a server that ended if its number now belongs to another process,
// which Postgres would mistake for a server. Otherwise Postgres checks the file itself.
func (p place) forget(state pidFile) error {
	if !alive(state.pid) {
		return nil
	}
	if err := os.Remove(filepath.Join(p.pgdata(), "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing a stale pid file: %w", err)
	}
	return nil
}

// writeNote writes a file of one line. It follows no link, because root writes in other users'
// folders.
func writeNote(name, line string, flags int) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW|flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line + "\n")
	return both(err, f.Close())
}

// both joins two errors in one line.
func both(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return fmt.Errorf("%w; then %w", a, b)
}
