package session

import (
	"fmt"
	"net/http"

	"github.com/google/uuid"
)

// The roles a signed-in person can have.
const (
	RoleCreator = "creator" // sees and spends from one account: the session's
	RoleSupport = "support" // helps creators
)

// Visitor is who is signed in.
type Visitor struct {
	AccountID uuid.UUID // the ledger's id
	Role      string    // RoleCreator or RoleSupport
}

func (v Visitor) check() error {
	if v.AccountID == uuid.Nil || (v.Role != RoleCreator && v.Role != RoleSupport) {
		return fmt.Errorf("session: an account and a known role belong together, not %v and %q", v.AccountID, v.Role)
	}
	return nil
}

// Visitor returns who sent the request; false if nobody is signed in. Repeated calls within a
// request cost nothing. The error is problem.Unavailable, which must not be read as signed out.
func (s *Store) Visitor(r *http.Request) (Visitor, bool, error) {
	if v, ok := s.remembered(r); ok {
		return v, true, nil
	}
	session, err := s.Get(r, s.cookie)
	if err != nil {
		return Visitor{}, false, err
	}
	v, err := held(session)
	return v, err == nil && v != Visitor{}, err
}

// remembered returns the visitor if the session is cached.
func (s *Store) remembered(r *http.Request) (Visitor, bool) {
	cookie, err := r.Cookie(s.cookie)
	if err != nil {
		return Visitor{}, false
	}
	id, ok := hash(cookie.Value)
	if !ok {
		return Visitor{}, false
	}
	v, live, _ := s.recent.Get(id, s.now())
	return v, live
}

// SignIn starts a session for v under a new id and ends the browser's old one, so that an id
// planted before is useless. Call it before the body is written. Errors: problem.Unavailable; a
// plain error for an invalid v.
func (s *Store) SignIn(w http.ResponseWriter, r *http.Request, v Visitor) error {
	if err := v.check(); err != nil {
		return err
	}
	session, err := s.Get(r, s.cookie)
	if err != nil {
		return err
	}
	if err := s.begin(r, w, session, v); err != nil {
		return err
	}
	session.Values[AccountValue], session.Values[RoleValue] = v.AccountID, v.Role
	return nil
}

// SignOut ends the browser's session: at once on this server, within recentFor on others. Call it
// before the body is written. After problem.Unavailable session and cookie still exist and the call
// can be repeated.
func (s *Store) SignOut(w http.ResponseWriter, r *http.Request) error {
	session, err := s.Get(r, s.cookie)
	if err != nil {
		return err
	}
	return s.end(r, w, session)
}
