package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// The roles and the database of an embedded Postgres.
const (
	Superuser = "postgres"
	OwnerRole = "credits_owner" // owns the schema and runs migrations
	AppRole   = "credits_app"   // the server's role: it cannot change entries
	Database  = "credits"
)

// Bootstrap creates missing roles and the database, as the superuser of an embedded Postgres.
func Bootstrap(ctx context.Context, superURL string) error {
	conn, err := connect(ctx, superURL)
	if err != nil {
		return fmt.Errorf("connect for bootstrap: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range []string{
		"create role " + OwnerRole + " login",
		"create role " + AppRole + " login",
		"create database " + Database + " owner " + OwnerRole,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil && !alreadyThere(err) {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// alreadyThere reports whether an error means that the object exists: duplicate role (42710) or database
// (42P04).
func alreadyThere(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42710" || pgErr.Code == "42P04")
}
