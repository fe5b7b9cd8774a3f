package testdb

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db"
)

// PooledURL starts a PgBouncer in transaction mode in front of the test's database and gives the
// server role's URL through it. It has fewer sessions than a server has connections, so that a
// client meets another session all the time. It ends with the test.
func (d DB) PooledURL(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // not in every user's PATH
	}
	config, err := pgx.ParseConfig(d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	dir := poolerDir(t, config, port)
	var said bytes.Buffer
	pooler := exec.Command(program, append(poolerUser(), filepath.Join(dir, "pgbouncer.ini"))...)
	pooler.Stdout, pooler.Stderr = &said, &said
	if err := pooler.Start(); err != nil {
		t.Fatalf("testdb: PgBouncer did not start: %v; ./.ci/setup pgbouncer installs it", err)
	}
	t.Cleanup(func() {
		_ = pooler.Process.Signal(syscall.SIGINT)
		_ = pooler.Wait()
		if t.Failed() {
			t.Logf("PgBouncer said:\n%s", said.Bytes())
		}
	})
	pooled := fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", db.AppRole, port, config.Database)
	waitForPooler(t, pooled, &said)
	return pooled
}

func poolerDir(t testing.TB, config *pgx.ConnConfig, port int) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "credits-pgbouncer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ini := fmt.Sprintf(`[databases]
%s = host=%s port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = transaction
default_pool_size = 6
max_client_conn = 500
`, config.Database, config.Host, config.Port, port, filepath.Join(dir, "users"))
	for name, content := range map[string]string{
		"pgbouncer.ini": ini,
		"users":         fmt.Sprintf("%q \"\"\n", db.AppRole),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // PgBouncer's own user reads it
		t.Fatal(err)
	}
	return dir
}

// poolerUser makes PgBouncer run as the user that Postgres runs as, since both refuse to be root,
// and the socket is that user's.
func poolerUser() []string {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if _, err := user.Lookup(name); err == nil {
			return []string{"-u", name}
		}
	}
	return nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func waitForPooler(t testing.TB, pooled string, said *bytes.Buffer) {
	t.Helper()
	u, err := url.Parse(pooled)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", u.Host)
		if err == nil {
			_ = conn.Close()
			return
		}
	}
	t.Fatalf("testdb: PgBouncer does not listen: %s", said.Bytes())
}
