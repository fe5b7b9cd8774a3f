package db

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// JobsSchema is the schema of River's tables.
const JobsSchema = "river"

// lockJobs lets one process at a time migrate River, which has no lock. The lock ends with the connection.
const lockJobs = "select pg_advisory_lock(hashtext('credits river migration'))"

// migrateJobs updates River's tables to the version of this binary. conn holds the lock; River uses its own
// pool, since some of its migrations need a transaction each.
func migrateJobs(ctx context.Context, conn *pgx.Conn, ownerURL string) error {
	if _, err := conn.Exec(ctx, lockJobs); err != nil {
		return fmt.Errorf("wait for another migration of the job tables: %w", err)
	}
	if err := makeJobsSchema(ctx, conn); err != nil {
		return err
	}
	config, err := pgxpool.ParseConfig(ownerURL)
	if err != nil {
		return err
	}
	config.MaxConns, config.ConnConfig.ConnectTimeout = 1, connectTime
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	m, err := jobsMigrator(pool)
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return fmt.Errorf("migrate the job tables: %w", err)
	}
	return nil
}

// makeJobsSchema creates a missing schema. It checks first, since `if not exists` requires the right to
// create even if it exists.
func makeJobsSchema(ctx context.Context, conn *pgx.Conn) error {
	var there bool
	if err := conn.QueryRow(ctx, "select to_regnamespace($1) is not null", JobsSchema).Scan(&there); err != nil {
		return fmt.Errorf("look for the schema of the job tables: %w", err)
	}
	if there {
		return nil
	}
	if _, err := conn.Exec(ctx, "create schema "+JobsSchema); err != nil {
		return fmt.Errorf("make the schema of the job tables: %w", err)
	}
	return nil
}

func jobsMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(pool),
		&rivermigrate.Config{Schema: JobsSchema, Logger: slog.New(slog.DiscardHandler)})
}

// checkJobs returns ErrOldSchema if River's tables are missing or old. Newer ones are accepted.
func checkJobs(ctx context.Context, pool *pgxpool.Pool) error {
	m, err := jobsMigrator(pool)
	if err != nil {
		return fmt.Errorf("check the job tables: %w", err)
	}
	result, err := m.Validate(ctx, nil)
	if err != nil {
		return fmt.Errorf("check the job tables: %w", err)
	}
	if !result.OK {
		return ErrOldSchema
	}
	return nil
}

// jobGrants are the rights to River's tables: to work with jobs, but not to change the tables or their
// version.
func jobGrants(name string, migrates bool) []string {
	grants := []string{
		"grant usage on schema " + JobsSchema + " to " + name,
		"grant select, insert, update, delete on all tables in schema " + JobsSchema + " to " + name,
		"grant usage on all sequences in schema " + JobsSchema + " to " + name,
	}
	if !migrates {
		grants = append(grants, "revoke insert, update, delete, truncate on "+JobsSchema+".river_migration from "+
			name)
	}
	return grants
}
