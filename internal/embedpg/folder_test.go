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

// When the suite runs as root, tests that depend on the user run again as an ordinary one.
func TestAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // every other test covers it
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
	dir := folderIn(t, "") // a memory file system may not allow running programs
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

// The server's user cannot enter the folder: root moves the data and logs it, any other user gets an error.
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
	stopServer(t, s)
	s = begin(t, o)
	if got := ask(t, s, "SELECT it FROM kept"); got != "yes" || s.DataDir() != moved {
		t.Errorf("kept %q in %s", got, s.DataDir())
	}
	stopServer(t, s)
	if where, ok := Moved(o.DataDir); !ok || where != moved {
		t.Errorf("moved to %q, %v", where, ok)
	}

	// The owner may have deleted the folder to start anew, or by mistake: the old data are neither used nor
	// replaced, and the error says what to do.
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
	stopServer(t, s)
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

// cleared deletes data outside the test's own folder.
func cleared(t *testing.T, s *Server) {
	t.Helper()
	stopServer(t, s)
	if filepath.Dir(s.DataDir()) != elsewhere {
		t.Fatalf("not removing %s", s.DataDir())
	}
	if err := os.RemoveAll(s.DataDir()); err != nil {
		t.Error(err)
	}
	_ = os.Remove(elsewhere) // only if it is empty
}

// Root uses an ordinary user's folder as that user, so that its owner stays.
func TestFolderOfSomebody(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	uid := os.Geteuid()
	if uid == 0 {
		other, err := user.Lookup("nobody") // root would not choose this user where postgres exists
		if err != nil {
			t.Fatal(err)
		}
		if uid, err = id(other.Uid); err != nil {
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

// If the path is too long for a Unix socket, the socket is in another folder, which Stop removes.
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
	// After a crash the socket has the same place, so clients need no new address.
	if err := s.proc.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.Done()
	o.Again = true
	next := begin(t, o)
	if next.socket != s.socket {
		t.Errorf("socket in %s, then in %s", s.socket, next.socket)
	}
	stopServer(t, next)
	if _, err := os.Lstat(next.socket); !os.IsNotExist(err) || exists(o.DataDir, "socket") {
		t.Errorf("%s is left behind: %v", next.socket, err)
	}
}

func TestOtherVersion(t *testing.T) {
	t.Parallel()
	o := Options{DataDir: filepath.Join(folder(t), "data")}
	stopServer(t, begin(t, o))
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
			t.Errorf("%s is missing in %q", way, err)
		}
	}
}

// The error contains Postgres' complaint.
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
