// Package testdb gives every test a migrated database of its own, on a real Postgres.
//
// One server runs per test process; it starts with the first test that asks for a database. A
// database is a copy of a template, so it costs some tens of milliseconds, and tests run in
// parallel. A package that uses it says so once:
//
//	func TestMain(m *testing.M) { testdb.Main(m) }
package testdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db"
	"pop.store/credits/internal/embedpg"
)

// limit guards every step against hanging; it is no expectation.
const limit = 5 * time.Minute

// leakLimit is how long a connection in use may take to come back after its test has ended.
const leakLimit = 30 * time.Second

const (
	template  = "credits_template"
	superuser = db.Superuser
	ownerRole = db.OwnerRole // owns the schema, runs migrations
	appRole   = db.AppRole   // what the server runs as
)

// DB is a database that belongs to one test and disappears with it.
type DB struct {
	Pool     *pgxpool.Pool // connects as the server's role
	AppURL   string        // the same for other programs: the server's role
	OwnerURL string        // the role that owns the schema
}

// New is the pool of a database of the test's own.
func New(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return Open(t).Pool
}

// Open makes a database of the test's own: a migrated schema without data. The test's end closes
// the pool and drops the database, whoever is still connected.
func Open(t testing.TB) DB {
	t.Helper()
	return open(t, template)
}

// Empty is Open without the schema: for tests of what makes it.
func Empty(t testing.TB) DB {
	t.Helper()
	return open(t, "template1")
}

func open(t testing.TB, template string) DB {
	t.Helper()
	if !underMain {
		t.Fatal("testdb: this package needs `func TestMain(m *testing.M) { testdb.Main(m) }`, to stop the server")
	}
	s, err := shared()
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	// Not the test's context: that one ends before the clean-up runs.
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	name, err := s.clone(ctx, template)
	if err != nil {
		t.Fatalf("testdb: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if _, err := s.admin.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("testdb: dropping %s: %v", name, err)
		}
	})
	out := DB{AppURL: s.pg.URL(appRole, name), OwnerURL: s.pg.URL(ownerRole, name)}
	if out.Pool, err = db.Open(ctx, out.AppURL, poolSize); err != nil {
		t.Fatalf("testdb: %v", err)
	}
	t.Cleanup(func() {
		if !closes(out.Pool) {
			t.Error("testdb: the test has not given a connection back to its pool")
		}
	})
	return out
}

// closes closes a pool. That waits for connections that are still in use, for ever if somebody lost one.
func closes(p *pgxpool.Pool) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Close()
	}()
	select {
	case <-done:
		return true
	case <-time.After(leakLimit):
		return false
	}
}

// server is the Postgres of this test process, with the template in place.
type server struct {
	pg      *embedpg.Server
	admin   *pgxpool.Pool // as superuser; CREATE and DROP DATABASE
	dataDir *dataDir

	copying sync.Mutex // two copies of one template at a time fail
	copies  int
}

var shared = sync.OnceValues(start)

// poolSize is a small pool: many tests share one server's connections. A test that needs more makes
// a pool of its own.
const poolSize = 8

func start() (_ *server, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	s := &server{}
	running = s
	if s.dataDir, err = newDataDir(); err != nil {
		return nil, err
	}
	s.pg, err = embedpg.Start(ctx, embedpg.Options{
		DataDir: s.dataDir.data(),
		Log:     slog.New(slog.DiscardHandler),
		Settings: map[string]string{
			"max_connections": "300",
			"shared_buffers":  "64MB", // several test processes run at a time
		},
	})
	if err != nil {
		return nil, err
	}
	if s.admin, err = pgxpool.New(ctx, s.pg.URL(superuser, superuser)+"&pool_max_conns=2"); err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"CREATE ROLE " + ownerRole + " LOGIN",
		"CREATE ROLE " + appRole + " LOGIN",
		"CREATE DATABASE " + template + " OWNER " + ownerRole,
	} {
		if _, err := s.admin.Exec(ctx, statement); err != nil {
			return nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	url := s.pg.URL(ownerRole, template)
	if err := db.Migrate(ctx, url); err != nil {
		return nil, fmt.Errorf("migrating the template: %w", err)
	}
	if err := db.Grant(ctx, url, appRole); err != nil {
		return nil, fmt.Errorf("granting on the template: %w", err)
	}
	return s, nil
}

// clone copies a template into a new database and gives its name.
func (s *server) clone(ctx context.Context, template string) (string, error) {
	s.copying.Lock()
	defer s.copying.Unlock()
	s.copies++
	name := fmt.Sprintf("test_%d", s.copies)
	for {
		// Copying files is ten times as fast as the default, which writes every page to the log,
		// and needs only a checkpoint, which costs nothing without fsync.
		_, err := s.admin.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template+" OWNER "+ownerRole+
			" STRATEGY file_copy")
		if err == nil {
			return name, nil
		}
		// A background worker of the server's, or a connection that is just closing, is still in
		// the template.
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "55006" {
			return "", fmt.Errorf("copying the template: %w", err)
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("copying the template: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

var (
	underMain bool
	running   *server // what Main has to stop, complete or not
)

// Main runs a package's tests, stops the server if they started one, removes its data, then what
// the package itself has to remove, and ends the process.
func Main(m *testing.M, remove ...func() error) {
	underMain = true
	code := m.Run()
	for _, clean := range append([]func() error{running.stop}, remove...) {
		if err := clean(); err != nil {
			fmt.Fprintln(os.Stderr, "testdb:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func (s *server) stop() error {
	if s == nil {
		return nil
	}
	if s.admin != nil {
		s.admin.Close()
	}
	var err error
	if s.pg != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err = s.pg.Stop(ctx)
	}
	if s.dataDir != nil {
		err = errors.Join(err, s.dataDir.remove())
	}
	return err
}
