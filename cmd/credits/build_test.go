package main_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// root is the top folder of the project.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The binary of `make build` runs in an empty image: it needs no dynamic loader and no library. It knows
// its version.
func TestTheBinaryIsStatic(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "credits")
	build := exec.Command(filepath.Join(root(t), ".ci/build"), binary)
	build.Env = append(os.Environ(), "CGO_ENABLED=1") // whatever the environment has
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said, err := exec.Command(binary, "version").Output()
	if err != nil || !strings.HasPrefix(string(said), "credits ") {
		t.Errorf("it says %q, %v", said, err)
	}
	if runtime.GOOS != "linux" {
		return // other systems have no static programs
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has a segment %v", p.Type)
		}
	}
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %q, %v", libraries, err)
	}
}

// script is a program of a test's own.
func script(t *testing.T, name, text string) {
	t.Helper()
	write(t, name, "#!/bin/sh\n"+text)
	if err := os.Chmod(name, 0o700); err != nil {
		t.Fatal(err)
	}
}

// makeRun runs a target of the real Makefile in a folder with stand-ins for the programs that it calls.
// They record their calls.
func makeRun(t *testing.T, env ...string) (called string) {
	t.Helper()
	dir := t.TempDir()
	copyFile(t, filepath.Join(root(t), "Makefile"), filepath.Join(dir, "Makefile"), 0o600)
	for _, name := range []string{".ci/setup", ".ci/build", "bin/credits"} {
		script(t, filepath.Join(dir, name), `echo "`+name+` $* demo=$CREDITS_DEMO" >>called`+"\n")
	}
	run := exec.Command("make", "--no-print-directory", "run")
	run.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CREDITS_") && !strings.HasPrefix(v, "DATABASE_") && !strings.HasPrefix(v, "MAKE") {
			run.Env = append(run.Env, v)
		}
	}
	run.Env = append(run.Env, env...)
	if out, err := run.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %q", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "called"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// With its own database `make run` does not require an installed Postgres.
func TestMakeRunAsksForPostgresOnlyWhenItIsNeeded(t *testing.T) {
	t.Parallel()
	if got := makeRun(t); got != ".ci/build  demo=\n.ci/setup postgres demo=\nbin/credits serve demo=1\n" {
		t.Errorf("without a database: %q", got)
	}
	if got := makeRun(t, "DATABASE_URL=postgres://db.example/credits",
		"CREDITS_DEMO=0"); got != ".ci/build  demo=0\nbin/credits serve demo=0\n" {
		t.Errorf("with one: %q", got)
	}
	if got := makeRun(t, "DATABASE_URL="); !strings.Contains(got, ".ci/setup postgres") {
		t.Errorf("with an empty one: %q", got)
	}
}

// setup runs .ci/setup where nothing but the given programs exists.
func setup(t *testing.T, programs map[string]string, what ...string) (said string, err error) {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	for _, name := range []string{".ci/setup", ".ci/progress"} {
		copyFile(t, filepath.Join(root(t), name), filepath.Join(dir, name), 0o700)
	}
	for _, name := range []string{
		"sh", "cat", "cut", "dirname", "env", "grep", "head", "mktemp", "rm", "sleep",
		"tail", "tr",
	} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range programs {
		script(t, filepath.Join(bin, name), text)
	}
	cmd := exec.Command(filepath.Join(dir, ".ci/setup"), what...)
	cmd.Env = []string{"PATH=" + bin, "PROGRESS_EVERY=1", "TMPDIR=" + dir}
	out, err := cmd.CombinedOutput()
	if left, _ := filepath.Glob(filepath.Join(dir, "tmp.*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	return string(out), err
}

// Setup prints what it installs and its progress, and nothing about what is installed already.
func TestSetupShowsItsProgress(t *testing.T) {
	t.Parallel()
	const linux, root = "echo Linux\n", "echo 0\n"
	said, err := setup(t, map[string]string{
		"uname":   linux,
		"id":      root,
		"apt-get": `case "$*" in *install*) echo "Unpacking gcc-12 (12.2.0) ..."; sleep 3 ;; esac` + "\n",
	}, "cc")
	if err != nil || !strings.HasPrefix(said, "setup: installing gcc libc6-dev (apt-get)\n") ||
		!strings.Contains(said, "setup: still installing gcc libc6-dev, 1 s: Unpacking gcc-12 (12.2.0) ...\n") {
		t.Errorf("%v: %q", err, said)
	}
	said, err = setup(t, map[string]string{
		"uname":   linux,
		"id":      root,
		"apt-get": "echo 'E: no such package'; exit 100\n",
	}, "cc")
	if err == nil || !strings.Contains(said, "E: no such package") || !strings.HasSuffix(said,
		"setup: apt-get could not install: gcc libc6-dev\n") {
		t.Errorf("one that fails: %v: %q", err, said)
	}
	said, err = setup(t, map[string]string{
		"uname":           linux,
		"gcc":             "cat\n",
		"systemd-analyze": "echo 'systemd 252 (252.38)'\n",
	}, "cc", "systemd")
	if err != nil || said != "" {
		t.Errorf("nothing to do: %v: %q", err, said)
	}
	said, err = setup(t, map[string]string{
		"uname":           linux,
		"id":              root,
		"systemd-analyze": "echo 'systemd 249 (249.11)'\n",
		"apt-get":         "exit 0\n",
	}, "systemd")
	if err == nil || !strings.Contains(said, "systemd 250 or newer") {
		t.Errorf("too old: %v: %q", err, said)
	}
}
