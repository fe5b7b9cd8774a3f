package embedpg

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// oldest is the first major version that the app supports.
const oldest = 15

const howToInstall = "install it with `apt-get install postgresql` (Debian, Ubuntu), " +
	"`dnf install postgresql-server` (Fedora) or `brew install postgresql` (Homebrew), " +
	"or set DATABASE_URL to a database of your own"

// binaries are the programs of one Postgres installation.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// choose picks an installation: the version of existing data, else the first that is new enough.
func (p place) choose(dirs []string) (binaries, error) {
	want := 0
	if text, err := os.ReadFile(filepath.Join(p.pgdata(), "PG_VERSION")); err == nil {
		if want, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			return binaries{}, fmt.Errorf("%w: PG_VERSION says %q", ErrVersion, strings.TrimSpace(string(text)))
		}
	}
	var found []string
	for _, dir := range dirs {
		major, ok := versionOf(p.who, dir)
		if !ok {
			continue
		}
		if major == want || (want == 0 && major >= oldest) {
			return binaries{dir, major}, nil
		}
		found = append(found, strconv.Itoa(major))
	}
	switch {
	case len(found) == 0:
		return binaries{}, fmt.Errorf("%w: %s", ErrNotInstalled, howToInstall)
	case want == 0:
		return binaries{}, fmt.Errorf("%w that is new enough (version %d; here is %s): %s",
			ErrNotInstalled, oldest, strings.Join(found, ", "), howToInstall)
	}
	return binaries{}, fmt.Errorf("%w: %s was made by Postgres %d, but this machine has %s: install Postgres %[3]d, "+
		"or move the folder away to begin anew",
		ErrVersion, p.dir, want, strings.Join(found, ", "))
}

// candidates lists the folders with a Postgres server, best first.
func candidates() []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	if pgConfig, err := exec.LookPath("pg_config"); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, pgConfig, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // the project's packages for Fedora and Red Hat
		"/usr/bin",                  // Fedora's own
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		dirs = append(dirs, newestFirst(pattern)...)
	}
	var out []string
	for _, dir := range dirs {
		// Links are followed first: initdb looks for its files beside itself.
		server, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil || !filepath.IsAbs(server) {
			continue
		}
		dir = filepath.Dir(server)
		if exists(dir, "initdb") && !slices.Contains(out, dir) {
			out = append(out, dir)
		}
	}
	return out
}

var digits = regexp.MustCompile(`\d+`)

// newestFirst expands a pattern, highest version first.
func newestFirst(pattern string) []string {
	dirs, _ := filepath.Glob(pattern) // the patterns are constants and valid
	number := func(dir string) int {
		n, _ := strconv.Atoi(digits.FindString(dir)) // no number counts as the oldest
		return n
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return number(b) - number(a) })
	return dirs
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// versionOf returns the major version of an installation. It runs the program as the account.
func versionOf(who account, dir string) (int, bool) {
	out, err := who.command("/", filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0, false
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return 0, false
	}
	major, err := strconv.Atoi(string(m[1]))
	return major, err == nil
}
