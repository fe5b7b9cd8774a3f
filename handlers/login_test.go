package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// wantCookie checks the attributes of the one cookie that an answer sets, and gives its value.
func wantCookie(t *testing.T, a answer, name string, secure bool) string {
	t.Helper()
	set := a.header.Values("Set-Cookie")
	cookies := (&http.Response{Header: a.header}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%s: cookies %q", a.to, set)
	}
	c := cookies[0]
	if c.Name != name || c.Path != "/" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
		c.Secure != secure || c.Domain != "" {
		t.Errorf("%s: the cookie is %q", a.to, set)
	}
	return c.Value
}

func TestTheCookie(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	a := s.send("GET", s.link("maya", "{}"), "")
	value := wantCookie(t, a, "credits", false)
	if len(value) != 43 {
		t.Errorf("the cookie's value has %d characters", len(value))
	}
	demo := s.send("POST", "/login/demo", "", "Sec-Fetch-Site", "same-origin").leads("/")
	if other := wantCookie(t, demo, "credits", false); other == value {
		t.Error("two sign-ins have one id")
	}
	out := s.send("POST", "/logout", "", "Sec-Fetch-Site", "same-origin", "Cookie",
		"credits="+value).leads("/login?out=1")
	if rest := wantCookie(t, out, "credits", false); rest != "" ||
		!strings.Contains(out.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("signing out sets %q", out.header.Values("Set-Cookie"))
	}
}

func TestTheCookieOnHTTPS(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, options{base: "https://credits.example"})
	s.open("maya", "starter")
	value := wantCookie(t, s.send("GET", s.link("maya", "{}"), ""), "__Host-credits", true)
	s.send("GET", "/credits", "", "Cookie", "__Host-credits="+value).want(http.StatusOK)
	// Under the plain name anybody's neighbour could have planted it.
	s.send("GET", "/credits", "", "Cookie", "credits="+value).want(http.StatusSeeOther)
	out := s.send("POST", "/logout", "", "Origin", "https://credits.example", "Cookie", "__Host-credits="+value)
	wantCookie(t, out, "__Host-credits", true)
	s.send("GET", "/credits", "", "Cookie", "__Host-credits="+value).want(http.StatusSeeOther)
}

func TestSigningOutWorksAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v, other := s.signIn("maya"), s.signIn("maya")
	old := v.cookie
	v.submit("/logout", nil).leads("/login?out=1")
	v.get("/login?out=1").want(http.StatusOK)
	thief := &visitor{s: s, cookie: old}
	thief.get("/credits").want(http.StatusSeeOther)
	thief.get("/credits/badge", "HX-Request", "true").want(http.StatusUnauthorized)
	thief.get("/v1/accounts/me").problem(http.StatusUnauthorized, "", "")
	other.get("/credits").want(http.StatusOK) // a browser of one's own elsewhere stays signed in
	// Signing out twice is signing out.
	v.submit("/logout", nil).leads("/login?out=1")
	if n := s.count("select count(*) from sessions"); n != 1 {
		t.Errorf("%d sessions, want the other browser's", n)
	}
}

// An id that somebody planted before the sign-in is worth nothing after it, live or made up.
func TestAPlantedCookieIsNotKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("mallory", "starter")
	attacker := s.signIn("mallory")
	for _, planted := range []string{attacker.cookie, strings.Repeat("A", 43), "short"} {
		for _, signIn := range []func(v *visitor) answer{
			func(v *visitor) answer {
				link := s.link("maya", "{}")
				if a := v.get(link); a.status != http.StatusOK {
					return a
				}
				return v.submit(link, nil) // who is signed in is asked first
			},
			func(v *visitor) answer { return v.submit("/login/demo", nil) },
		} {
			v := &visitor{s: s, cookie: planted}
			signIn(v).want(http.StatusSeeOther)
			if v.cookie == planted || v.cookie == "" {
				t.Errorf("after the sign-in the cookie is %q", v.cookie)
			}
			v.get("/v1/accounts/me").want(http.StatusOK).wantMembers(map[string]any{"account": "maya"})
			(&visitor{s: s, cookie: planted}).get("/credits").want(http.StatusSeeOther)
		}
	}
}

// Signing in again over one's own session ends it.
func TestANewSignInEndsTheOldSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	old := v.cookie
	v.submit("/login/demo", nil).leads("/")
	(&visitor{s: s, cookie: old}).get("/credits").want(http.StatusSeeOther)
	v.get("/credits").want(http.StatusOK)
	if n := s.count("select count(*) from sessions"); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for range 4 {
		s.clock.Advance(13 * 24 * time.Hour)
		v.get("/credits").want(http.StatusOK)
	}
	s.clock.Advance(9 * 24 * time.Hour) // 61 days after the sign-in
	v.get("/credits").leads("/login?next=%2Fcredits")
}
