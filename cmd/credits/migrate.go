package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/db"
)

// migrate updates the schema as the owner of the tables, and grants the server's role its rights.
func (p *program) migrate(ctx context.Context, args []string) (err error) {
	if len(args) > 0 {
		return fmt.Errorf("migrate takes no arguments: %w", errUsage)
	}
	if p.config.DatabaseURL == "" {
		d, err := p.openForCommand(ctx) // migrates what it opens
		if err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, "The schema is up to date.")
		return d.close()
	}
	if err := db.Migrate(ctx, p.config.OwnerURL); err != nil {
		return err
	}
	server, err := pgx.ParseConfig(p.config.DatabaseURL)
	if err == nil {
		err = db.Grant(ctx, p.config.OwnerURL, server.User)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "The schema is up to date.")
	return nil
}
