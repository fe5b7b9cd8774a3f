package db_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db"
	"pop.store/credits/db/testdb"
)

// Postgres compiles expensive plans by default. The test server keeps that default, as users' servers do,
// and connections turn it off.
func TestConnectionsDoNotCompilePlans(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	plain, err := pgx.Connect(t.Context(), d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close(t.Context())
	derived, begin, err := db.Derive(d.Pool, 1, db.Settings{"lock_timeout": "3s"}, noPreparation)
	if err != nil {
		t.Fatal(err)
	}
	defer derived.Close()
	if len(begin) != 1 || begin[0] != "begin" {
		t.Errorf("a transaction begins with %q", begin)
	}
	const jit = "select current_setting('jit')"
	var byDefault, pooled, lane, timeout string
	if err := plain.QueryRow(t.Context(), jit).Scan(&byDefault); err != nil {
		t.Fatal(err)
	}
	if err := d.Pool.QueryRow(t.Context(), jit).Scan(&pooled); err != nil {
		t.Fatal(err)
	}
	if err := derived.QueryRow(t.Context(), jit+", current_setting('lock_timeout')").Scan(&lane, &timeout); err !=
		nil {
		t.Fatal(err)
	}
	if byDefault != "on" || pooled != "off" || lane != "off" || timeout != "3s" {
		t.Errorf("jit by default %s, in the pool %s, in a derived pool %s with lock_timeout %s", byDefault, pooled,
			lane, timeout)
	}
}

// Behind a pooler every transaction sets its settings, and leaves none behind.
func TestSettingsBehindAPooler(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	pool, err := db.Open(t.Context(), d.PooledURL(t), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if !db.BehindPooler(pool) || db.BehindPooler(d.Pool) {
		t.Fatalf("behind a pooler: %t through it, %t beside it", db.BehindPooler(pool), db.BehindPooler(d.Pool))
	}
	derived, begin, err := db.Derive(pool, 1, db.Settings{"lock_timeout": "3s"}, noPreparation)
	if err != nil {
		t.Fatal(err)
	}
	defer derived.Close()
	conn, err := derived.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, statement := range begin {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	const settings = `
		select current_setting('jit'), current_setting('statement_timeout'), current_setting('lock_timeout'),
			current_setting('timezone')`
	var jit, statement, lock, zone string
	if err := conn.QueryRow(t.Context(), settings).Scan(&jit, &statement, &lock, &zone); err != nil {
		t.Fatal(err)
	}
	if jit != "off" || statement != "15s" || lock != "3s" || zone != "UTC" {
		t.Errorf("in a transaction: jit %s, statement_timeout %s, lock_timeout %s, timezone %s", jit, statement,
			lock, zone)
	}
	if _, err := conn.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), settings).Scan(&jit, &statement, &lock, &zone); err != nil {
		t.Fatal(err)
	}
	if jit != "on" || lock != "0" || zone != "UTC" {
		t.Errorf("after it: jit %s, lock_timeout %s, timezone %s", jit, lock, zone)
	}
}

func TestThePoolersAdviceIsGivenUntilTheRoleFollowsIt(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	url := d.PooledURL(t)
	pool, err := db.Open(t.Context(), url, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	advice, err := db.PoolerAdvice(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	want := `alter role "credits_app" set jit = off; alter role "credits_app" set statement_timeout = '15s'`
	if advice != want {
		t.Errorf("the advice is %q", advice)
	}
	if advice, err := db.PoolerAdvice(t.Context(), d.Pool); advice != "" || err != nil {
		t.Errorf("without a pooler: %q, %v", advice, err)
	}
}

func TestMigrationsRefuseAPooler(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	if err := db.Migrate(t.Context(), d.PooledURL(t)); !errors.Is(err, db.ErrPooler) {
		t.Errorf("a migration through a pooler: %v", err)
	}
}

func noPreparation(context.Context, *pgx.Conn) error { return nil }
