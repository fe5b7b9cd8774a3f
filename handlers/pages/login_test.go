package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// wantCookie checks the attributes of the one cookie that an answer sets, and returns its value.
func wantCookie(t *testing.T, a handlerstest.Response, name string, secure bool) string {
	t.Helper()
	set := a.Header.Values("Set-Cookie")
	cookies := (&http.Response{Header: a.Header}).Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%s: cookies %q", a.Request, set)
	}
	c := cookies[0]
	if c.Name != name || c.Path != "/" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
		c.Secure != secure || c.Domain != "" {
		t.Errorf("%s: the cookie is %q", a.Request, set)
	}
	return c.Value
}

func TestTheCookie(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	a := s.Send("GET", s.LoginLink("maya", "{}"), "")
	value := wantCookie(t, a, "credits", false)
	if len(value) != 43 {
		t.Errorf("the cookie's value has %d characters", len(value))
	}
	demo := s.Send("POST", "/login/demo", "", "Sec-Fetch-Site", "same-origin").WantRedirect("/")
	if other := wantCookie(t, demo, "credits", false); other == value {
		t.Error("two sign-ins have one id")
	}
	out := s.Send("POST", "/logout", "", "Sec-Fetch-Site", "same-origin", "Cookie",
		"credits="+value).WantRedirect("/login?out=1")
	if rest := wantCookie(t, out, "credits", false); rest != "" ||
		!strings.Contains(out.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("signing out sets %q", out.Header.Values("Set-Cookie"))
	}
}

func TestTheCookieOnHTTPS(t *testing.T) {
	t.Parallel()
	s := handlerstest.NewWith(t, handlerstest.Options{BaseURL: "https://credits.example"})
	s.Open("maya", "starter")
	value := wantCookie(t, s.Send("GET", s.LoginLink("maya", "{}"), ""), "__Host-credits", true)
	s.Send("GET", "/credits", "", "Cookie", "__Host-credits="+value).Want(http.StatusOK)
	// The unprefixed name is refused: another subdomain could have set it.
	s.Send("GET", "/credits", "", "Cookie", "credits="+value).Want(http.StatusSeeOther)
	out := s.Send("POST", "/logout", "", "Origin", "https://credits.example", "Cookie", "__Host-credits="+value)
	wantCookie(t, out, "__Host-credits", true)
	s.Send("GET", "/credits", "", "Cookie", "__Host-credits="+value).Want(http.StatusSeeOther)
}

func TestSigningOutWorksAtOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v, other := s.SignIn("maya"), s.SignIn("maya")
	old := v.Cookie
	v.Submit("/logout", nil).WantRedirect("/login?out=1")
	v.Get("/login?out=1").Want(http.StatusOK)
	thief := &handlerstest.Browser{Site: s, Cookie: old}
	thief.Get("/credits").Want(http.StatusSeeOther)
	thief.Get("/credits/badge", "HX-Request", "true").Want(http.StatusUnauthorized)
	thief.Get("/v1/accounts/me").WantProblem(http.StatusUnauthorized, "", "")
	other.Get("/credits").Want(http.StatusOK) // another browser of the creator stays signed in
	// Signing out twice is harmless.
	v.Submit("/logout", nil).WantRedirect("/login?out=1")
	if n := s.Count("select count(*) from sessions"); n != 1 {
		t.Errorf("%d sessions, want the other browser's", n)
	}
}

// A session id set before the sign-in is worthless after it, whether real or invented.
func TestAPlantedCookieIsNotKept(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("mallory", "starter")
	attacker := s.SignIn("mallory")
	for _, planted := range []string{attacker.Cookie, strings.Repeat("A", 43), "short"} {
		for _, signIn := range []func(v *handlerstest.Browser) handlerstest.Response{
			func(v *handlerstest.Browser) handlerstest.Response {
				link := s.LoginLink("maya", "{}")
				if a := v.Get(link); a.Status != http.StatusOK {
					return a
				}
				return v.Submit(link, nil) // a signed-in creator is asked first
			},
			func(v *handlerstest.Browser) handlerstest.Response { return v.Submit("/login/demo", nil) },
		} {
			v := &handlerstest.Browser{Site: s, Cookie: planted}
			signIn(v).Want(http.StatusSeeOther)
			if v.Cookie == planted || v.Cookie == "" {
				t.Errorf("after the sign-in the cookie is %q", v.Cookie)
			}
			v.Get("/v1/accounts/me").Want(http.StatusOK).WantMembers(map[string]any{"account": "maya"})
			(&handlerstest.Browser{Site: s, Cookie: planted}).Get("/credits").Want(http.StatusSeeOther)
		}
	}
}

// A new sign-in ends the browser's previous session.
func TestANewSignInEndsTheOldSession(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	old := v.Cookie
	v.Submit("/login/demo", nil).WantRedirect("/")
	(&handlerstest.Browser{Site: s, Cookie: old}).Get("/credits").Want(http.StatusSeeOther)
	v.Get("/credits").Want(http.StatusOK)
	if n := s.Count("select count(*) from sessions"); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

func TestSessionsExpire(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for range 4 {
		s.Clock.Advance(13 * 24 * time.Hour)
		v.Get("/credits").Want(http.StatusOK)
	}
	s.Clock.Advance(9 * 24 * time.Hour) // 61 days after the sign-in
	v.Get("/credits").WantRedirect("/login?next=%2Fcredits")
}
