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

// Postgres is killed: the owner learns of it, and a new start follows at once, with what was committed.
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
		t.Fatal("nobody was told")
	}
	if !exists(o.DataDir, "pgdata", "postmaster.pid") {
		t.Fatal("there is no stale pid file; the test tests nothing")
	}
	next := begin(t, o)
	if got := ask(t, next, "SELECT it FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
	end(t, s) // stopping the dead one does no harm to the new one
	if got := ask(t, next, "SELECT it FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
}

// The process that runs Postgres is killed: Postgres shuts down by itself, cleanly, and a start at
// the same moment waits.
func TestParentKilled(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data"), Durable: true}
	parent := helper(t, o.DataDir)
	kill(parent)
	s := begin(t, o)
	if log := said(t, o.DataDir); strings.Contains(log, "not properly shut down") ||
		!strings.Contains(log, "fast shutdown") {
		t.Error("no clean shutdown:", log)
	}
	end(t, s)

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

// After a crash of the machine the number in the pid file may belong to anybody.
func TestPidFileNamesSomebodyElse(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data")}
	end(t, begin(t, o))
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

// sleeper is a process of the server's user, which Postgres would take for a server.
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

// A start that is called off leaves neither processes nor half a database.
func TestCalledOff(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		s, err := Start(ctx, Options{DataDir: dir})
		cancel()
		if err == nil {
			t.Log("this machine starts in ", after)
			end(t, s)
			continue
		}
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrRunning) || strings.Contains(err.Error(),
			"\n") {
			t.Errorf("after %v: %q", after, err)
		}
		if exists(dir, "new-pgdata") {
			t.Error("half a database is left")
		}
		if pids := serving(filepath.Join(dir, "pgdata"), 0); len(pids) > 0 {
			t.Errorf("processes %v are left", pids)
		}
	}
	s := begin(t, Options{DataDir: dir})
	end(t, s)
}

// A start that was killed in the middle of initdb does not hinder the next.
func TestHalfInitialised(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	end(t, begin(t, Options{DataDir: dir}))
	if err := os.Rename(filepath.Join(dir, "pgdata"), filepath.Join(dir, "new-pgdata")); err != nil {
		t.Fatal(err)
	}
	s := begin(t, Options{DataDir: dir})
	if got := ask(t, s, "SELECT 'up'"); got != "up" {
		t.Error(got)
	}
}

// The log is cut while it is written to, and its end is kept.
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
	if got := said(t, dir); got != "after\n" {
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
