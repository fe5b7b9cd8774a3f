package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The data folder of a running server is deleted: the server ends with an error of one line, and makes no
// new database.
func TestDataFolderDeletedWhileServing(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	p := s.serve(t)
	if err := os.RemoveAll(filepath.Join(s.dir, "var")); err != nil {
		t.Fatal(err)
	}
	wantGone(t, p)
	if left, err := os.ReadDir(s.dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// The same for data in another place, because root runs the server in a folder that Postgres' user cannot
// enter. The next start says where the data are, and makes no other database.
func TestNoteOfTheDataDeletedWhileServing(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		return // only root's data are in another place
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := setting{dir: dir}
	p := s.serve(t)
	moved := filepath.Dir(p.pgdata(t))
	t.Cleanup(func() {
		if err := os.RemoveAll(moved); err != nil || !strings.HasPrefix(moved, "/var/lib/credits/") {
			t.Errorf("%s: %v", moved, err)
		}
		_ = os.Remove(filepath.Dir(moved)) // only if it is empty
	})
	if err := os.RemoveAll(filepath.Join(dir, "var")); err != nil {
		t.Fatal(err)
	}
	wantGone(t, p)
	refused(t, s.run(t, "serve", "--addr", "127.0.0.1:0"), 1, "its data are still in "+moved, "rm -r "+moved)
	if found, err := filepath.Glob(moved + "*"); err != nil || len(found) != 1 {
		t.Errorf("%q, %v", found, err)
	}
}

// wantGone waits for the end of a server whose data were deleted. Failures before it noticed may be logged.
func wantGone(t *testing.T, p *server) {
	t.Helper()
	code := p.wait(t)
	said := p.stderr.String()
	end := regexp.MustCompile(`(?m)^credits: the data folder was deleted while it was in use: var/postgres\n\z`)
	if code != 1 || !end.MatchString(said) || strings.Count(said, "credits: ") != 1 || strings.Contains(said,
		"starting it again") {
		t.Errorf("exit code %d, said %s", code, p.stderr)
	}
}
