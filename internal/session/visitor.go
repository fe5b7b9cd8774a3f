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
	Account uuid.UUID // the ledger's id
	Role    string    // RoleCreator or RoleSupport
}

// check refuses what a session cannot stand for.
func (v Visitor) check() error {
	if v.Account == uuid.Nil || (v.Role != RoleCreator && v.Role != RoleSupport) {
		return fmt.Errorf("session: an account and a known role belong together, not %v and %q", v.Account, v.Role)
	}
	return nil
}

// Visitor tells who sent the request; false when nobody is signed in, whatever the cookie says.
// Asking again within a request costs nothing. The error is ErrUnavailable: one must not take a
// broken database for a signed-out browser.
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

// remembered is who sent the request if the session was looked up a moment ago. What ended on this
// server since then is forgotten.
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

// SignIn begins a session for v under an id that nobody has seen before, and ends the one this
// browser had: an id planted before a sign-in is worth nothing after it. Call it before the body is
// written. Errors: ErrUnavailable; no problem.Error for an invalid v.
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
	session.Values[AccountValue], session.Values[RoleValue] = v.Account, v.Role
	return nil
}

// SignOut ends the browser's session: at once on this server, within recentFor on others. Without
// one it only clears the cookie. Call it before the body is written. The error is ErrUnavailable:
// the session still stands then, and so does the cookie, so that trying again can end it.
func (s *Store) SignOut(w http.ResponseWriter, r *http.Request) error {
	session, err := s.Get(r, s.cookie)
	if err != nil {
		return err
	}
	return s.end(r, w, session)
}
