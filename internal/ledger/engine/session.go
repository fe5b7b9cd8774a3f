package engine

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// pgSession is a lane's transactions in Postgres; see load.go and write.go.
type pgSession struct {
	db     laneDB
	conn   *pgxpool.Conn
	began  bool // a transaction is open on the connection
	writer writer
}

// Begin is part of Session.
func (s *pgSession) Begin(ctx context.Context) (err error) {
	s.began = false
	s.conn, err = s.db.Acquire(ctx)
	return err
}

// End frees the connection. The pool closes one with an open or broken transaction, which rolls it
// back. A stale batch is rolled back here: that happens again and again where servers share accounts,
// and the connection is still good.
func (s *pgSession) End(ctx context.Context, err error) {
	if stale(err) {
		_, _ = s.conn.Exec(ctx, "rollback")
	}
	s.conn.Release()
	s.conn = nil
}

// Session is part of Store.
func (s *pgStore) Session() Session { return &pgSession{db: s.lanes} }
