package testdb_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db/testdb"
)

func TestMain(m *testing.M) { testdb.Main(m) }

// Each test has a database that no other test sees, with both roles and the migrated schema.
func TestEachTestHasItsOwn(t *testing.T) {
	t.Parallel()
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			d := testdb.Open(t)
			owner, err := pgx.Connect(t.Context(), d.OwnerURL)
			if err != nil {
				t.Fatal(err)
			}
			defer owner.Close(context.Background())
			if _, err := owner.Exec(t.Context(), "CREATE TABLE mine (n int)"); err != nil {
				t.Fatal("the owner cannot change the schema, or another test already did:", err)
			}
			if _, err := d.Pool.Exec(t.Context(), "CREATE TABLE theirs (n int)"); err == nil {
				t.Error("the server's role can change the schema")
			}
			var user string
			if err := d.Pool.QueryRow(t.Context(), "SELECT current_user").Scan(&user); err != nil ||
				user != "credits_app" {
				t.Errorf("the pool connects as %q: %v", user, err)
			}
		})
	}
}

// A connection that a test forgot does not keep its database alive.
func TestDatabaseGoesWithTheTest(t *testing.T) {
	t.Parallel()
	var url string
	var forgotten *pgx.Conn
	t.Run("inner", func(t *testing.T) {
		url = testdb.Open(t).AppURL
		var err error
		if forgotten, err = pgx.Connect(context.Background(), url); err != nil {
			t.Fatal(err)
		}
	})
	if forgotten != nil {
		if err := forgotten.Ping(t.Context()); err == nil {
			t.Error("a forgotten connection still works")
		}
		_ = forgotten.Close(context.Background())
	}
	if conn, err := pgx.Connect(t.Context(), url); err == nil {
		_ = conn.Close(context.Background())
		t.Error("the database is still there")
	}
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		testdb.Open(b)
	}
}
