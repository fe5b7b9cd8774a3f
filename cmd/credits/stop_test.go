package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db"
	"pop.store/credits/internal/embedpg"
)

// A stopping server finishes a running request, stops its Postgres and frees the port.
func TestStop(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	var key string
	for i, by := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		p := s.serve(t)
		if i == 0 {
			key = s.newKey(t, "admin,spend,read")
			p.openAccount(t, key, "studio")
		}
		postgres := p.postgres(t)
		finish := p.begin(t, key, fmt.Sprintf("under-way-%d", i))
		if err := p.cmd.Process.Signal(by); err != nil {
			t.Fatal(err)
		}
		p.until(t, "no new connections are taken", func() bool {
			conn, err := net.Dial("tcp", p.addr)
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		})
		if status := finish(); status != http.StatusCreated {
			t.Errorf("%v: the request under way was answered %d", by, status)
		}
		if code := p.wait(t); code != 0 {
			t.Errorf("%v: exit code %d", by, code)
		}
		if said := complaints(p.stderr.String()); said != "" {
			t.Errorf("%v: said on standard error: %s", by, said)
		}
		if alive(postgres) {
			t.Errorf("%v: Postgres is still there", by)
		}
		if _, err := os.Stat(filepath.Join(p.pgdata(t), "postmaster.pid")); err == nil {
			t.Errorf("%v: Postgres was not shut down cleanly", by)
		}
		l, err := net.Listen("tcp", p.addr)
		if err != nil {
			t.Fatalf("%v: the port is not free: %v", by, err)
		}
		_ = l.Close()
	}
	p := s.serve(t)
	if n := p.statement(t, key, "studio").charges(); n != 2 {
		t.Errorf("%d charges, want the 2 that were answered", n)
	}
	p.stop(t)
}

// begin sends half of a charge, which the server starts to read; finish sends the rest and returns the
// status.
func (p *server) begin(t *testing.T, key, idempotency string) (finish func() int) {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(hang)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /v1/accounts/studio/charges HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nIdempotency-Key: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", p.addr, key,
		idempotency, len(oneReply))
	in := bufio.NewReader(conn)
	line, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("answered %q, %v\n%s", line, err, p.stderr)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return func() int {
		t.Helper()
		if _, err := io.WriteString(conn, oneReply); err != nil {
			t.Fatal(err)
		}
		a, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("the request under way was cut off: %v\n%s", err, p.stderr)
		}
		defer a.Body.Close()
		return a.StatusCode
	}
}

// A server that is stopped during its start stops, and the next start continues.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t), env: []string{"CREDITS_DEMO=1"}}
	for _, seen := range []string{"lock", "new-pgdata/base", "pgdata/postmaster.pid"} {
		p := s.launch(t, freeAddr(t))
		p.until(t, seen+" is there", func() bool {
			_, err := os.Stat(filepath.Join(s.dir, "var", "postgres", seen))
			return err == nil || p.announced()
		})
		if code := p.signal(t, syscall.SIGTERM); code != 0 {
			t.Errorf("at %s: exit code %d: %s", seen, code, p.stderr)
		}
		if said := complaints(p.stderr.String()); said != "" {
			t.Errorf("at %s: said on standard error: %s", seen, said)
		}
	}
	s.serve(t).stop(t)
}

// After a stop during the demo's seed, the next start seeds all of it.
func TestStopWhileSeeding(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	p := s.serve(t) // creates the database
	key := s.newKey(t, "read")
	p.stop(t)
	s = s.with("CREDITS_DEMO=1")
	for i, by := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		p := s.launch(t, freeAddr(t))
		p.until(t, "seeding has begun", func() bool { return p.announced() || s.seeding(t) })
		time.Sleep(time.Duration(i) * 100 * time.Millisecond) // at different stages
		if code := p.signal(t, by); code > 0 {
			t.Errorf("%v: exit code %d: %s", by, code, p.stderr)
		}
	}
	p = s.serve(t)
	b := p.statement(t, key, "maya")
	if b.spendable() != "46" || len(b.transactions) < 50 {
		t.Errorf("%v tokens and %d transactions, want the whole history", b.spendable(), len(b.transactions))
	}
	p.stop(t)
}

// After a kill nothing blocks a restart: Postgres ends by itself, an immediate start works, and the ledger
// is unchanged.
func TestKilled(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	p := s.serve(t)
	key := s.newKey(t, "admin")
	p.openAccount(t, key, "studio")
	for _, idempotency := range []string{"a", "b", "c"} {
		p.chargeUntilDone(t, key, "studio", idempotency)
	}
	before := p.statement(t, key, "studio")
	if n := before.charges(); n != 3 {
		t.Fatalf("%d charges", n)
	}
	postgres := p.postgres(t)
	p.signal(t, syscall.SIGKILL)

	p = s.serveAt(t, p.addr) // at once, on the same port
	if after := p.statement(t, key, "studio"); before.String() != after.String() {
		t.Errorf("the statement was\n%s\nand is\n%s", before, after)
	}
	p.until(t, "the old Postgres has gone", func() bool { return !alive(postgres) })
	p.chargeUntilDone(t, key, "studio", "a")
	if n := p.statement(t, key, "studio").charges(); n != 3 {
		t.Errorf("%d charges after a repeated one", n)
	}

	// Also without a next start.
	postgres = p.postgres(t)
	p.signal(t, syscall.SIGKILL)
	for deadline := time.Now().Add(hang); alive(postgres); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("Postgres does not end by itself")
		}
	}
}

// seeding reports whether the seed has begun in the server's embedded database.
func (s setting) seeding(t *testing.T) bool {
	t.Helper()
	server, running, err := embedpg.Attach(embedpg.Options{DataDir: filepath.Join(s.dir, "var", "postgres")})
	if err != nil || !running {
		return false
	}
	conn, err := pgx.Connect(t.Context(), server.URL(db.AppRole, db.Database))
	if err != nil {
		return false
	}
	defer conn.Close(t.Context())
	var begun bool
	err = conn.QueryRow(t.Context(), "select exists (select from entries)").Scan(&begun)
	return err == nil && begun
}
