// Package db has the database migrations, the roles and the connection pool. It knows no domain package.
package db

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed migrations/*.sql
var migrations embed.FS

const versionTable = "public.schema_version"

// undefinedTable is the SQLSTATE of a missing table: the database was never migrated.
const undefinedTable = "42P01"

// ErrOldSchema means that the database lacks migrations of this binary.
var ErrOldSchema = errors.New("the database schema is older than this binary: run `credits migrate` first")

// Migrate updates our schema and River's to the version of this binary, as the owner of the tables.
// Concurrent calls are safe; an advisory lock lets one work.
func Migrate(ctx context.Context, ownerURL string) error {
	conn, err := connect(ctx, ownerURL)
	if err != nil {
		return fmt.Errorf("connect for migration: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	own, err := ownSession(ctx, conn)
	if err != nil {
		return fmt.Errorf("connect for migration: %w", err)
	}
	if !own {
		return ErrPooler
	}
	m, err := newMigrator(ctx, conn)
	if err != nil {
		return err
	}
	if err := m.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return migrateJobs(ctx, conn, ownerURL)
}

func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.ConnectTimeout = connectTime
	return pgx.ConnectConfig(ctx, config)
}

func newMigrator(ctx context.Context, conn *pgx.Conn) (*migrate.Migrator, error) {
	m, err := migrate.NewMigrator(ctx, conn, versionTable)
	if err != nil {
		return nil, fmt.Errorf("prepare migration: %w", err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := m.LoadMigrations(files); err != nil {
		return nil, fmt.Errorf("load migrations: %w", err)
	}
	return m, nil
}

// appendOnly are the tables that the server's role may insert into and read, but never change.
var appendOnly = []string{"entries", "permanent_references", "hold_extensions"}

// Grant gives the server's role its rights: it cannot change the schema or its version, nor update
// or delete an entry. If role is the owner, the owner gives up these rights, which guards against
// mistakes only.
func Grant(ctx context.Context, ownerURL, role string) error {
	conn, err := connect(ctx, ownerURL)
	if err != nil {
		return fmt.Errorf("connect for grants: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// One transaction, so that no entry can be changed between two statements. The lock is needed
	// because concurrent grants fail.
	tx, err := conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("grant to %s: %w", role, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // no effect after the commit
	name := pgx.Identifier{role}.Sanitize()
	tables := strings.Join(appendOnly, ", ")
	statements := []string{
		"select pg_advisory_xact_lock(hashtext('credits grants'))",
		"grant usage on schema public to " + name,
		"grant select, insert, update, delete on all tables in schema public to " + name,
		"revoke update, delete, truncate on " + tables + " from " + name,
	}
	migrates, err := ownsVersion(ctx, tx, role)
	if err != nil {
		return fmt.Errorf("grant to %s: %w", role, err)
	}
	if !migrates {
		statements = append(statements, "revoke insert, update, delete, truncate on "+versionTable+" from "+name)
	}
	for _, statement := range append(statements, jobGrants(name, migrates)...) {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("grant to %s: %w", role, err)
		}
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("grant to %s: %w", role, err)
	}
	return nil
}

// ownsVersion reports whether the role owns the version table, and so runs migrations.
func ownsVersion(ctx context.Context, tx pgx.Tx, role string) (bool, error) {
	var owns bool
	err := tx.QueryRow(ctx, "select pg_get_userbyid(relowner) = $1 from pg_class where oid = to_regclass($2)",
		role, versionTable).Scan(&owns)
	return owns, err
}

// CheckSchema returns ErrOldSchema if migrations, ours or River's, are missing. A newer schema is
// accepted, since migrations only add.
func CheckSchema(ctx context.Context, pool *pgxpool.Pool) error {
	var version int
	err := pool.QueryRow(ctx, "select version from "+versionTable).Scan(&version)
	var pgErr *pgconn.PgError
	if undefined := errors.As(err, &pgErr) && pgErr.Code == undefinedTable; err != nil && !undefined {
		return fmt.Errorf("read the schema version: %w", err)
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if version < len(files) {
		return ErrOldSchema
	}
	return checkJobs(ctx, pool)
}

// Durability lists the settings with which Postgres may lose an acknowledged commit; empty if there
// are none.
func Durability(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	rows, err := pool.Query(ctx, `select name || '=' || setting from pg_settings
		where (name in ('fsync', 'full_page_writes') and setting <> 'on')
			or (name = 'synchronous_commit' and setting = 'off')`)
	if err != nil {
		return nil, fmt.Errorf("read durability settings: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
