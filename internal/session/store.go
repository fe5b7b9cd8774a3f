// Package session knows which browser is whose: sessions of signed-in people, behind
// gorilla/sessions' Store interface, and the single-use links with which the host hands a creator
// over.
//
// A browser holds 256 random bits; the database holds only their SHA-256, so that a copy of it
// opens no session. Every decision by time uses the injected clock. Errors that a caller may see
// are *problem.Error.
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

// How long a session lives: Idle after the last visit (or up to seenEvery less, as visits are known
// no better), and Lifetime after the sign-in however often it is used.
const (
	Idle     = 14 * 24 * time.Hour
	Lifetime = 60 * 24 * time.Hour
)

// seenEvery is how precisely the last visit is known. Writing it on each request would make every
// page view a write.
const seenEvery = 5 * time.Minute

// What a session may hold. Save refuses anything else: there is a column for each and no place for more.
const (
	AccountValue Value = "account" // uuid.UUID
	RoleValue    Value = "role"    // string: RoleCreator or RoleSupport
)

// Value is the type of the keys in a session's Values.
type Value string

var (
	// ErrUnavailable is the answer when the database gives none.
	ErrUnavailable = problem.New(problem.Unavailable, "unavailable",
		"Credits cannot answer just now. Please try again in a moment.")
	// ErrEnded is the answer to changing a session that has been ended meanwhile.
	ErrEnded = problem.New(problem.Unauthenticated, "session_ended",
		"You have been signed out. Please sign in again.")
)

// Options are what a Store needs besides its database.
type Options struct {
	Clock  clock.Clock // decides what has expired
	Secure bool        // the public base URL is https
}

// For how long a session is believed without asking again, and how many are.
const (
	recentFor = 5 * time.Second
	maxRecent = 100_000
)

// Store keeps sessions in Postgres. It is safe for concurrent use, and implements gorilla's
// sessions.Store for the one cookie that CookieName names. Handlers use its typed face: Visitor,
// SignIn, SignOut.
type Store struct {
	pool   *pgxpool.Pool
	now    clock.Clock
	secure bool
	cookie string
	rows   *coalesce.Reader[digest, sessionRow]
	recent *recent.Memory[digest, Visitor]
}

var _ sessions.Store = (*Store)(nil)

// New makes a store over a migrated database.
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

// Get gives the request's session, looking it up once per request. A browser without a live one
// gets an empty session with IsNew set, which costs nothing until it is saved with someone in it.
func (s *Store) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New is Get without remembering the answer for the rest of the request. The session is never nil;
// the error is ErrUnavailable, or that name is not CookieName.
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
	session.Values[AccountValue], session.Values[RoleValue] = v.Account, v.Role
	return session, nil
}

// Save makes the database and the browser agree with the session: a negative Options.MaxAge, or an
// emptied session, ends it; a new one begins under a new id; one whose account or role changed
// moves to a new id and keeps its end; an unchanged one writes nothing. Its other Options are the
// store's own and not for setting. Errors: ErrUnavailable, ErrEnded, and what is no problem.Error
// for values that a session cannot hold.
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
		return nil // nothing to remember about a stranger
	default:
		return s.end(r, w, session)
	}
}

// held checks what is in a session: a visitor, or the zero one when there is nobody.
func held(session *sessions.Session) (Visitor, error) {
	var v Visitor
	for key, value := range session.Values {
		ok := false
		switch key {
		case AccountValue:
			v.Account, ok = value.(uuid.UUID)
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

// empty makes a session nobody's.
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

// setCookie hands the browser a token until the session's end, or takes it away when maxAge, in
// whole seconds, is negative.
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
