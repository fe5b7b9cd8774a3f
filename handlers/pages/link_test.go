package pages_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// A sign-in link of another creator asks first, since any site can send a browser there.
func TestALinkOfAnotherCreatorAsksFirst(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("noor", "starter")
	s.Call("PUT", "/v1/accounts/noor", `{"name":"Noor <b>"}`).Want(http.StatusOK)
	v := s.SignIn("maya")
	old, link := v.Cookie, s.LoginLink("noor", `{"next":"/plans"}`)
	for range 2 {
		a := v.Get(link, "Sec-Fetch-Site", "cross-site").Want(http.StatusOK)
		a.WantElement("switch-account", true)
		if v.Cookie != old || !strings.Contains(string(a.Body), "Noor &lt;b&gt;") {
			t.Errorf("it changed the session, or names nobody: %.400s", a.Body)
		}
	}
	v.Get("/v1/accounts/me").WantMembers(map[string]any{"account": "maya"})
	v.Do("POST", link, "", "Sec-Fetch-Site", "cross-site").Want(http.StatusForbidden)
	v.Submit(link, nil).WantRedirect("/plans")
	v.Get("/v1/accounts/me").WantMembers(map[string]any{"account": "noor"})
	(&handlerstest.Browser{Site: s, Cookie: old}).Get("/credits").Want(http.StatusSeeOther)
	v.Submit(link, nil).Want(http.StatusForbidden) // it is used up
	v.Get(link).Want(http.StatusForbidden)
	v.Get(s.LoginLink("noor", `{"next":"/agents"}`)).WantRedirect("/agents") // a link of the same creator does not ask
}

// A prefetch does not use the link up.
func TestLookingAheadDoesNotUseALinkUp(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	link := s.LoginLink("maya", "")
	before := s.Contents()
	for _, header := range [][]string{
		{"Sec-Purpose", "prefetch"},
		{"Sec-Purpose", "prefetch;prerender"},
		{"Purpose", "prefetch"},
		{"X-Purpose", "preview"},
		{"X-Moz", "prefetch"},
	} {
		handlerstest.WantNoCookie(t, s.Send("GET", link, "", header...).Want(http.StatusForbidden))
	}
	s.WantUnchanged(before)
	s.Send("GET", link, "").WantRedirect("/")
}

// One check covers every redirect address: next, and the return_url of a purchase.
func TestWhereOneMayBeSentIsCheckedOnce(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for _, bad := range []string{
		"/login/link/abc", "/login?next=/x", "/logout", "/%6cogout", "/a/..//evil.example", "/%2fevil.example",
		"//evil.example", `/\evil.example`, "/v1/accounts/me",
	} {
		s.Call("POST", "/v1/accounts/maya/login-links",
			`{"next":`+strconv.Quote(bad)+`}`).WantProblem(http.StatusUnprocessableEntity, "invalid_field", "next")
		s.Post("/v1/accounts/maya/purchases",
			`{"pack":"pack_100","return_url":`+strconv.Quote(bad)+`}`).WantProblem(http.StatusUnprocessableEntity,
			"invalid_field", "return_url")
		v.Get("/login?next=" + url.QueryEscape(bad)).WantRedirect("/")
		s.Send("POST", "/login/demo", "next="+url.QueryEscape(bad), "Sec-Fetch-Site", "same-origin", "Content-Type",
			"application/x-www-form-urlencoded").WantRedirect("/")
	}
	v.Get("/login?next=%2Ftools%3Ftool%3Dlip_sync").WantRedirect("/tools?tool=lip_sync")
}
