package main_test

import (
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Runs as an ordinary user in its own folder, whichever user runs the tests.
func TestServeAsOrdinaryUser(t *testing.T) {
	t.Parallel()
	dir := folderIn(t, "") // a memory file system may not allow running programs
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	s := setting{dir: home, env: []string{"CREDITS_DEMO=1"}}
	uid := os.Geteuid()
	if uid == 0 {
		s.program = filepath.Join(dir, "credits")
		copyFile(t, os.Args[0], s.program, 0o755)
		s.user = nobody(t)
		uid = int(s.user.Uid)
		if err := os.Chown(home, uid, int(s.user.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s = s.with("HOME="+home, "TMPDIR="+home)
	p := s.serve(t)
	if got := p.pgdata(t); got != filepath.Join(home, "var", "postgres", "pgdata") {
		t.Errorf("the data are in %s", got)
	}
	cookie := p.signIn(t)
	if page := p.get(t, http.StatusOK, "/credits", "Cookie", cookie); !strings.Contains(page.body,
		"Maya&#39;s Studio") {
		t.Error("the page does not name the shop")
	}
	key := s.newKey(t, "read")
	p.api(t, http.StatusOK, key, http.MethodGet, "/v1/accounts/maya", "")
	postgres := p.postgres(t)
	p.stop(t)
	if alive(postgres) {
		t.Error("Postgres is still there")
	}
	err := filepath.WalkDir(filepath.Join(home, "var"), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != uid {
			t.Errorf("%s belongs to %d, want %d", path, st.Uid, uid)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}

	// A folder without access.
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	if s.user == nil {
		if err := os.Chmod(closed, 0); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, s.with("CREDITS_DATA_DIR="+filepath.Join(closed, "data")).run(t, "serve", "--addr", "127.0.0.1:0"),
		2, "CREDITS_DATA_DIR", "permission denied")
}

func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	// macOS prints the ids of the user "nobody" as -2.
	uid, err := strconv.ParseInt(u.Uid, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseInt(u.Gid, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
