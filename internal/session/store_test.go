package session_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/sessions"

	"pop.store/credits/internal/session"
)

// edit changes the session through gorilla's interface and saves it.
func (b *browser) edit(change func(*sessions.Session)) error {
	b.t.Helper()
	return b.visit(func(w http.ResponseWriter, r *http.Request) error {
		s, err := b.Get(r, b.CookieName())
		if err != nil {
			return err
		}
		change(s)
		return s.Save(r, w)
	})
}

func put(v session.Visitor) func(*sessions.Session) {
	return func(s *sessions.Session) {
		s.Values[session.AccountValue], s.Values[session.RoleValue] = v.AccountID, v.Role
	}
}

func TestStoreSaves(t *testing.T) {
	t.Parallel()
	b := newFixture(t, false).browser()
	if err := b.edit(func(*sessions.Session) {}); err != nil || b.last != nil || b.rows("sessions") != 0 {
		t.Errorf("an empty session was stored: %v, %v", b.last, err)
	}
	v := creator()
	if err := b.edit(put(v)); err != nil {
		t.Fatal(err)
	}
	b.want(v)

	if err := b.edit(put(v)); err != nil || b.last != nil {
		t.Errorf("saving an unchanged session sets %v: %v", b.last, err)
	}
	s, err := b.New(b.request(), b.CookieName())
	if err != nil || s.IsNew || len(s.Values) != 2 || s.ID == "" || s.ID == b.cookie.Value {
		t.Errorf("the session is %+v (%v)", s, err)
	}

	if err := b.edit(func(s *sessions.Session) {
		s.Options.MaxAge = -1
	}); err != nil || b.last == nil || b.last.MaxAge >= 0 {
		t.Errorf("ending it sets %v: %v", b.last, err)
	}
	if n := b.rows("sessions"); n != 0 {
		t.Errorf("%d rows remain", n)
	}
	b.wantNobody()

	b.signIn(v)
	if err := b.edit(func(s *sessions.Session) {
		clear(s.Values)
	}); err != nil || b.cookie != nil || b.rows("sessions") != 0 {
		t.Errorf("an emptied session was stored: %v, %v", b.cookie, err)
	}
}

// A new role needs a new id, but does not extend the session.
func TestStoreChangesTheID(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	b, v := d.browser(), creator()
	b.signIn(v)
	before := *b
	d.clock.Advance(10 * 24 * time.Hour)
	v.Role = session.RoleSupport
	if err := b.edit(put(v)); err != nil {
		t.Fatal(err)
	}
	b.want(v)
	before.wantNobody()
	if b.last.MaxAge != 50*24*60*60 {
		t.Errorf("the cookie lives %d s", b.last.MaxAge)
	}
	for range 5 {
		d.clock.Advance(10*24*time.Hour - time.Second)
		b.want(v)
	}
	d.clock.Set(start.Add(session.Lifetime))
	b.wantNobody()
}

// A session that ends while a request runs stays ended, whatever that request saves.
func TestStoreRevivesNothing(t *testing.T) {
	t.Parallel()
	d := newFixture(t, false)
	b, v := d.browser(), creator()
	for name, end := range map[string]func(){
		"signed out everywhere": func() {
			if err := d.EndAll(t.Context(), v.AccountID); err != nil {
				t.Error(err)
			}
		},
		"expired": func() { d.clock.Advance(session.Lifetime) },
	} {
		for _, role := range []string{session.RoleCreator, session.RoleSupport} {
			b.signIn(v)
			err := b.edit(func(s *sessions.Session) {
				end()
				put(session.Visitor{AccountID: v.AccountID, Role: role})(s)
			})
			if !errors.Is(err, session.ErrEnded) || b.last != nil {
				t.Errorf("%s, then saved as %s: %v, cookie %v", name, role, err, b.last)
			}
			b.wantNobody()
		}
	}
	if err := b.edit(func(s *sessions.Session) {
		s.ID, s.IsNew = "made up", false
		put(v)(s)
	}); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a made-up id: %v", err)
	}
}

func TestStoreRefusesForeignValues(t *testing.T) {
	t.Parallel()
	b := newFixture(t, false).browser()
	for name, change := range map[string]func(*sessions.Session){
		"flash":         func(s *sessions.Session) { s.AddFlash("hello") },
		"untyped key":   func(s *sessions.Session) { s.Values["account"] = uuid.New() },
		"other type":    func(s *sessions.Session) { s.Values[session.AccountValue] = uuid.NewString() },
		"role only":     func(s *sessions.Session) { s.Values[session.RoleValue] = session.RoleCreator },
		"account only":  func(s *sessions.Session) { s.Values[session.AccountValue] = uuid.New() },
		"unknown role":  func(s *sessions.Session) { put(session.Visitor{AccountID: uuid.New(), Role: "root"})(s) },
		"unknown value": func(s *sessions.Session) { put(creator())(s); s.Values[session.Value("theme")] = "dark" },
	} {
		if err := b.edit(change); err == nil || b.last != nil {
			t.Errorf("%s: stored as %v", name, b.last)
		}
	}
	s, err := b.Get(httptest.NewRequest(http.MethodGet, "/", nil), "other")
	if err == nil || s == nil {
		t.Errorf("a session under another name: %v, %v", s, err)
	}
}
