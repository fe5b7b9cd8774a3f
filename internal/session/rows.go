package session

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/sessions"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/problem"
)

// find returns the visitor of a live session. Every request calls it.
func (s *Store) find(ctx context.Context, id digest) (Visitor, bool, error) {
	now := s.now()
	v, known, mark := s.recent.Get(id, now)
	if known {
		return v, true, nil
	}
	row, ok, err := s.rows.Get(ctx, id)
	if err != nil {
		return Visitor{}, false, problem.Unavailable(err)
	}
	if !ok {
		return Visitor{}, false, nil
	}
	v, seen := row.visitor, row.seen
	s.recent.Put(id, v, now, earliest(now.Add(recentFor), row.expires, seen.Add(Idle)), mark)
	if due := now.Add(-seenEvery); !seen.After(due) {
		// Best effort: the next request tries again. Of concurrent requests one writes.
		_, _ = s.pool.Exec(ctx, `update sessions set seen_at = $2 where token_hash = $1 and seen_at <= $3`, id[:],
			now, due)
	}
	return v, true, nil
}

func earliest(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if t.Before(first) {
			first = t
		}
	}
	return first
}

// sessionRow is a live session.
type sessionRow struct {
	visitor Visitor
	seen    time.Time
	expires time.Time
}

// readLive reads many live sessions with one query.
func (s *Store) readLive(ctx context.Context, ids []digest) (map[digest]sessionRow, error) {
	hashes, now := make([][]byte, len(ids)), s.now()
	for i := range ids {
		hashes[i] = ids[i][:]
	}
	rows, err := s.pool.Query(ctx, `
		select token_hash, account, role, seen_at, expires_at from sessions
		where token_hash = any($1) and expires_at > $2 and seen_at > $3`,
		hashes, now, now.Add(-Idle))
	if err != nil {
		return nil, err
	}
	found := make(map[digest]sessionRow, len(ids))
	var hash []byte
	var row sessionRow
	_, err = pgx.ForEachRow(rows, []any{&hash, &row.visitor.AccountID, &row.visitor.Role, &row.seen, &row.expires},
		func() error {
			found[digest(hash)] = row
			return nil
		})
	return found, err
}

// begin starts a session for v and ends the browser's old one in the same statement.
func (s *Store) begin(r *http.Request, w http.ResponseWriter, session *sessions.Session, v Visitor) error {
	now := s.now()
	token, id := newToken()
	_, err := s.pool.Exec(r.Context(), `
		with gone as (delete from sessions where token_hash = $1)
		insert into sessions (token_hash, account, role, created_at, seen_at, expires_at)
		values ($2, $3, $4, $5, $5, $6)`,
		rowOf(session), id[:], v.AccountID, v.Role, now, now.Add(Lifetime))
	if err != nil {
		return problem.Unavailable(err)
	}
	s.forget(session)
	session.ID, session.IsNew = id.String(), false
	s.setCookie(w, token, int(Lifetime/time.Second))
	return nil
}

// change moves a session with a new account or role to a new id, so that the old id gains no
// rights. It returns ErrEnded if the session ended while the request ran.
func (s *Store) change(r *http.Request, w http.ResponseWriter, session *sessions.Session, v Visitor) error {
	old, ok := parseDigest(session.ID)
	if !ok {
		return ErrEnded
	}
	present, found, err := s.find(r.Context(), old)
	if err != nil {
		return err
	}
	if found && present == v {
		return nil
	}
	now := s.now()
	token, id := newToken()
	var expires time.Time
	err = s.pool.QueryRow(r.Context(), `
		with gone as (
			delete from sessions where token_hash = $1 and expires_at > $5 and seen_at > $6
			returning created_at, expires_at)
		insert into sessions (token_hash, account, role, created_at, seen_at, expires_at)
		select $2, $3, $4, created_at, $5, expires_at from gone
		returning expires_at`,
		old[:], id[:], v.AccountID, v.Role, now, now.Add(-Idle)).Scan(&expires)
	s.recent.Forget(old)
	if errors.Is(err, pgx.ErrNoRows) {
		s.empty(session)
		return ErrEnded
	}
	if err != nil {
		return problem.Unavailable(err)
	}
	session.ID = id.String()
	s.setCookie(w, token, max(1, int(expires.Sub(now)/time.Second)))
	return nil
}

// end deletes the row before it clears the cookie, so that the browser can try again after an
// error.
func (s *Store) end(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if row := rowOf(session); row != nil {
		if _, err := s.pool.Exec(r.Context(), `delete from sessions where token_hash = $1`, row); err != nil {
			return problem.Unavailable(err)
		}
		s.forget(session)
	}
	s.empty(session)
	s.setCookie(w, "", -1)
	return nil
}

// EndAll ends every session of the account: at once on this server, within recentFor on others.
// Unused login links still work. The error is problem.Unavailable.
func (s *Store) EndAll(ctx context.Context, account uuid.UUID) error {
	if _, err := s.pool.Exec(ctx, `delete from sessions where account = $1`, account); err != nil {
		return problem.Unavailable(err)
	}
	s.recent.ForgetAll()
	return nil
}

// forget removes the browser's session from the cache.
func (s *Store) forget(session *sessions.Session) {
	if d, ok := parseDigest(session.ID); ok {
		s.recent.Forget(d)
	}
}

// rowOf is the key of the session's row; nil, which matches no row, if there is none.
func rowOf(session *sessions.Session) []byte {
	d, ok := parseDigest(session.ID)
	if !ok {
		return nil
	}
	return d[:]
}

func parseDigest(id string) (d digest, ok bool) {
	if hex.DecodedLen(len(id)) != len(d) {
		return digest{}, false
	}
	n, err := hex.Decode(d[:], []byte(id))
	return d, err == nil && n == len(d)
}
