package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"pop.store/credits/db"
	"pop.store/credits/db/testdb"
)

// Missing or old job tables are an old schema, and migrating creates them again.
func TestJobTablesArePartOfTheSchema(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	owner, err := pgx.Connect(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close(context.Background())
	if err := db.CheckSchema(t.Context(), d.Pool); err != nil {
		t.Error("a new database: ", err)
	}
	for _, statement := range []string{
		"delete from river.river_migration where version = (select max(version) from river.river_migration)",
		"drop schema river cascade",
	} {
		if _, err := owner.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
		if err := db.CheckSchema(t.Context(), d.Pool); !errors.Is(err, db.ErrOldSchema) {
			t.Errorf("after %s: %v", statement, err)
		}
	}
	var migrating sync.WaitGroup
	for range 4 {
		migrating.Go(func() {
			if err := db.Migrate(context.WithoutCancel(t.Context()), d.OwnerURL); err != nil {
				t.Error(err)
			}
		})
	}
	migrating.Wait()
	if err := db.Grant(t.Context(), d.OwnerURL, db.AppRole); err != nil {
		t.Fatal(err)
	}
	if err := db.CheckSchema(t.Context(), d.Pool); err != nil {
		t.Error("migrated again: ", err)
	}
}

// The server's role works with jobs; only the migrating role may change the tables and their version.
func TestTheServerOnlyWorksWithJobs(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	if _, err := d.Pool.Exec(t.Context(),
		"insert into river.river_job (kind, max_attempts, args) values ('x', 1, '{}')"); err != nil {
		t.Error("it cannot order a job: ", err)
	}
	for _, statement := range []string{
		"create table river.mine (n int)", "alter table river.river_job add x int", "drop table river.river_job",
		"truncate river.river_job",
		"delete from river.river_migration",
		"insert into river.river_migration (line, version) values ('main', 99)", "create schema mine",
	} {
		_, err := d.Pool.Exec(t.Context(), statement)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s, as the server's role: %v", statement, err)
		}
	}
}
