package db_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/db"
	"pop.store/credits/db/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// Open gives up soon on a host that accepts connections and does not answer, such as one behind a firewall.
func TestASilentHostIsGivenUp(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	url := "postgres://credits@" + silent.Addr().String() + "/credits?sslmode=disable"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	for name, connect := range map[string]func() error{
		"Migrate":   func() error { return db.Migrate(ctx, url) },
		"Grant":     func() error { return db.Grant(ctx, url, "anybody") },
		"Bootstrap": func() error { return db.Bootstrap(ctx, url) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := connect(); err == nil || ctx.Err() != nil {
				t.Errorf("it did not give up by itself: %v", err)
			}
		})
	}
}

// Only the migrating role may change the schema's version.
func TestOnlyTheOwnerSaysWhatTheSchemaIs(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	for _, statement := range []string{
		"update public.schema_version set version = 0", "delete from public.schema_version",
		"insert into public.schema_version values (7)", "truncate public.schema_version",
	} {
		_, err := d.Pool.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s, as the server's role: %v", statement, err)
		}
	}
	if err := db.CheckSchema(t.Context(), d.Pool); err != nil {
		t.Error("the server's role cannot read it: ", err)
	}
	// A role that is both keeps migrating.
	if err := db.Grant(t.Context(), d.OwnerURL, "credits_owner"); err != nil {
		t.Fatal(err)
	}
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	if _, err := owner.Exec(t.Context(), "update public.schema_version set version = version"); err != nil {
		t.Error("the owner cannot migrate any more: ", err)
	}
}
