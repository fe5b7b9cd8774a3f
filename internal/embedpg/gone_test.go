package embedpg

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Deleted data are noticed while the server runs, and no server is started without them.
func TestDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(dir string) error{
		"deleted":  os.RemoveAll,
		"moved":    func(dir string) error { return os.Rename(dir, dir+".old") },
		"replaced": func(dir string) error { return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(folder(t), "data")
			s := begin(t, Options{DataDir: dir})
			select {
			case <-s.Gone():
				t.Fatal("gone from the start")
			default:
			}
			if err := lose(dir); err != nil {
				t.Fatal(err)
			}
			<-s.Gone()
			if !s.Lost() {
				t.Error("gone but not lost")
			}
			stopServer(t, s)
			if err := refused(t, Options{DataDir: dir, Again: true}); !errors.Is(err, ErrGone) {
				t.Error(err)
			}
			if exists(dir, "pgdata") {
				t.Error("there is a new database")
			}
		})
	}
}
