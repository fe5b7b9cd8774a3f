package embedpg

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestColdThenWarm(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folderIn(t, ""), "new", "data") // a real disk
	o := Options{DataDir: dir, Durable: true}
	s := begin(t, o)
	url := s.URL("postgres", "postgres")
	for setting, want := range map[string]string{
		"fsync":              "on",
		"synchronous_commit": "on",
		"full_page_writes":   "on",
		"data_checksums":     "on",
		"server_encoding":    "UTF8",
		"TimeZone":           "UTC",
		"listen_addresses":   "",
	} {
		if got := ask(t, s, "SELECT current_setting('"+setting+"', true)"); got != want {
			t.Errorf("%s = %q, want %q", setting, got, want)
		}
	}
	if got := ask(t, s, "SELECT datcollate FROM pg_database WHERE datname = 'postgres'"); got != "C" {
		t.Errorf("collation %q", got)
	}
	ask(t, s, "CREATE TABLE kept AS SELECT 'yes' AS it")
	stopServer(t, s)
	stopServer(t, s) // a second stop does no harm
	<-s.Done()
	if pids := serving(filepath.Join(dir, "pgdata"), s.proc.cmd.Process.Pid); len(pids) > 0 {
		t.Errorf("processes %v are left", pids)
	}

	s = begin(t, o)
	if got := ask(t, s, "SELECT it FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
	if s.URL("postgres", "postgres") != url || s.DataDir() != dir {
		t.Errorf("moved to %s, %s", s.URL("postgres", "postgres"), s.DataDir())
	}
	if log := serverLog(t, dir); strings.Contains(log, "not properly shut down") {
		t.Error("the first stop was not clean:", log)
	}
}

func TestRelativeFolderAndSettings(t *testing.T) {
	t.Parallel()
	work, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(folder(t), "data")
	relative, err := filepath.Rel(work, dir)
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, Options{DataDir: relative, Settings: map[string]string{"max_connections": "37", "work_mem": "5MB"}})
	if s.DataDir() != dir {
		t.Errorf("data in %s, want %s", s.DataDir(), dir)
	}
	got := ask(t, s, `SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings
		WHERE name IN ('max_connections', 'work_mem', 'fsync')`)
	if got != "off 37 5120" {
		t.Errorf("settings %q", got)
	}
}

// Other users can reach neither the socket nor the data, and Ctrl-C at the terminal does not reach
// the server.
func TestClosedToOthers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // open on purpose: the start has to close it
		t.Fatal(err)
	}
	s := begin(t, Options{DataDir: dir})
	for _, name := range []string{dir, filepath.Join(dir, "pgdata"), filepath.Join(dir, ".s.PGSQL.5432")} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	pid := s.proc.cmd.Process.Pid
	if group, err := syscall.Getpgid(pid); err != nil || group != pid {
		t.Errorf("process %d is in group %d: %v", pid, group, err)
	}
}

// Linux signals a child when the *thread* that forked it ends, and the runtime ends threads.
func TestThreadsComeAndGo(t *testing.T) {
	t.Parallel()
	s := begin(t, Options{DataDir: filepath.Join(folder(t), "data")})
	var threads sync.WaitGroup
	for range 200 {
		threads.Go(runtime.LockOSThread) // a goroutine that ends locked ends its thread
	}
	threads.Wait()
	runtime.GC()
	if got := ask(t, s, "SELECT 'alive'"); got != "alive" {
		t.Error(got)
	}
	select {
	case <-s.Done():
		t.Error("the server has ended")
	default:
	}
}

func TestRunningTwice(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data")}
	s := begin(t, o)
	if err := refused(t, o); !errors.Is(err, ErrRunning) {
		t.Error(err)
	}
	if got := ask(t, s, "SELECT 'unharmed'"); got != "unharmed" {
		t.Error(got)
	}
}

// A Postgres that was started by hand does not hold our lock, and is not touched.
func TestRunningByHand(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data")}
	stopServer(t, begin(t, o))
	where, err := prepare(o.DataDir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := where.choose(candidates())
	if err != nil {
		t.Fatal(err)
	}
	byHand, err := where.serve(t.Context(), bin, where.dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := byHand.stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := refused(t, o); !errors.Is(err, ErrRunning) {
		t.Error(err)
	}
	select {
	case <-byHand.done:
		t.Error("it was stopped")
	default:
	}
}

func TestAttach(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data")}
	if _, ok, err := Attach(o); ok || err != nil {
		t.Errorf("attached without a server: %v, %v", ok, err)
	}
	other := helper(t, o.DataDir)
	s, ok, err := Attach(o)
	if err != nil || !ok {
		t.Fatalf("not attached: %v", err)
	}
	stopServer(t, s)
	if got := ask(t, s, "SELECT 'still there'"); got != "still there" {
		t.Error(got)
	}
	kill(other)
	until(t, "no server to attach to", func() bool {
		_, ok, err := Attach(o)
		if err != nil {
			t.Fatal(err)
		}
		return !ok
	})
}
