// Package e2e_test tests the product as users run it: the real binary, a real Postgres, a real
// browser.
package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/browser"
)

func TestMain(m *testing.M) { testdb.Main(m, func() error { return os.RemoveAll(binaryFolder) }) }

// timeout bounds waits, so that no test hangs. It is no measure of speed.
const timeout = time.Minute

// binaryFolder contains the program; empty until a test needs it.
var binaryFolder string

// binary builds the program once per test process.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "credits-e2e")
	if err != nil {
		return "", err
	}
	binaryFolder = dir
	path := filepath.Join(dir, "credits")
	build := exec.Command("go", "build", "-o", path, "pop.store/credits/cmd/credits")
	if out, err := build.CombinedOutput(); err != nil {
		return "", &os.PathError{
			Op:   "build",
			Path: string(out),
			Err:  err,
		}
	}
	return path, nil
})

// site is a running server on a database of the test's own, in demo mode.
type site struct {
	t    *testing.T
	url  string
	db   testdb.DB
	key  string // an API key with every scope
	next atomic.Int64
}

func start(t *testing.T) *site {
	t.Helper()
	d := testdb.Open(t)
	return startOn(t, d, d.AppURL)
}

// startOn starts a server that connects to the database d by url.
func startOn(t *testing.T, d testdb.DB, url string) *site {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "DATABASE_URL="+url, "CREDITS_DEMO=1", "CREDITS_SHUTDOWN_DELAY=0s")
	server := exec.Command(path, "serve", "--addr", "127.0.0.1:0")
	server.Env, server.Dir = env, t.TempDir()
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	server.Stderr = &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server did not stop cleanly: %v\n%s", err, &log)
		}
	})
	s := &site{
		t:   t,
		db:  d,
		url: address(t, out, &log),
	}
	create := exec.Command(path, "key", "create", "--scopes", "admin,spend,read")
	create.Env = env
	answer, err := create.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(answer)), "\n")
	s.key = lines[len(lines)-1]
	return s
}

// address reads the server's output until it prints its address.
func address(t *testing.T, out io.Reader, log *bytes.Buffer) string {
	t.Helper()
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "Credits is at "); ok {
				found <- url
			}
		}
		close(found)
	}()
	select {
	case url, ok := <-found:
		if !ok {
			t.Fatalf("the server ended before it served:\n%s", log)
		}
		return url
	case <-time.After(timeout):
		t.Fatalf("the server did not start:\n%s", log)
		return ""
	}
}

// call sends a request to the JSON API and returns status and body.
func (s *site) call(method, path string, body any) (int, map[string]any) {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "e2e-"+strconv.FormatInt(s.next.Add(1), 10))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	decoded := map[string]any{}
	if err := json.NewDecoder(answer.Body).Decode(&decoded); err != nil {
		s.t.Fatalf("%s %s: %d, %v", method, path, answer.StatusCode, err)
	}
	return answer.StatusCode, decoded
}

// want is call with the expected status.
func (s *site) want(status int, method, path string, body any) map[string]any {
	s.t.Helper()
	got, answer := s.call(method, path, body)
	if got != status {
		s.t.Fatalf("%s %s: %d %v, want %d", method, path, got, answer, status)
	}
	return answer
}

// spend charges an amount to an account, as a metered agent does.
func (s *site) spend(account, amount string) {
	s.t.Helper()
	s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/"+account+"/charges", map[string]any{
		"feature": "auto_selling",
		"agent":   "seller",
		"amount":  amount,
	})
}

// creator opens an account on Starter and signs its creator in with a link of the host.
func (s *site) creator(account, name string, options ...browser.Option) *browser.Page {
	s.t.Helper()
	s.want(http.StatusCreated, http.MethodPut, "/v1/accounts/"+account, map[string]any{
		"plan":      "starter",
		"name":      name,
		"time_zone": "Europe/Berlin",
	})
	return s.signIn(account, options...)
}

func (s *site) signIn(account string, options ...browser.Option) *browser.Page {
	s.t.Helper()
	link := s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/"+account+"/login-links", map[string]any{})
	p := browser.New(s.t, append([]browser.Option{browser.Base(s.url)}, options...)...)
	p.Goto(link["url"].(string))
	p.WaitURL("/")
	return p
}

// testid selects by data-testid.
func testid(name string) string { return `[data-testid="` + name + `"]` }
