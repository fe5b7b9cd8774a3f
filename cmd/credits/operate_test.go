package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pop.store/credits/db/testdb"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	s := setting{dir: t.TempDir()}.with("CREDITS_DEMO=broken")
	for _, word := range []string{"version", "--version"} {
		said := s.succeeds(t, word)
		if !regexp.MustCompile(`^credits \S+\n`).MatchString(said) || !strings.Contains(said, runtime.Version()) {
			t.Errorf("%s says %q", word, said)
		}
	}
	refused(t, s.run(t, "version", "now"), 2, "no arguments")
}

// Every command has help, in every form of asking, whatever the configuration.
func TestHelpOfEveryCommand(t *testing.T) {
	t.Parallel()
	s := setting{dir: t.TempDir()}.with("CREDITS_DEMO=broken")
	overview := s.succeeds(t, "help")
	commands := regexp.MustCompile(`(?m)^  credits ([a-z]+(?: [a-z]+)?)`).FindAllStringSubmatch(overview, -1)
	if len(commands) < 11 {
		t.Fatalf("only %d commands in %s", len(commands), overview)
	}
	for _, c := range commands {
		command := strings.Fields(c[1])
		help := s.succeeds(t, append([]string{"help"}, command...)...)
		if !strings.HasPrefix(help, "Usage: credits "+c[1]) || strings.Count(help, "\n") < 3 {
			t.Errorf("help of %s: %q", c[1], help)
		}
		for _, flag := range []string{"--help", "-h", "-help"} {
			if c[1] == "help" {
				break // its help is the overview
			}
			if got := s.succeeds(t, append(command, flag)...); got != help {
				t.Errorf("credits %s %s: %q, want %q", c[1], flag, got, help)
			}
		}
	}
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:1", "--help"}, {
		"key", "create", "--scopes",
		"read", "-h",
	}, {"bench", "charges", "-h"}} {
		if got := s.succeeds(t, args...); !strings.HasPrefix(got, "Usage: credits "+args[0]) {
			t.Errorf("%q: %q", args, got)
		}
	}
	if got := s.succeeds(t, "key", "--help"); strings.Count(got, "Usage: credits key ") != 3 {
		t.Errorf("key --help: %q", got)
	}
	refused(t, s.run(t, "help", "fly"), 2, `"fly"`)
	refused(t, s.run(t, "fly", "--help"), 2, `"fly"`)
}

// A misspelt variable is reported with the likely name, without its value.
func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	t.Parallel()
	s := setting{dir: t.TempDir()}.with("CREDITS_DMEO="+secret, "CREDITS_BROOM="+secret)
	o := s.run(t, "catalog", "default")
	want := regexp.MustCompile(`level=WARN msg="there is no setting CREDITS_BROOM"\n.*level=WARN msg="there is no setting CREDITS_DMEO: did you mean CREDITS_DEMO\?"\n$`)
	if o.code != 0 || strings.Count(o.stderr, "\n") != 2 || !want.MatchString(o.stderr) || strings.Contains(o.stderr,
		secret) {
		t.Errorf("exit code %d, %q", o.code, o.stderr)
	}
}

// In a JSON log every line is an object, with one at the start and one at the end, and the operator's acts
// are logged.
func TestLogInJSON(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}.with("DATABASE_URL="+testdb.Open(t).AppURL, "CREDITS_LOG_FORMAT=json")
	p := s.serve(t)
	created := s.run(t, "key", "create", "--scopes", "read", "--name", "maya@shop.example")
	lines := strings.Split(strings.TrimSpace(created.stdout), "\n")
	key := lines[len(lines)-1]
	p.get(t, http.StatusOK, "/v1/catalog", "Authorization", "Bearer "+key)
	bad := p.get(t, http.StatusUnauthorized, "/v1/catalog", "Authorization", "Bearer "+key+"x")
	p.stop(t)
	listed := s.succeeds(t, "key", "list")
	revoked := s.run(t, "key", "revoke", strings.Fields(listed)[0])
	broken := s.with("DATABASE_URL=postgres://nobody@127.0.0.1:1/nothing").run(t, "key", "list")
	var seen []string
	all := p.stderr.String() + created.stderr + revoked.stderr + broken.stderr
	for line := range strings.Lines(all) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q is not JSON: %v", line, err)
		}
		switch message := fields["msg"]; message {
		case "operator act":
			seen = append(seen, fmt.Sprint(fields["act"]))
		case "request refused":
			if fields["request_id"] == bad.Header.Get("X-Request-Id") && fields["code"] == "invalid_api_key" {
				seen = append(seen, "refused")
			}
		case "started", "stopped", "failed":
			seen = append(seen, fmt.Sprint(message))
		}
	}
	if got := strings.Join(seen, ", "); got != "started, refused, stopped, key create, key revoke, failed" {
		t.Errorf("the log has the acts %s: %s", got, all)
	}
	if strings.Contains(all, key) || strings.Contains(all, "maya@") {
		t.Errorf("a secret or an e-mail address is in the log: %s", all)
	}
	if created.code != 0 || revoked.code != 0 || broken.code != 1 {
		t.Errorf("exit codes %d, %d, %d", created.code, revoked.code, broken.code)
	}
}

