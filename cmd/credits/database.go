package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/db"
	"pop.store/credits/internal/config"
	"pop.store/credits/internal/embedpg"
	"pop.store/credits/internal/ledger/engine"
)

// database is a connected pool and the embedded Postgres under it, if any.
type database struct {
	pool   *pgxpool.Pool
	server *embedpg.Server // nil with DATABASE_URL
}

// checkDatabaseURLs reports a connection string that cannot be parsed. The error leaves the string out: it
// holds a password, whose place is unknown when parsing fails.
func (p *program) checkDatabaseURLs() error {
	if p.config.DatabaseURL == "" {
		if p.config.OwnerURL != "" {
			return &config.Error{Name: "DATABASE_OWNER_URL", Reason: "makes no sense without DATABASE_URL"}
		}
		return nil
	}
	for _, v := range []struct{ name, url string }{
		{"DATABASE_URL", p.config.DatabaseURL},
		{"DATABASE_OWNER_URL", p.config.OwnerURL},
	} {
		_, err := pgxpool.ParseConfig(v.url)
		if err == nil {
			continue
		}
		reason := "cannot be read; it looks like postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters percent-encoded"
		var file *fs.PathError // of a certificate
		if errors.As(err, &file) {
			reason = "cannot be used: " + file.Error()
		}
		return &config.Error{Name: v.name, Reason: reason}
	}
	return nil
}

// openForServing connects to DATABASE_URL, whose schema must be current, or starts and migrates an embedded
// Postgres.
func (p *program) openForServing(ctx context.Context) (*database, error) {
	if p.config.DatabaseURL != "" {
		return p.openExternal(ctx)
	}
	o, err := p.embedded()
	if err != nil {
		return nil, err
	}
	server, err := embedpg.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	return p.prepareEmbedded(ctx, server)
}

// embedded returns the options of the embedded Postgres, in its own folder inside the data folder. Others
// may enter the data folder: Postgres refuses to run as root, and its user has to pass through.
func (p *program) embedded() (embedpg.Options, error) {
	if err := os.MkdirAll(p.config.DataDir, 0o755); err != nil {
		return embedpg.Options{}, &config.Error{Name: "CREDITS_DATA_DIR", Reason: err.Error()}
	}
	return p.embeddedOptions(), nil
}

func (p *program) embeddedOptions() embedpg.Options {
	return embedpg.Options{
		DataDir: filepath.Join(p.config.DataDir, "postgres"),
		Durable: true,
		Log:     p.log,
	}
}

// openForCommand is openForServing for a command, which can use the embedded Postgres of a running server.
func (p *program) openForCommand(ctx context.Context) (*database, error) {
	if p.config.DatabaseURL != "" {
		return p.openExternal(ctx)
	}
	o, err := p.embedded()
	if err != nil {
		return nil, err
	}
	server, running, err := embedpg.Attach(o)
	if err != nil {
		return nil, err
	}
	if !running {
		if server, err = embedpg.Start(ctx, o); err != nil {
			return nil, err
		}
	}
	return p.prepareEmbedded(ctx, server)
}

// readers is the part of CREDITS_DB_CONNS that the ledger's lanes leave, which have a connection each.
func (p *program) readers() int32 { return p.config.MaxConns - engine.DefaultLanes }

func (p *program) openExternal(ctx context.Context) (*database, error) {
	pool, err := db.Open(ctx, p.config.DatabaseURL, p.readers())
	if err != nil {
		return nil, err
	}
	if err := db.CheckSchema(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return &database{pool: pool}, nil
}

func (p *program) prepareEmbedded(ctx context.Context, server *embedpg.Server) (*database, error) {
	d := &database{server: server}
	owner := server.URL(db.OwnerRole, db.Database)
	err := db.Bootstrap(ctx, server.URL(db.Superuser, db.Superuser))
	if err == nil {
		err = db.Migrate(ctx, owner)
	}
	if err == nil {
		err = db.Grant(ctx, owner, db.AppRole)
	}
	if err == nil {
		d.pool, err = db.Open(ctx, server.URL(db.AppRole, db.Database), p.readers())
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// stopTime bounds the shutdown of an embedded Postgres.
const stopTime = 45 * time.Second

func (d *database) close() error {
	if d.pool != nil {
		d.pool.Close()
	}
	if d.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	return d.server.Stop(ctx)
}

// keepRunning restarts an embedded Postgres that ends by itself, until ctx ends. Its address stays the
// same, so the pool recovers; meanwhile requests are answered 503. It returns an error if the restarts
// fail, or the data were deleted.
func (p *program) keepRunning(ctx context.Context, d *database) error {
	if d.server == nil {
		<-ctx.Done()
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.server.Gone():
			return p.dataGone()
		case <-d.server.Done():
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a normal stop
		}
		if d.server.Lost() {
			return p.dataGone()
		}
		p.log.Error("the embedded Postgres has ended by itself; starting it again")
		if err := p.keepTrying(ctx, func() error { return p.startAgain(ctx, d) }); err != nil {
			return err
		}
	}
}

func (p *program) dataGone() error {
	return fmt.Errorf("%w: %s", embedpg.ErrGone, p.embeddedOptions().DataDir)
}

func (p *program) startAgain(ctx context.Context, d *database) error {
	o := p.embeddedOptions()
	o.Again = true // a new database would be an empty one, without roles
	server, err := embedpg.Start(ctx, o)
	if err != nil {
		return err
	}
	d.server = server
	return nil
}

// Limits of the restarts; the pause doubles after each failure. That adds up to half a minute, in which a
// full disk or a blocking process may recover. After that the operator should know.
const (
	startAttempts = 6
	firstPause    = time.Second
)

// keepTrying repeats start until it works, has failed too often, or cannot work any more. A normal stop is
// not a failure.
func (p *program) keepTrying(ctx context.Context, start func() error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		err := start()
		if err == nil || ctx.Err() != nil {
			return nil //nolint:nilerr // a normal stop
		}
		if attempt == startAttempts || errors.Is(err, embedpg.ErrGone) {
			return err
		}
		p.log.Error("the embedded Postgres could not be started and will be retried", "in", pause.String(), "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause *= 2
	}
}
