package main_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The embedded Postgres is killed: the server reports not ready, starts another and continues; work that is
// repeated with the same key is charged once.
func TestPostgresKilled(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	p := s.serve(t)
	key := s.newKey(t, "admin")
	p.openAccount(t, key, "studio")
	p.chargeUntilDone(t, key, "studio", "before")
	first := p.postgres(t)

	// Agents work all the time.
	const agents, each = 3, 20
	var working sync.WaitGroup
	begun := make(chan struct{}, agents*each)
	for agent := range agents {
		working.Go(func() {
			for n := range each {
				p.chargeUntilDone(t, key, "studio", fmt.Sprintf("agent-%d-%d", agent, n))
				begun <- struct{}{}
			}
		})
	}
	<-begun

	// A child of the dead Postgres delays the next start until it ends, so that the test observes the
	// downtime.
	lingering := child(t, p.pgdata(t), "checkpointer")
	if lingering > 0 {
		signalled(t, lingering, syscall.SIGSTOP)
		t.Cleanup(func() { _ = syscall.Kill(lingering, syscall.SIGKILL) })
	}
	signalled(t, first, syscall.SIGKILL)
	p.until(t, "it is not ready", func() bool {
		a, err := p.send(t, http.MethodGet, "/readyz", "")
		return err == nil && a.StatusCode == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != ""
	})
	p.get(t, http.StatusOK, "/healthz")
	if lingering > 0 {
		a, err := p.charge(t, key, "studio", "during")
		if err != nil || a.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("a charge without a database: %v, %s", err, a.body)
		}
		if page := p.get(t, http.StatusServiceUnavailable, "/", "Cookie",
			"credits="+strings.Repeat("A", 43)); !strings.Contains(page.body, "</html>") {
			t.Errorf("a page without a database: %s", page.body)
		}
		signalled(t, lingering, syscall.SIGKILL)
	}
	p.until(t, "it is ready again", func() bool {
		a, err := p.send(t, http.MethodGet, "/readyz", "")
		return err == nil && a.StatusCode == http.StatusOK
	})
	for _, again := range []string{"before", "during", "during", "agent-0-0"} {
		p.chargeUntilDone(t, key, "studio", again)
	}
	working.Wait()
	b := p.statement(t, key, "studio")
	if want := agents*each + 2; b.charges() != want || b.spendable() != "196.9" {
		t.Errorf("%d charges and %v tokens left, want %d and 196.9", b.charges(), b.spendable(), want)
	}
	if p.postgres(t) == first {
		t.Error("there is no new Postgres")
	}
	if said := p.stderr.String(); strings.Contains(said, "panic") || strings.Contains(said, "goroutine ") {
		t.Errorf("a stack trace: %s", said)
	}
	p.stop(t)
}

func signalled(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// child finds a child process of the Postgres on some data, by its title; 0 without /proc.
func child(t *testing.T, pgdata, title string) int {
	t.Helper()
	processes, _ := filepath.Glob("/proc/[0-9]*") // the pattern is valid
	for _, process := range processes {
		cwd, err := os.Readlink(filepath.Join(process, "cwd"))
		if err != nil || cwd != pgdata {
			continue
		}
		words, err := os.ReadFile(filepath.Join(process, "cmdline"))
		if err == nil && strings.Contains(string(words), title) {
			pid, err := strconv.Atoi(filepath.Base(process))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	if len(processes) > 0 {
		t.Fatalf("Postgres has no %s", title)
	}
	return 0
}
