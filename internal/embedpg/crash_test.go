package embedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Postgres is killed: Done is closed, and a new start recovers what was committed.
func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data"), Durable: true}
	s := begin(t, o)
	ask(t, s, "CREATE TABLE kept AS SELECT 'yes' AS it")
	if err := s.proc.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(hang):
		t.Fatal("Done was not closed")
	}
	if !exists(o.DataDir, "pgdata", "postmaster.pid") {
		t.Fatal("there is no stale pid file, so the test is void")
	}
	next := begin(t, o)
	if got := ask(t, next, "SELECT it FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
	stopServer(t, s) // stopping the dead server does not harm the new one
	if got := ask(t, next, "SELECT it FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
}

// The parent of Postgres is killed: Postgres shuts down cleanly, and a concurrent start waits.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data"), Durable: true}
	parent := helper(t, o.DataDir)
	kill(parent)
	s := begin(t, o)
	if log := serverLog(t, o.DataDir); strings.Contains(log, "not properly shut down") ||
		!strings.Contains(log, "fast shutdown") {
		t.Error("no clean shutdown:", log)
	}
	stopServer(t, s)

	parent = helper(t, o.DataDir)
	state, err := readPidFile(filepath.Join(o.DataDir, "pgdata"))
	if err != nil {
		t.Fatal(err)
	}
	kill(parent)
	until(t, "Postgres stops without anybody's help", func() bool {
		return len(serving(filepath.Join(o.DataDir, "pgdata"), state.pid)) == 0
	})
}

// After a crash of the machine the pid file may name an unrelated process.
func TestPidFileNamesSomebodyElse(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data")}
	stopServer(t, begin(t, o))
	p := place{dir: o.DataDir}
	bystander := p.sleeper(t)
	pid := filepath.Join(p.pgdata(), "postmaster.pid")
	stale := fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n  1  2\nready   \n", bystander, p.pgdata(), o.DataDir)
	if err := os.WriteFile(pid, []byte(stale), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := Attach(o); ok || err != nil {
		t.Errorf("attached to a bystander: %v, %v", ok, err)
	}
	s := begin(t, o)
	if got := ask(t, s, "SELECT 'up'"); got != "up" {
		t.Error(got)
	}
	if !alive(bystander) {
		t.Error("the bystander was killed")
	}
}

// sleeper is a process of the server's user, which Postgres would mistake for a server.
func (p place) sleeper(t *testing.T) int {
	t.Helper()
	who, err := accountFor(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := who.command("/", "/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	return cmd.Process.Pid
}

// A cancelled start leaves no processes and no unfinished database.
func TestCalledOff(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		s, err := Start(ctx, Options{DataDir: dir})
		cancel()
		if err == nil {
			t.Log("this machine starts in ", after)
			stopServer(t, s)
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrRunning) || strings.Contains(err.Error(),
			"\n") {
			t.Errorf("after %v: %q", after, err)
		}
		if exists(dir, "new-pgdata") {
			t.Error("an unfinished database is left")
		}
		if pids := serving(filepath.Join(dir, "pgdata"), 0); len(pids) > 0 {
			t.Errorf("processes %v are left", pids)
		}
	}
	s := begin(t, Options{DataDir: dir})
	stopServer(t, s)
}

// A start that was killed during initdb does not block the next one.
func TestHalfInitialised(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	stopServer(t, begin(t, Options{DataDir: dir}))
	if err := os.Rename(filepath.Join(dir, "pgdata"), filepath.Join(dir, "new-pgdata")); err != nil {
		t.Fatal(err)
	}
	s := begin(t, Options{DataDir: dir})
	if got := ask(t, s, "SELECT 'up'"); got != "up" {
		t.Error(got)
	}
}

// The log is cut while in use, and its end is kept.
func TestLogIsBounded(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	p := place{dir: dir, who: account{uid: os.Geteuid()}}
	f, err := os.OpenFile(p.logName(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(s string) {
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Repeat("x", maxLog) + "the end\n")
	if size := p.boundLog(); size != 0 {
		t.Errorf("size %d", size)
	}
	write("after\n")
	if got := serverLog(t, dir); got != "after\n" {
		t.Errorf("log %q", got)
	}
	old, err := os.ReadFile(p.logName() + ".1")
	if err != nil || !strings.HasSuffix(string(old), "xxthe end\n") || len(old) > maxLog/8 {
		t.Errorf("kept %d bytes: %v", len(old), err)
	}
	if err := syscall.Access(p.logName(), 4); err != nil {
		t.Error(err)
	}
}
