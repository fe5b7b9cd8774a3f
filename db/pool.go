package db

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// connectTime bounds a connection attempt: a host that drops packets would delay it for minutes.
const connectTime = 5 * time.Second

// openTime bounds Open.
const openTime = 10 * time.Second

// Settings are settings of a Postgres session by name.
type Settings map[string]string

// sessionSettings hold on every connection, whatever the server's defaults are.
var sessionSettings = Settings{
	// Postgres compiles plans with a high estimated cost, which can take seconds. No statement here runs
	// that long.
	"jit": "off",
	// A statement that takes this long is stuck: cancelling it frees its locks and its connection.
	"statement_timeout":                   "15s",
	"idle_in_transaction_session_timeout": "30s",
}

// Open connects a pool and fails if the database cannot be reached within a few seconds. maxConns bounds
// the pool. The URL may lead to a transaction pooler such as PgBouncer, which BehindPooler detects.
func Open(ctx context.Context, url string, maxConns int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL cannot be read: %w", err)
	}
	config.MaxConns = maxConns
	config.ConnConfig.ConnectTimeout = connectTime
	// The ledger uses UTC whatever the zone of the server or the operating system. Poolers keep this
	// setting.
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		pgxuuid.Register(conn.TypeMap()) // sends ids as sixteen bytes; pgx alone would send a uuid.UUID as text
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	pooled, err := throughPooler(ctx, config.ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("the database cannot be reached: %w", err)
	}
	if pooled {
		config.ConnConfig.DefaultQueryExecMode = pooledMode
	} else {
		maps.Copy(config.ConnConfig.RuntimeParams, sessionSettings)
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("the database cannot be reached: %w", err)
	}
	return pool, nil
}

// pooledMode uses no prepared statement beyond one round trip: behind a transaction pooler the next
// statement may run in another session.
const pooledMode = pgx.QueryExecModeCacheDescribe

// BehindPooler reports whether a pool made by Open reaches Postgres through a transaction pooler.
// Then a connection keeps no setting, no prepared statement and no session lock from one
// transaction to the next.
func BehindPooler(pool *pgxpool.Pool) bool {
	return pool.Config().ConnConfig.DefaultQueryExecMode == pooledMode
}

// throughPooler connects once and compares the process id of the handshake with that of the session that
// answers. A pooler makes up its own ids. A URL that sets pooledMode by default_query_exec_mode is trusted.
func throughPooler(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	if config.DefaultQueryExecMode == pooledMode {
		return true, nil
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	own, err := ownSession(ctx, conn)
	return !own, err
}

// ownSession reports whether the connection has a session of Postgres to itself.
func ownSession(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, "select pg_backend_pid()", pgx.QueryExecModeSimpleProtocol).Scan(&pid)
	return pid == conn.PgConn().PID(), err
}

// Derive returns another pool to the same database with its own settings, for at most maxConns connections.
// prepare runs on each new connection. The statements in begin open a transaction with these settings:
// behind a pooler they hold for one transaction only.
func Derive(
	pool *pgxpool.Pool, maxConns int32, more Settings, prepare func(context.Context, *pgx.Conn) error,
) (derived *pgxpool.Pool, begin []string, err error) {
	config := pool.Config().Copy()
	config.MaxConns, config.MinConns = maxConns, 0
	begin = []string{"begin"}
	if BehindPooler(pool) {
		settings := maps.Clone(sessionSettings)
		maps.Copy(settings, more)
		begin = append(begin, setLocal(settings))
	} else {
		maps.Copy(config.ConnConfig.RuntimeParams, more)
	}
	opened := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if opened != nil {
			if err := opened(ctx, conn); err != nil {
				return err
			}
		}
		return prepare(ctx, conn)
	}
	derived, err = pgxpool.NewWithConfig(context.Background(), config)
	return derived, begin, err
}

// setLocal is one statement that sets settings until the transaction ends. Names and values are constants
// of the program.
func setLocal(settings Settings) string {
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		calls = append(calls, fmt.Sprintf("set_config('%s', '%s', true)", name, settings[name]))
	}
	return "select " + strings.Join(calls, ", ")
}

// PoolerAdvice is a line for the operator if the role lacks settings that a pooler does not pass on; empty
// otherwise.
func PoolerAdvice(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	if !BehindPooler(pool) {
		return "", nil
	}
	var role string
	var jit, unlimited bool
	err := pool.QueryRow(ctx, `
		select current_user, current_setting('jit')::bool, current_setting('statement_timeout') = '0'`).
		Scan(&role, &jit, &unlimited)
	if err != nil {
		return "", fmt.Errorf("read the role's settings: %w", err)
	}
	if !jit && !unlimited {
		return "", nil
	}
	name := pgx.Identifier{role}.Sanitize()
	return fmt.Sprintf("alter role %s set jit = off; alter role %s set statement_timeout = '15s'", name, name), nil
}

// ErrPooler means that the owner's URL leads to a transaction pooler, where migrations cannot hold a
// session lock.
var ErrPooler = errors.New(
	"DATABASE_OWNER_URL leads to a connection pooler: migrations need the address of Postgres itself")