// At debug level each request has a line with its id; at error level even the start has none.
func TestLogLevels(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}.with("DATABASE_URL=" + testdb.Open(t).AppURL)
	p := s.with("CREDITS_LOG_LEVEL=debug").serve(t)
	id := p.get(t, http.StatusNotFound, "/v1/nothing").Header.Get("X-Request-Id")
	p.stop(t)
	if !regexp.MustCompile(`level=DEBUG msg=request request_id=` + id +
		` .*status=404`).MatchString(p.stderr.String()) {
		t.Errorf("no line about request %s: %s", id, p.stderr)
	}
	p = s.with("CREDITS_LOG_LEVEL=error").serve(t)
	p.get(t, http.StatusUnauthorized, "/v1/catalog")
	p.stop(t)
	if said := p.stderr.String(); said != "" {
		t.Errorf("it says: %s", said)
	}
}

// SIGHUP without a catalog file is ignored and logged.
func TestHangupWithoutACatalog(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}.with("DATABASE_URL=" + testdb.Open(t).AppURL)
	p := s.serve(t)
	p.hangUp(t, "SIGHUP is ignored: no catalog file is set (CREDITS_CATALOG)")
	p.get(t, http.StatusOK, "/readyz")
	p.stop(t)
}

// On SIGTERM the server is not ready, but keeps serving and closes connections for the set time; then the
// port closes. A second signal skips the wait.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}.with("DATABASE_URL="+testdb.Open(t).AppURL, "CREDITS_SHUTDOWN_DELAY=5m")
	p := s.serve(t)
	key := s.newKey(t, "admin")
	p.openAccount(t, key, "studio")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.until(t, "it is not ready", func() bool {
		a, err := p.send(t, http.MethodGet, "/readyz", "")
		return err == nil && a.StatusCode == http.StatusServiceUnavailable && a.Close &&
			a.Header.Get("Retry-After") != ""
	})
	a, err := p.charge(t, key, "studio", "during")
	if err != nil || a.StatusCode != http.StatusCreated || !a.Close {
		t.Errorf("a charge in the meantime: %v, %s", err, a.body)
	}
	p.get(t, http.StatusOK, "/healthz")
	if code := p.signal(t, syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d: %s", code, p.stderr)
	}
	// Ctrl-C does not wait.
	p = s.serve(t)
	p.stop(t)
}

// gate is a port that leads to the database while it is open.
type gate struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func newGate(t *testing.T, databaseURL string) (g *gate, through string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(u.Query().Get("host"), ".s.PGSQL."+u.Query().Get("port"))
	g = &gate{}
	if g.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.shut)
	go func() {
		for {
			in, err := g.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", socket)
			if err != nil {
				_ = in.Close()
				continue
			}
			g.mu.Lock()
			g.conns = append(g.conns, in, out)
			g.mu.Unlock()
			go pipe(in, out)
			go pipe(out, in)
		}
	}()
	u.Host, u.RawQuery = g.Addr().String(), "sslmode=disable"
	return g, u.String()
}

func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

func (g *gate) shut() {
	_ = g.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
}

// While the database is down the log grows by a line a second, whatever the load.
func TestADeadDatabaseIsALineASecond(t *testing.T) {
	t.Parallel()
	g, through := newGate(t, testdb.Open(t).AppURL)
	s := setting{dir: folder(t)}.with("DATABASE_URL="+through, "CREDITS_DB_CONNS=8")
	p := s.serve(t)
	key := s.newKey(t, "admin")
	p.openAccount(t, key, "studio")
	p.chargeUntilDone(t, key, "studio", "before")
	before := len(p.stderr.String())
	began := time.Now()
	g.shut()
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, _ = p.charge(t, key, "studio", fmt.Sprintf("dead-%d-%d", c, n))
				_, _ = p.send(t, http.MethodGet, "/readyz", "")
				_, _ = p.send(t, http.MethodGet, "/login", "", "Cookie", "credits="+strings.Repeat("A", 43))
			}
		})
	}
	clients.Wait()
	p.stop(t)
	said := p.stderr.String()[before:]
	most := int(time.Since(began)/time.Second) + 4 // the first, the last, "stopped", and a different one
	if lines := strings.Count(said, "\n"); lines > most || lines < 4 || !strings.Contains(said, "repeated=") {
		t.Errorf("%d lines in %v, at most %d wanted: %s", lines, time.Since(began), most, said)
	}
}

// Without file descriptors no connection is accepted. The log says so once a second, and the server
// recovers.
func TestTooManyOpenFiles(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}.with("DATABASE_URL="+testdb.Open(t).AppURL, "CREDITS_DB_CONNS=4")
	limited := filepath.Join(s.dir, "limited")
	write(t, limited, "#!/bin/sh\nulimit -n 40\nexec '"+os.Args[0]+"' \"$@\"\n")
	if err := os.Chmod(limited, 0o700); err != nil {
		t.Fatal(err)
	}
	s.program = "/bin/sh"
	cmd := s.command(limited, "serve", "--addr", freeAddr(t))
	p := begin(t, cmd, cmd.Args[len(cmd.Args)-1])
	var held []net.Conn
	for range 80 {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	const says = `level=WARN msg="connections cannot be accepted"`
	began := time.Now()
	p.until(t, "it says so twice", func() bool { return strings.Count(p.stderr.String(), says) > 1 })
	lines, most := strings.Count(p.stderr.String(), says), int(time.Since(began)/time.Second)+3
	if lines > most || !strings.Contains(p.stderr.String(), "too many open files") {
		t.Errorf("%d lines, at most %d wanted: %s", lines, most, p.stderr)
	}
	for _, conn := range held {
		_ = conn.Close()
	}
	p.get(t, http.StatusOK, "/healthz")
	p.stop(t)
}
