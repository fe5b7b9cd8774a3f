package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// headline is the page's one headline.
func (a answer) headline() string {
	a.t.Helper()
	found := all(a.page(), func(n *html.Node) bool { return n.Data == "h1" })
	if len(found) != 1 {
		a.t.Fatalf("%s: %d headlines", a.to, len(found))
	}
	return text(found[0])
}

// Each way in which a page fails has words of its own: only what went wrong on our side says so.
func TestErrorPagesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "1") // empty
	maya, stranger := s.signIn("maya"), &visitor{s: s}
	long := strings.Repeat("x", 70<<10)
	says := func(a answer, status int, headline, words string) {
		t.Helper()
		said := text(a.want(status).only("error-page"))
		if a.headline() != headline || !strings.Contains(said, words) {
			t.Errorf("%s: %q, want %q and %q", a.to, said, headline, words)
		}
		if ours := strings.Contains(said, "our side"); ours != (status == http.StatusInternalServerError) {
			t.Errorf("%s: it went wrong on our side: %v", a.to, ours)
		}
	}
	for _, v := range []*visitor{maya, stranger} {
		says(v.get("/login/link/%ff"), http.StatusBadRequest, "We couldn't read that", "Nothing was changed")
		says(v.do("POST", "/logout", ""), http.StatusForbidden, "This isn't open to you", "came from another site")
		says(v.get("/nothing-here"), http.StatusNotFound, "This page isn't here", "mistyped")
		says(v.do("DELETE", "/plans", "", "Sec-Fetch-Site", "same-origin"), http.StatusMethodNotAllowed,
			"That doesn't work here", "links and buttons")
		says(v.submit("/login/demo", url.Values{"next": {long}}), http.StatusRequestEntityTooLarge,
			"That's too much at once", "shorter")
	}
	if said := text(stranger.do("POST", "/logout", "").only("error-page")); strings.Contains(said, "signed in") {
		t.Errorf("a stranger is told that they are signed in: %s", said)
	}
	says(maya.submit("/credits/notice/dismiss", nil), http.StatusConflict, "That can't be done right now",
		"This notice stays until there are tokens again.")
	s.pool.Close()
	says(maya.get("/plans"), http.StatusServiceUnavailable, "We'll be right back", "try again in a moment")
}

// The API's own address, without what is below it, is the API's too.
func TestTheAPIsRootAnswersAProblem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/v1", "/v1/", "/webhooks"} {
		for _, method := range []string{"GET", "POST", "PUT", "DELETE"} {
			s.send(method, path, "").problem(http.StatusNotFound, "not_found", "")
		}
	}
	s.send("GET", "/v10", "").want(http.StatusNotFound).has("error-page", true)
}

// HEAD is GET without the body, for everybody, but on a login link, which it must not use up.
func TestHeadIsGetWithoutTheBody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	maya, stranger := s.signIn("maya"), &visitor{s: s}
	checkout := maya.order("pack_100")
	back := maya.pay(checkout)
	maya.get(back).want(http.StatusOK) // the first look fulfils it
	same := func(v *visitor, path string, pairs ...string) {
		t.Helper()
		before := s.contents()
		get, head := v.do("GET", path, "", pairs...), v.do("HEAD", path, "", pairs...)
		s.unchanged(before)
		if head.status != get.status || len(head.body) > 0 {
			t.Errorf("%s: %d with %d bytes; GET is answered %d", head.to, head.status, len(head.body), get.status)
		}
		for _, once := range []string{"Date", "X-Request-Id", "Content-Length", "Retry-After"} {
			get.header.Del(once)
			head.header.Del(once)
		}
		for name := range get.header {
			if got, want := head.header.Get(name), get.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", head.to, name, got, want)
			}
		}
		if len(head.header) != len(get.header) {
			t.Errorf("%s: headers %v, want %v", head.to, head.header, get.header)
		}
	}
	for _, r := range routes {
		if r.method != http.MethodGet || r.noHead {
			continue
		}
		switch r.sort {
		case api:
			for scope, key := range s.keys {
				if scope >= r.scope {
					same(stranger, r.of("maya"), "Authorization", "Bearer "+key)
				}
			}
			same(maya, r.of("me"))
			same(stranger, r.of("maya"))
		case public, form, personal, signed:
			for _, v := range []*visitor{maya, stranger} {
				same(v, r.of(""))
				same(v, r.of(""), "HX-Request", "true")
			}
		}
	}
	for _, path := range []string{checkout, back, back + "/status", "/nothing-here", "/v1/nothing"} {
		same(maya, path)
	}
	link := s.link("maya", "{}")
	if a := s.send("HEAD", link, "").want(http.StatusMethodNotAllowed); strings.Contains(a.header.Get("Allow"),
		"HEAD") {
		t.Errorf("Allow is %q", a.header.Get("Allow"))
	}
	s.clock.Advance(time.Second)
	(&visitor{s: s}).get(link).leads("/")
}
