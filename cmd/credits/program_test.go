package main_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hang is a guard against hanging tests, far above any expected time.
const hang = 3 * time.Minute

// setting is how the program is run.
type setting struct {
	dir     string   // working directory; required
	env     []string // NAME=value, added to an environment without our variables
	program string   // empty: this test binary
	user    *syscall.Credential
}

func (s setting) command(args ...string) *exec.Cmd {
	program := s.program
	if program == "" {
		program = os.Args[0]
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = s.dir
	cmd.Env = append([]string{asProgram + "=1", "CREDITS_SHUTDOWN_DELAY=0s"}, s.env...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CREDITS_") && !strings.HasPrefix(v, "DATABASE_") && !strings.HasPrefix(v, "PG") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.user}
	return cmd
}

// with adds variables.
func (s setting) with(env ...string) setting {
	s.env = append(append([]string{}, s.env...), env...)
	return s
}

// outcome is how a command ended.
type outcome struct {
	stdout, stderr string
	code           int
}

// run runs a command to its end.
func (s setting) run(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := s.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(hang, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) }) // Go then prints where it hangs
	defer guard.Stop()
	var ended *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// succeeds runs a command that must succeed, and returns its output.
func (s setting) succeeds(t *testing.T, args ...string) string {
	t.Helper()
	o := s.run(t, args...)
	if o.code != 0 || complaints(o.stderr) != "" {
		t.Fatalf("credits %s: exit code %d, said %q and %q", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o.stdout
}

// complaints are the unusual lines on standard error.
func complaints(stderr string) string {
	var out strings.Builder
	for line := range strings.Lines(stderr) {
		if !strings.Contains(line, " level=INFO ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// server is a running `credits serve`.
type server struct {
	cmd            *exec.Cmd
	stdout, stderr *output
	base           string        // the printed URL
	addr           string        // the listening address
	ended          chan struct{} // closed at its end; then cmd.ProcessState is set
}

// slots bounds how many servers run at once: each has a Postgres of its own.
var slots = make(chan struct{}, 3)

// serve starts a server on its own port and waits until it prints its address. It ends with the test.
func (s setting) serve(t *testing.T) *server {
	t.Helper()
	return s.serveAt(t, freeAddr(t))
}

func (s setting) serveAt(t *testing.T, addr string) *server {
	t.Helper()
	p := s.launch(t, addr)
	p.until(t, "it says where it is", func() bool { return p.base != "" || p.announced() })
	return p
}

// begin starts a server by a given command and waits until it prints its address.
func begin(t *testing.T, cmd *exec.Cmd, addr string) *server {
	t.Helper()
	p := start(t, cmd, addr)
	p.until(t, "it says where it is", p.announced)
	return p
}

// launch starts a server and does not wait.
func (s setting) launch(t *testing.T, addr string) *server {
	t.Helper()
	return start(t, s.command("serve", "--addr", addr), addr)
}

func start(t *testing.T, cmd *exec.Cmd, addr string) *server {
	t.Helper()
	slots <- struct{}{}
	p := &server{
		cmd:    cmd,
		stdout: &output{},
		stderr: &output{},
		addr:   addr,
		ended:  make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		<-slots
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState has the result
		<-slots
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGINT) // without a delay; fails only if it has ended
		p.wait(t)
		if t.Failed() {
			t.Logf("the server said:\n%s%s", p.stdout, p.stderr)
		}
	})
	return p
}

var address = regexp.MustCompile(`(?m)^Credits is at (\S+)$`)

func (p *server) announced() bool {
	found := address.FindStringSubmatch(p.stdout.String())
	if found != nil {
		p.base = found[1]
	}
	return found != nil
}

// until polls for a condition while the server runs.
func (p *server) until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(hang); !true(); time.Sleep(2 * time.Millisecond) {
		select {
		case <-p.ended:
			t.Fatalf("the server has ended (%v) before this came about: %s\n%s%s", p.cmd.ProcessState, what,
				p.stdout, p.stderr)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("never came about: %s\n%s%s", what, p.stdout, p.stderr)
		}
	}
}

// wait waits for the server's end and returns its exit code: -1 for a signal.
func (p *server) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(hang):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // Go then prints where it hangs
		t.Errorf("the server does not end:\n%s%s", p.stdout, p.stderr)
		<-p.ended
	}
	return p.cmd.ProcessState.ExitCode()
}

// signal sends a signal and waits for the end.
func (p *server) signal(t *testing.T, s syscall.Signal) int {
	t.Helper()
	_ = p.cmd.Process.Signal(s) // fails only if it has ended, which the exit code shows
	return p.wait(t)
}

// stop ends a server like Ctrl-C and expects success.
func (p *server) stop(t *testing.T) {
	t.Helper()
	if code := p.signal(t, syscall.SIGINT); code != 0 {
		t.Fatalf("exit code %d\n%s%s", code, p.stdout, p.stderr)
	}
}

var dataFolder = regexp.MustCompile(`(?m)^Embedded Postgres: its data are in (.+)$`)

// pgdata is the data folder of the server's embedded Postgres, as printed.
func (p *server) pgdata(t *testing.T) string {
	t.Helper()
	found := dataFolder.FindStringSubmatch(p.stdout.String())
	if found == nil {
		t.Fatalf("the data folder is not printed: %s", p.stdout)
	}
	return filepath.Join(found[1], "pgdata")
}

// postgres is the process id of the server's embedded Postgres.
func (p *server) postgres(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.pgdata(t), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive reports whether there is a process of that number.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// output is the output of a process so far.
type output struct {
	mu   sync.Mutex
	text []byte
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// freeAddr is an unused address.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// folder is a temporary folder that Postgres' user can enter, unlike root's t.TempDir. It is in memory if
// there is room, which makes initdb four times as fast.
func folder(t *testing.T) string {
	t.Helper()
	const memory = "/dev/shm"
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil ||
		uint64(fs.Bavail)*uint64(fs.Bsize) < 2<<30 { //nolint:unconvert // signed on some systems
		return folderIn(t, "")
	}
	if dir, err := os.MkdirTemp(memory, "credits-program-"); err != nil || os.Remove(dir) != nil {
		return folderIn(t, "") // exists, but without access
	}
	return folderIn(t, memory)
}

func folderIn(t *testing.T, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "credits-program-")
	if err != nil {
		t.Fatal(err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // Postgres' user has to pass through
		t.Fatal(err)
	}
	return dir
}

func copyFile(t *testing.T, from, to string, mode os.FileMode) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}
