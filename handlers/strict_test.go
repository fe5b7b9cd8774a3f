package handlers_test

import (
	"encoding/base32"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// What is asked twice, or under a name that is not read, is refused on pages and in the API alike.
func TestWhatIsAskedTwiceOrUnderNoNameIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	history(s, 3)
	v := s.signIn("maya")
	for _, path := range []string{
		"/credits/history?tab=usage&tab=", "/credits?days=7&days=30", "/tools?tool=lip_sync&owner=eve",
		"/agents?SAVED=1", "/?x", "/settings?saved=1&saved=1",
	} {
		v.get(path).want(http.StatusBadRequest)
	}
	for _, path := range []string{
		"/credits?by=day", "/credits?days=8", "/credits?days=-30",
		"/credits?days=99999999999999999999", "/credits?by=AGENT",
	} {
		v.get(path).want(http.StatusUnprocessableEntity)
	}
	v.submit("/credits/buy?pack=pack_500", map[string][]string{"pack": {"pack_100"}}).want(http.StatusBadRequest)
	for path, code := range map[string]string{
		"/v1/accounts/maya?x=1":                                      "unknown_parameter",
		"/v1/catalog?version=1":                                      "unknown_parameter",
		"/v1/accounts/maya/usage?group_by=day&group_by=day":          "duplicate_parameter",
		"/v1/accounts/maya/purchases?limit=1&limit=2":                "duplicate_parameter",
		"/v1/accounts/maya/transactions?agent=studio&agent=nobody":   "duplicate_parameter",
		"/v1/webhook-endpoints?limit=1":                              "unknown_parameter",
		"/v1/accounts/maya/transactions?limit=1&unheard_of=whatever": "unknown_parameter",
	} {
		s.call("GET", path, "").problem(http.StatusBadRequest, code,
			strings.FieldsFunc(path[strings.LastIndexAny(path, "?&")+1:], func(r rune) bool {
				return r == '='
			})[0])
	}
	s.call("GET", "/v1/accounts/maya", "", "Authorization", "Bearer x").problem(http.StatusBadRequest,
		"duplicate_header", "Authorization")
	before := s.contents()
	s.post("/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"another").problem(http.StatusBadRequest, "duplicate_header", "Idempotency-Key")
	s.post("/v1/accounts/maya/charges?feature=lip_sync", `{"feature":"lip_sync"}`).problem(http.StatusBadRequest,
		"unknown_parameter", "feature")
	s.unchanged(before)
}

// A body has to say that it is JSON.
func TestABodyOfAnotherTypeIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	for _, kind := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=iso-8859-1",
		"application/json, text/plain", "application/jsonp",
		"multipart/form-data; boundary=x", "application/problem+json",
	} {
		for _, r := range jsonRoutes() {
			s.call(r.method, r.of("maya"), r.body, "Idempotency-Key", "k", "Content-Type", kind).
				problem(http.StatusUnsupportedMediaType, "unsupported_media_type", "")
		}
	}
	s.unchanged(before)
	for _, kind := range []string{
		"application/json", "Application/JSON", "application/json; charset=UTF-8",
		`application/json;charset="utf-8"`,
	} {
		s.post("/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Content-Type", kind).want(http.StatusCreated)
	}
	v := s.signIn("maya")
	s.call("POST", "/v1/accounts/maya/login-links", "").want(http.StatusCreated)
	v.do("POST", "/agents/limits", `{"agent":"","reserve":"5"}`, "Sec-Fetch-Site", "same-origin", "Content-Type",
		"application/json").
		want(http.StatusUnsupportedMediaType)
}

