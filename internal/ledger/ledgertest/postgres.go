package ledgertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pop.store/credits/db"
	"pop.store/credits/internal/embedpg"
)

// PostgresServer is a Postgres server of one test, as durable as in production, on a real disk.
type PostgresServer struct {
	t       *testing.T
	options embedpg.Options
	running *embedpg.Server
}

// StartPostgres starts a server with a migrated database. It is stopped and removed when the test ends.
func StartPostgres(t *testing.T) *PostgresServer {
	t.Helper()
	dir, err := os.MkdirTemp("", "credits-crash-") // not t.TempDir: the user that Postgres runs as has to pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if where, moved := embedpg.Moved(filepath.Join(dir, "pg")); moved {
			_ = os.RemoveAll(where)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	s := &PostgresServer{t: t, options: embedpg.Options{
		DataDir:  filepath.Join(dir, "pg"),
		Durable:  true,
		Log:      DiscardLog,
		Settings: map[string]string{"shared_buffers": "32MB"},
	}}
	s.start()
	t.Cleanup(func() {
		if err := s.running.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	s.createDatabase()
	return s
}

// start starts the server, also after a crash.
func (s *PostgresServer) start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), MaxWait)
	defer cancel()
	var err error
	if s.running, err = embedpg.Start(ctx, s.options); err != nil {
		s.t.Fatal(err)
	}
}

// createDatabase creates the roles and the migrated database.
func (s *PostgresServer) createDatabase() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), MaxWait)
	defer cancel()
	if err := db.Bootstrap(ctx, s.running.URL(db.Superuser, db.Superuser)); err != nil {
		s.t.Fatal(err)
	}
	owner := s.running.URL(db.OwnerRole, db.Database)
	if err := db.Migrate(ctx, owner); err != nil {
		s.t.Fatal(err)
	}
	if err := db.Grant(ctx, owner, db.AppRole); err != nil {
		s.t.Fatal(err)
	}
}

func (s *PostgresServer) connectSuperuser(ctx context.Context) *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(ctx, s.running.URL("postgres", "postgres"))
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// AppURL is the database's address for the app's role.
func (s *PostgresServer) AppURL() string { return s.running.URL(db.AppRole, db.Database) }

// KillServer kills the postmaster with SIGKILL and starts the server again. The pid is the first line of
// postmaster.pid.
func (s *PostgresServer) KillServer() {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.running.DataDir(), "pgdata", "postmaster.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	s.signalKill(line)
	select {
	case <-s.running.Done():
	case <-time.After(MaxWait):
		s.t.Fatal("the server does not die")
	}
	s.start()
}

// KillBackend kills the process of one connection with SIGKILL. Postgres then ends all other connections and recovers.
func (s *PostgresServer) KillBackend() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), MaxWait)
	defer cancel()
	conn := s.connectSuperuser(ctx)
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select pid::text from pg_stat_activity where usename = 'credits_app'")
	if err != nil {
		s.t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(pids) == 0 {
		s.t.Fatalf("backends %v: %v", pids, err)
	}
	s.signalKill(pids[rand.IntN(len(pids))])
}

func (s *PostgresServer) signalKill(pid string) {
	s.t.Helper()
	n, err := strconv.Atoi(pid)
	if err != nil || n < 2 {
		s.t.Fatalf("pid %q: %v", pid, err)
	}
	// The connection may have ended since it was chosen. Then there is nothing to kill, and the next round chooses
	// again.
	if err := syscall.Kill(n, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		s.t.Fatal(err)
	}
}
