package embedpg

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What depends on the user, once more as an ordinary one when the suite runs as root.
func TestAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // then every other test is that test
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := id(nobody.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := id(nobody.Gid)
	if err != nil {
		t.Fatal(err)
	}
	dir := folderIn(t, "") // memory may be mounted without the right to run programs
	program := filepath.Join(dir, "suite")
	if out, err := exec.Command("cp", "--", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(work, uid, gid); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.timeout=10m",
		"-test.run=ColdThenWarm|ClosedToOthers|Running|Attach|Killed|PidFile|Folder|LongPath")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "TMPDIR="+work, "HOME="+work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestColdThenWarm")) {
		t.Fatalf("as user nobody: %v\n%s", err, out)
	}
}

// A folder that the server's user cannot enter: root moves the data and says so, anybody else is told why.
func TestUnreachableFolder(t *testing.T) {
	t.Parallel()
	closed := filepath.Join(folder(t), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	o := Options{DataDir: filepath.Join(closed, "data")}
	if os.Geteuid() != 0 {
		if err := os.Chmod(closed, 0); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, o); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
		if _, _, err := Attach(o); !errors.Is(err, os.ErrPermission) {
			t.Error(err)
		}
		return
	}
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := begin(t, o)
	moved := s.DataDir()
	first := s
	t.Cleanup(func() { cleared(t, first) })
	if filepath.Dir(moved) != elsewhere || !strings.Contains(log.String(), moved) {
		t.Errorf("data in %s; said %s", moved, log.String())
	}
	ask(t, s, "CREATE TABLE kept AS SELECT 'yes' AS it")
	if attached, ok, err := Attach(o); err != nil || !ok || attached.DataDir() != moved {
		t.Errorf("not attached: %v", err)
	}
	end(t, s)
	s = begin(t, o)
	if got := ask(t, s, "SELECT it FROM kept"); got != "yes" || s.DataDir() != moved {
		t.Errorf("kept %q in %s", got, s.DataDir())
	}
	end(t, s)
	if where, ok := Moved(o.DataDir); !ok || where != moved {
		t.Errorf("moved to %q, %v", where, ok)
	}

	// Whoever deletes the folder may want to begin anew, or not: the old data are neither taken nor
	// replaced, and it says what to do.
	if err := os.RemoveAll(o.DataDir); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, o); !strings.Contains(err.Error(), "rm -r "+moved) || !strings.Contains(err.Error(),
		"echo "+moved) {
		t.Error(err)
	}
	found, err := filepath.Glob(moved + "*")
	if err != nil || len(found) != 1 || !exists(moved, "pgdata") {
		t.Errorf("%q, %v", found, err)
	}
	if err := os.WriteFile(filepath.Join(o.DataDir, "location"), []byte(moved+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = begin(t, o)
	if got := ask(t, s, "SELECT it FROM kept"); got != "yes" {
		t.Errorf("kept %q", got)
	}
	end(t, s)
	if err := os.RemoveAll(o.DataDir); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(moved); err != nil {
		t.Fatal(err)
	}
	s = begin(t, o)
	if got := ask(t, s, "SELECT (to_regclass('kept') IS NULL)::text"); got != "true" {
		t.Errorf("not new: %q", got)
	}
}

// cleared removes data that lie outside the test's own folder.
func cleared(t *testing.T, s *Server) {
	t.Helper()
	end(t, s)
	if filepath.Dir(s.DataDir()) != elsewhere {
		t.Fatalf("not removing %s", s.DataDir())
	}
	if err := os.RemoveAll(s.DataDir()); err != nil {
		t.Error(err)
	}
	_ = os.Remove(elsewhere) // only when nothing else is in it
}

// Root uses the folder of an ordinary user as that user, so that it stays theirs.
func TestFolderOfSomebody(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	if uid == 0 {
		somebody, err := user.Lookup("nobody") // whom root would not choose by itself, where there is a user postgres
		if err != nil {
			t.Fatal(err)
		}
		if uid, err = id(somebody.Uid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	begin(t, Options{DataDir: dir})
	for _, name := range []string{"pgdata", "pgdata/PG_VERSION", "postgres.log", "lock"} {
		if got, _, ok := owner(filepath.Join(dir, name)); !ok || got != uid {
			t.Errorf("%s belongs to %d, want %d", name, got, uid)
		}
	}
}

func TestFolderOfOtherFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, Options{DataDir: dir}); !errors.Is(err, ErrNotOurs) {
		t.Error(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the folder was changed: %v, %v", info.Mode(), err)
	}
}

// A path too long for a Unix socket gets its socket elsewhere, in a folder that goes when the server stops.
func TestLongPath(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), strings.Repeat("long", 40), "data")}
	s := begin(t, o)
	if info, err := os.Stat(s.socket); err != nil || info.Mode().Perm() != 0o700 || filepath.Dir(s.socket) != "/tmp" {
		t.Errorf("socket in %s: %v", s.socket, err)
	}
	if attached, ok, err := Attach(o); err != nil || !ok || attached.socket != s.socket {
		t.Errorf("not attached: %v", err)
	}
	// After a crash its place is the same, so that whoever uses it need not be told.
	if err := s.proc.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	o.Again = true
	next := begin(t, o)
	if next.socket != s.socket {
		t.Errorf("socket in %s, then in %s", s.socket, next.socket)
	}
	end(t, next)
	if _, err := os.Lstat(next.socket); !os.IsNotExist(err) || exists(o.DataDir, "socket") {
		t.Errorf("%s is left behind: %v", next.socket, err)
	}
}

func TestOtherVersion(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data")}
	end(t, begin(t, o))
	version := filepath.Join(o.DataDir, "pgdata", "PG_VERSION")
	if err := os.WriteFile(version, []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, o); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "Postgres 9") {
		t.Error(err)
	}
	if !exists(o.DataDir, "pgdata", "base") {
		t.Error("the data are gone")
	}
}

func TestNotInstalled(t *testing.T) {
	t.Parallel()
	_, err := place{dir: t.TempDir()}.choose(nil)
	if !errors.Is(err, ErrNotInstalled) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q", err)
	}
	for _, way := range []string{"apt-get install", "dnf install", "brew install"} {
		if !strings.Contains(err.Error(), way) {
			t.Errorf("no word of %s in %q", way, err)
		}
	}
}

// What Postgres complained about is in the error.
func TestBadSetting(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data"), Settings: map[string]string{"work_mem": "plenty"}}
	if err := refused(t, o); !strings.Contains(err.Error(), `invalid value for parameter "work_mem": "plenty"`) {
		t.Error(err)
	}
	o.Settings = nil
	s := begin(t, o)
	if got := ask(t, s, "SELECT 'up'"); got != "up" {
		t.Error(got)
	}
}
