// Package session keeps the sessions of signed-in people in Postgres, as a gorilla/sessions Store,
// and makes single-use login links. The browser has 256 random bits and the database has their
// SHA-256.
//
// Errors that a caller may see are *problem.Error.
package session

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/sessions"
	"github.com/jackc/pgx/v5/pgxpool"

	"pop.store/credits/internal/clock"
	"pop.store/credits/internal/coalesce"
	"pop.store/credits/internal/problem"
	"pop.store/credits/internal/recent"
)

// A session ends Idle after the last visit (up to seenEvery earlier), and Lifetime after the sign-in.
const (
	Idle     = 14 * 24 * time.Hour
	Lifetime = 60 * 24 * time.Hour
)

// seenEvery is the precision of the last visit. Storing each visit would make every page view a
// write.
const seenEvery = 5 * time.Minute

// The values of a session. Each has a column, and Save refuses others.
const (
	AccountValue Value = "account" // uuid.UUID
	RoleValue    Value = "role"    // string: RoleCreator or RoleSupport
)

// Value is the type of the keys in a session's Values.
type Value string

// ErrEnded means that the session to change has ended.
var ErrEnded = problem.New(problem.Unauthenticated, "session_ended",
	"You have been signed out. Please sign in again.")

// Options are what a Store needs besides its database.
type Options struct {
	Clock  clock.Clock // decides what has expired
	Secure bool        // the public base URL is https
}

// How long a session is cached, and how many are.
const (
	recentFor = 5 * time.Second
	maxRecent = 100_000
)

// Store keeps sessions in Postgres. It implements sessions.Store for the cookie CookieName;
// handlers use Visitor, SignIn and SignOut. It is safe for concurrent use.
type Store struct {
	pool   *pgxpool.Pool
	now    clock.Clock
	secure bool
	cookie string
	rows   *coalesce.Reader[digest, sessionRow]
	recent *recent.Cache[digest, Visitor]
}

var _ sessions.Store = (*Store)(nil)

// New returns a store over a migrated database.
func New(pool *pgxpool.Pool, o Options) *Store {
	s := &Store{
		pool:   pool,
		now:    o.Clock,
		secure: o.Secure,
		cookie: "credits",
		recent: recent.New[digest, Visitor](maxRecent),
	}
	s.rows = coalesce.New(s.readLive)
	if o.Secure {
		// With this prefix a browser takes the cookie only from this very host over https, so no
		// sibling domain can plant one.
		s.cookie = "__Host-credits"
	}
	return s
}

// CookieName is the session cookie's name: "__Host-credits" on https, "credits" otherwise.
func (s *Store) CookieName() string { return s.cookie }

// Get returns the request's session and looks it up once per request. Without a live session it is
// empty, with IsNew set; nothing is stored until it is saved with an account.
func (s *Store) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New is Get without caching in the request. The session is never nil. The error is
// problem.Unavailable, or says that name is not CookieName.
func (s *Store) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	s.empty(session)
	if name != s.cookie {
		return session, fmt.Errorf("session: the store keeps %s, not %q", s.cookie, name)
	}
	cookie, err := r.Cookie(name)
	if err != nil { // always http.ErrNoCookie: a visitor without a session
		return session, nil //nolint:nilerr // see above
	}
	id, ok := hash(cookie.Value)
	if !ok {
		return session, nil
	}
	v, found, err := s.find(r.Context(), id)
	if err != nil || !found {
		return session, err
	}
	session.IsNew, session.ID = false, id.String()
	session.Values[AccountValue], session.Values[RoleValue] = v.AccountID, v.Role
	return session, nil
}

// Save stores the session and sets the cookie. A negative Options.MaxAge or an emptied session ends
// it. A new session, or one with another account or role, gets a new id; an unchanged one writes
// nothing. Other Options are ignored. Errors: problem.Unavailable, ErrEnded, and a plain error for
// values that a session cannot hold.
func (s *Store) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.Options.MaxAge < 0 {
		return s.end(r, w, session)
	}
	v, err := held(session)
	switch {
	case err != nil:
		return err
	case v != Visitor{} && session.IsNew:
		return s.begin(r, w, session, v)
	case v != Visitor{}:
		return s.change(r, w, session, v)
	case session.IsNew:
		return nil // nothing to store without a visitor
	default:
		return s.end(r, w, session)
	}
}

// held returns the visitor in a session; the zero Visitor if there is none.
func held(session *sessions.Session) (Visitor, error) {
	var v Visitor
	for key, value := range session.Values {
		ok := false
		switch key {
		case AccountValue:
			v.AccountID, ok = value.(uuid.UUID)
		case RoleValue:
			v.Role, ok = value.(string)
		}
		if !ok {
			return Visitor{}, fmt.Errorf("session: cannot hold %T under %v", value, key)
		}
	}
	if v == (Visitor{}) {
		return v, nil
	}
	return v, v.check()
}

// empty removes the visitor from a session.
func (s *Store) empty(session *sessions.Session) {
	clear(session.Values)
	session.ID, session.IsNew = "", true
	*session.Options = sessions.Options{
		Path:     "/",
		MaxAge:   int(Lifetime / time.Second),
		Secure:   s.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
}

// setCookie sets the cookie, or deletes it if maxAge, in seconds, is negative.
func (s *Store) setCookie(w http.ResponseWriter, token string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name:     s.cookie,
		Value:    token,
		Path:     "/",
		MaxAge:   maxAge,
		Secure:   s.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}
