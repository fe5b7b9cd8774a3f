package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// Each kind of failure has its own text on the error page. Only server errors apologize.
func TestErrorPagesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "1") // empty
	maya, stranger := s.SignIn("maya"), &handlerstest.Browser{Site: s}
	long := strings.Repeat("x", 70<<10)
	says := func(a handlerstest.Response, status int, headline, words string) {
		t.Helper()
		said := handlerstest.Text(a.Want(status).Element("error-page"))
		if a.Headline() != headline || !strings.Contains(said, words) {
			t.Errorf("%s: %q, want %q and %q", a.Request, said, headline, words)
		}
		if ours := strings.Contains(said, "our side"); ours != (status == http.StatusInternalServerError) {
			t.Errorf("%s: it went wrong on our side: %v", a.Request, ours)
		}
	}
	for _, v := range []*handlerstest.Browser{maya, stranger} {
		says(v.Get("/login/link/%ff"), http.StatusBadRequest, "We couldn't read that", "Nothing was changed")
		says(v.Do("POST", "/logout", ""), http.StatusForbidden, "This isn't open to you", "came from another site")
		says(v.Get("/nothing-here"), http.StatusNotFound, "This page isn't here", "mistyped")
		says(v.Do("DELETE", "/plans", "", "Sec-Fetch-Site", "same-origin"), http.StatusMethodNotAllowed,
			"That doesn't work here", "links and buttons")
		says(v.Submit("/login/demo", url.Values{"next": {long}}), http.StatusRequestEntityTooLarge,
			"That's too much at once", "shorter")
	}
	if said := handlerstest.Text(stranger.Do("POST", "/logout", "").Element("error-page")); strings.Contains(
		said,
		"signed in",
	) {
		t.Errorf("a stranger is told that they are signed in: %s", said)
	}
	says(maya.Submit("/credits/notice/dismiss", nil), http.StatusConflict, "That can't be done right now",
		"This notice stays until there are tokens again.")
	s.Pool.Close()
	says(maya.Get("/plans"), http.StatusServiceUnavailable, "We'll be right back", "try again in a moment")
}

// The API's root path answers as the API does.
func TestTheAPIsRootAnswersAProblem(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for _, path := range []string{"/v1", "/v1/", "/webhooks"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			s.Send(method, path, "").WantProblem(http.StatusNotFound, "not_found", "")
		}
	}
	s.Send("GET", "/v10", "").Want(http.StatusNotFound).WantElement("error-page", true)
}

// HEAD is GET without the body for every route except the login link, which it must not use up.
func TestHeadIsGetWithoutTheBody(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	maya, stranger := s.SignIn("maya"), &handlerstest.Browser{Site: s}
	checkout := maya.Order("pack_100")
	back := maya.Pay(checkout)
	maya.Get(back).Want(http.StatusOK) // the first request fulfils it
	same := func(v *handlerstest.Browser, path string, pairs ...string) {
		t.Helper()
		before := s.Contents()
		get, head := v.Do("GET", path, "", pairs...), v.Do("HEAD", path, "", pairs...)
		s.WantUnchanged(before)
		if head.Status != get.Status || len(head.Body) > 0 {
			t.Errorf("%s: %d with %d bytes; GET is answered %d", head.Request, head.Status, len(head.Body), get.Status)
		}
		for _, once := range []string{"Date", "X-Request-Id", "Content-Length", "Retry-After"} {
			get.Header.Del(once)
			head.Header.Del(once)
		}
		for name := range get.Header {
			if got, want := head.Header.Get(name), get.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", head.Request, name, got, want)
			}
		}
		if len(head.Header) != len(get.Header) {
			t.Errorf("%s: headers %v, want %v", head.Request, head.Header, get.Header)
		}
	}
	for _, r := range routes {
		if r.Method != http.MethodGet || r.NoHead {
			continue
		}
		switch r.Access {
		case api:
			for scope, key := range s.Keys {
				if scope >= r.Scope {
					same(stranger, r.PathFor("maya"), "Authorization", "Bearer "+key)
				}
			}
			same(maya, r.PathFor("me"))
			same(stranger, r.PathFor("maya"))
		case public, form, personal, signed:
			for _, v := range []*handlerstest.Browser{maya, stranger} {
				same(v, r.PathFor(""))
				same(v, r.PathFor(""), "HX-Request", "true")
			}
		}
	}
	for _, path := range []string{checkout, back, back + "/status", "/nothing-here", "/v1/nothing"} {
		same(maya, path)
	}
	link := s.LoginLink("maya", "{}")
	if a := s.Send("HEAD", link, "").Want(http.StatusMethodNotAllowed); strings.Contains(a.Header.Get("Allow"),
		"HEAD") {
		t.Errorf("Allow is %q", a.Header.Get("Allow"))
	}
	s.Clock.Advance(time.Second)
	(&handlerstest.Browser{Site: s}).Get(link).WantRedirect("/")
}