// A cursor goes on with the list that gave it. With another account, filter or list, or written
// otherwise, it is refused.
func TestACursorIsBoundToItsList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	history(s, 6)
	for range 60 {
		s.charge("maya", `{"feature":"social_comment_reply"}`)
	}
	s.open("noor", "starter")
	maya, noor := "/v1/accounts/maya/transactions", "/v1/accounts/noor/transactions"
	cursor, _ := s.call("GET", maya+"?feature=lip_sync&limit=2", "").want(http.StatusOK).at("next_cursor").(string)
	// the size is no part of the list
	s.call("GET", maya+"?limit=9&agent=&feature=lip_sync&cursor="+cursor, "").want(http.StatusOK)
	v := s.signIn("maya")
	v.get("/v1/accounts/me/transactions?feature=lip_sync&cursor=" + cursor).want(http.StatusOK) // nor is who asks
	for _, path := range []string{
		noor + "?feature=lip_sync&cursor=", maya + "?cursor=", maya + "?feature=lip_sync&agent=studio&cursor=",
		maya + "?feature=brand_deal_scan&cursor=",
		"/v1/accounts/maya/purchases?cursor=",
	} {
		s.call("GET", path+cursor, "").problem(http.StatusBadRequest, "invalid_cursor", "cursor")
	}
	v.get("/credits/history?feature=lip_sync&cursor=" + cursor).want(http.StatusBadRequest)
	for _, other := range otherSpellings(cursor) {
		s.call("GET", maya+"?feature=lip_sync&cursor="+escape(other), "").problem(http.StatusBadRequest,
			"invalid_cursor", "cursor")
	}
	next := attr(v.get("/credits/history?from=2026-01-01").only("load-more"), "href")
	v.get(next).want(http.StatusOK)
	v.get(strings.Replace(next, "from=2026-01-01", "from=2026-01-02", 1)).want(http.StatusBadRequest)
}

// Ids have one spelling.
func TestIDsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	id := s.charge("maya", `{"feature":"lip_sync"}`)["id"].(string)
	for _, other := range otherSpellings(id) {
		s.post("/v1/accounts/maya/charges/"+escape(other)+"/refund", `{"reason":"r"}`).want(http.StatusNotFound)
		s.post("/v1/accounts/maya/results",
			`{"charge":`+strconv.Quote(other)+`,"kind":"sale"}`).want(http.StatusUnprocessableEntity)
	}
	s.post("/v1/accounts/maya/charges/"+id+"/refund", `{"reason":"r"}`).want(http.StatusCreated)
	purchase := s.post("/v1/accounts/maya/purchases",
		`{"pack":"pack_100"}`).want(http.StatusCreated).at("id").(string)
	s.call("GET", "/v1/accounts/maya/purchases/"+purchase, "").want(http.StatusOK)
	v := s.signIn("maya")
	for _, other := range []string{
		strings.ToUpper(purchase), "{" + purchase + "}", "urn:uuid:" + purchase,
		strings.ReplaceAll(purchase, "-", ""),
	} {
		s.call("GET", "/v1/accounts/maya/purchases/"+escape(other), "").problem(http.StatusNotFound,
			"purchase_not_found", "")
		v.get("/credits/purchases/" + escape(other)).want(http.StatusNotFound)
	}
}

// otherSpellings are texts that a careless decoder reads as the same bytes.
func otherSpellings(text string) []string {
	prefix, encoded, _ := strings.Cut(text, "_")
	encoding := base32.HexEncoding.WithPadding(base32.NoPadding)
	raw, err := encoding.DecodeString(strings.ToUpper(encoded))
	if err != nil {
		panic(err)
	}
	list := []string{
		strings.ToUpper(text), prefix + "_" + strings.ToUpper(encoded), text + "\n",
		prefix + "_" + encoded[:3] + "\r\n" + encoded[3:], text + "0", text + "=", " " + text, encoded,
	}
	for _, last := range "0123456789abcdefghijklmnopqrstuv" {
		spare := encoded[:len(encoded)-1] + string(last)
		if again, err := encoding.DecodeString(strings.ToUpper(spare)); err == nil && spare != encoded &&
			string(again) == string(raw) {
			list = append(list, prefix+"_"+spare)
		}
	}
	return list
}

// Where a request comes from is said once, or not believed.
func TestTwoOriginsAreNoOrigin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	v.do("POST", "/logout", "", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site",
		"cross-site").want(http.StatusForbidden)
	v.do("POST", "/logout", "", "Origin", s.url, "Origin", "https://evil.example").want(http.StatusForbidden)
	v.get("/credits").want(http.StatusOK)
}
