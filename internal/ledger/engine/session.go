package engine

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// pgSession implements Session; Lock and Complete are in load.go, Commit in commit.go.
type pgSession struct {
	db     laneDB
	conn   *pgxpool.Conn
	began  bool // a transaction is open on the connection
	writer writer
}

// Begin implements Session.
func (s *pgSession) Begin(ctx context.Context) (err error) {
	s.began = false
	s.conn, err = s.db.Acquire(ctx)
	return err
}

// End implements Session. The pool closes a connection with an open or broken transaction, which rolls it
// back. A stale batch is rolled back here, to keep the connection: that is frequent if servers share
// accounts.
func (s *pgSession) End(ctx context.Context, err error) {
	if stale(err) {
		_, _ = s.conn.Exec(ctx, "rollback")
	}
	s.conn.Release()
	s.conn = nil
}

// Session implements Store.
func (s *pgStore) Session() Session { return &pgSession{db: s.lanes} }
