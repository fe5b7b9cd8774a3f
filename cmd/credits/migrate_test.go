package main_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/db/testdb"
)

// A new database is migrated as the owner of the tables and served as another role, which cannot change
// entries.
func TestMigrate(t *testing.T) {
	t.Parallel()
	d := testdb.Empty(t)
	for name, s := range map[string]setting{
		"addresses": setting{dir: folder(t)}.with("DATABASE_URL="+d.AppURL, "DATABASE_OWNER_URL="+d.OwnerURL),
		"key=value": setting{dir: folder(t)}.with("DATABASE_URL="+keyValue(t, d.AppURL),
			"DATABASE_OWNER_URL="+keyValue(t, d.OwnerURL)),
	} {
		for range 2 { // again is harmless
			if printed := s.succeeds(t, "migrate"); printed != "The schema is up to date.\n" {
				t.Errorf("%s: said %q", name, printed)
			}
		}
		p := s.serve(t)
		key := s.newKey(t, "admin")
		account := "studio-" + name[:3]
		p.openAccount(t, key, account)
		p.chargeUntilDone(t, key, account, "a")
		s.succeeds(t, "migrate") // beside a running server
		p.chargeUntilDone(t, key, account, "b")
		if strings.Contains(p.stdout.String(), "Embedded") {
			t.Errorf("%s: said %s", name, p.stdout)
		}
		p.get(t, http.StatusOK, "/readyz")
		p.stop(t)
	}
	appendOnly(t, d)
}

// appendOnly tries to change entries as the server's role.
func appendOnly(t *testing.T, d testdb.DB) {
	t.Helper()
	for _, statement := range []string{
		"update entries set amount = 0", "delete from entries", "truncate entries", "drop table entries",
		"delete from permanent_references", "update hold_extensions set hold = 0", "alter table lots add x int",
		"create table x (n int)",
	} {
		_, err := d.Pool.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s, as the server's role: %v", statement, err)
		}
	}
	var n int
	if err := d.Pool.QueryRow(t.Context(), "select count(*) from entries").Scan(&n); err != nil || n < 4 {
		t.Errorf("%d entries: %v", n, err)
	}
}

// keyValue converts a connection URL to Postgres' key/value form.
func keyValue(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	return "user=" + u.User.Username() + " dbname=" + strings.TrimPrefix(u.Path, "/") + " host=" + q.Get("host") +
		" port=" + q.Get("port") + " sslmode=disable"
}

// Concurrent migrations all succeed.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	d := testdb.Empty(t)
	s := setting{dir: folder(t)}.with("DATABASE_URL="+d.AppURL, "DATABASE_OWNER_URL="+d.OwnerURL)
	const many = 4
	for range 3 {
		outcomes := make(chan outcome)
		for range many {
			go func() { outcomes <- s.run(t, "migrate") }()
		}
		for range many {
			if o := <-outcomes; o.code != 0 || o.stderr != "" {
				t.Errorf("exit code %d, said %q", o.code, o.stderr)
			}
		}
	}
	p := s.serve(t)
	p.stop(t)
}

// The server's role may be the owner: then it gives up the right to change entries.
func TestMigrateWithOneRole(t *testing.T) {
	t.Parallel()
	d := testdb.Empty(t)
	s := setting{dir: folder(t)}.with("DATABASE_URL=" + d.OwnerURL)
	s.succeeds(t, "migrate")
	p := s.serve(t)
	key := s.newKey(t, "admin")
	p.openAccount(t, key, "studio")
	p.stop(t)
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	if _, err := owner.Exec(t.Context(), "delete from entries"); err == nil {
		t.Error("history can be deleted by mistake")
	}
	s.succeeds(t, "migrate")
}

// With no DATABASE_URL the embedded database is migrated, beside a running server too.
func TestMigrateEmbedded(t *testing.T) {
	t.Parallel()
	s := setting{dir: folder(t)}
	s.succeeds(t, "migrate")
	p := s.serve(t)
	s.succeeds(t, "migrate")
	p.get(t, http.StatusOK, "/readyz")
	p.stop(t)
}
