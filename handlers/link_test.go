package handlers_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// A link of somebody else asks first: any site can send a browser there.
func TestALinkOfAnotherCreatorAsksFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("noor", "starter")
	s.call("PUT", "/v1/accounts/noor", `{"name":"Noor <b>"}`).want(http.StatusOK)
	v := s.signIn("maya")
	old, link := v.cookie, s.link("noor", `{"next":"/plans"}`)
	for range 2 {
		a := v.get(link, "Sec-Fetch-Site", "cross-site").want(http.StatusOK)
		a.has("switch-account", true)
		if v.cookie != old || !strings.Contains(string(a.body), "Noor &lt;b&gt;") {
			t.Errorf("it changed the session, or names nobody: %.400s", a.body)
		}
	}
	v.get("/v1/accounts/me").wantMembers(map[string]any{"account": "maya"})
	v.do("POST", link, "", "Sec-Fetch-Site", "cross-site").want(http.StatusForbidden)
	v.submit(link, nil).leads("/plans")
	v.get("/v1/accounts/me").wantMembers(map[string]any{"account": "noor"})
	(&visitor{s: s, cookie: old}).get("/credits").want(http.StatusSeeOther)
	v.submit(link, nil).want(http.StatusForbidden) // it is used up
	v.get(link).want(http.StatusForbidden)
	v.get(s.link("noor", `{"next":"/agents"}`)).leads("/agents") // one's own needs no question
}

// A browser that looks ahead does not use the link up.
func TestLookingAheadDoesNotUseALinkUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	link := s.link("maya", "")
	before := s.contents()
	for _, header := range [][]string{
		{"Sec-Purpose", "prefetch"},
		{"Sec-Purpose", "prefetch;prerender"},
		{"Purpose", "prefetch"},
		{"X-Purpose", "preview"},
		{"X-Moz", "prefetch"},
	} {
		wantNoCookie(t, s.send("GET", link, "", header...).want(http.StatusForbidden))
	}
	s.unchanged(before)
	s.send("GET", link, "").leads("/")
}

// One check for every address that one is sent to: next, and the return_url of a purchase.
func TestWhereOneMayBeSentIsCheckedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for _, bad := range []string{
		"/login/link/abc", "/login?next=/x", "/logout", "/%6cogout", "/a/..//evil.example", "/%2fevil.example",
		"//evil.example", `/\evil.example`, "/v1/accounts/me",
	} {
		s.call("POST", "/v1/accounts/maya/login-links",
			`{"next":`+strconv.Quote(bad)+`}`).problem(http.StatusUnprocessableEntity, "invalid_field", "next")
		s.post("/v1/accounts/maya/purchases",
			`{"pack":"pack_100","return_url":`+strconv.Quote(bad)+`}`).problem(http.StatusUnprocessableEntity,
			"invalid_field", "return_url")
		v.get("/login?next=" + escape(bad)).leads("/")
		s.send("POST", "/login/demo", "next="+escape(bad), "Sec-Fetch-Site", "same-origin", "Content-Type",
			"application/x-www-form-urlencoded").leads("/")
	}
	v.get("/login?next=%2Ftools%3Ftool%3Dlip_sync").leads("/tools?tool=lip_sync")
}
