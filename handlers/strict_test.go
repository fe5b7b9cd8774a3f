package handlers_test

import (
	"encoding/base32"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"pop.store/credits/handlers/handlerstest"
)

// Repeated and unknown parameters are refused by pages and API alike.
func TestWhatIsAskedTwiceOrUnderNoNameIsRefused(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	handlerstest.ChargeInTurn(s, 3)
	v := s.SignIn("maya")
	for _, path := range []string{
		"/credits/history?tab=usage&tab=", "/credits?days=7&days=30", "/tools?tool=lip_sync&owner=eve",
		"/agents?SAVED=1", "/?x", "/settings?saved=1&saved=1",
	} {
		v.Get(path).Want(http.StatusBadRequest)
	}
	for _, path := range []string{
		"/credits?by=day", "/credits?days=8", "/credits?days=-30",
		"/credits?days=99999999999999999999", "/credits?by=AGENT",
	} {
		v.Get(path).Want(http.StatusUnprocessableEntity)
	}
	v.Submit("/credits/buy?pack=pack_500", map[string][]string{"pack": {"pack_100"}}).Want(http.StatusBadRequest)
	for path, code := range map[string]string{
		"/v1/accounts/maya?x=1":                                      "unknown_parameter",
		"/v1/catalog?version=1":                                      "unknown_parameter",
		"/v1/accounts/maya/usage?group_by=day&group_by=day":          "duplicate_parameter",
		"/v1/accounts/maya/purchases?limit=1&limit=2":                "duplicate_parameter",
		"/v1/accounts/maya/transactions?agent=studio&agent=nobody":   "duplicate_parameter",
		"/v1/webhook-endpoints?limit=1":                              "unknown_parameter",
		"/v1/accounts/maya/transactions?limit=1&unheard_of=whatever": "unknown_parameter",
	} {
		s.Call("GET", path, "").WantProblem(http.StatusBadRequest, code,
			strings.FieldsFunc(path[strings.LastIndexAny(path, "?&")+1:], func(r rune) bool {
				return r == '='
			})[0])
	}
	s.Call("GET", "/v1/accounts/maya", "", "Authorization", "Bearer x").WantProblem(http.StatusBadRequest,
		"duplicate_header", "Authorization")
	before := s.Contents()
	s.Post("/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Idempotency-Key",
		"another").WantProblem(http.StatusBadRequest, "duplicate_header", "Idempotency-Key")
	s.Post("/v1/accounts/maya/charges?feature=lip_sync", `{"feature":"lip_sync"}`).WantProblem(http.StatusBadRequest,
		"unknown_parameter", "feature")
	s.WantUnchanged(before)
}

// A JSON body needs its content type.
func TestABodyOfAnotherTypeIsRefused(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for _, kind := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=iso-8859-1",
		"application/json, text/plain", "application/jsonp",
		"multipart/form-data; boundary=x", "application/problem+json",
	} {
		for _, r := range jsonRoutes() {
			s.Call(r.Method, r.PathFor("maya"), r.Body, "Idempotency-Key", "k", "Content-Type", kind).
				WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "")
		}
	}
	s.WantUnchanged(before)
	for _, kind := range []string{
		"application/json", "Application/JSON", "application/json; charset=UTF-8",
		`application/json;charset="utf-8"`,
	} {
		s.Post("/v1/accounts/maya/charges", `{"feature":"lip_sync"}`, "Content-Type", kind).Want(http.StatusCreated)
	}
	v := s.SignIn("maya")
	s.Call("POST", "/v1/accounts/maya/login-links", "").Want(http.StatusCreated)
	v.Do("POST", "/agents/limits", `{"agent":"","reserve":"5"}`, "Sec-Fetch-Site", "same-origin", "Content-Type",
		"application/json").
		Want(http.StatusUnsupportedMediaType)
}

// A cursor is only valid for the account, filter and list that returned it, in its exact spelling.
func TestACursorIsBoundToItsList(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	handlerstest.ChargeInTurn(s, 6)
	for range 60 {
		s.Charge("maya", `{"feature":"social_comment_reply"}`)
	}
	s.Open("noor", "starter")
	maya, noor := "/v1/accounts/maya/transactions", "/v1/accounts/noor/transactions"
	cursor, _ := s.Call("GET", maya+"?feature=lip_sync&limit=2", "").Want(http.StatusOK).At("next_cursor").(string)
	// the page size may change
	s.Call("GET", maya+"?limit=9&agent=&feature=lip_sync&cursor="+cursor, "").Want(http.StatusOK)
	v := s.SignIn("maya")
	v.Get("/v1/accounts/me/transactions?feature=lip_sync&cursor=" + cursor).Want(http.StatusOK) // and the requester, too
	for _, path := range []string{
		noor + "?feature=lip_sync&cursor=", maya + "?cursor=", maya + "?feature=lip_sync&agent=studio&cursor=",
		maya + "?feature=brand_deal_scan&cursor=",
		"/v1/accounts/maya/purchases?cursor=",
	} {
		s.Call("GET", path+cursor, "").WantProblem(http.StatusBadRequest, "invalid_cursor", "cursor")
	}
	v.Get("/credits/history?feature=lip_sync&cursor=" + cursor).Want(http.StatusBadRequest)
	for _, other := range otherSpellings(cursor) {
		s.Call("GET", maya+"?feature=lip_sync&cursor="+url.QueryEscape(other), "").WantProblem(http.StatusBadRequest,
			"invalid_cursor", "cursor")
	}
	next := handlerstest.Attr(v.Get("/credits/history?from=2026-01-01").Element("load-more"), "href")
	v.Get(next).Want(http.StatusOK)
	v.Get(strings.Replace(next, "from=2026-01-01", "from=2026-01-02", 1)).Want(http.StatusBadRequest)
}

// Ids have one valid spelling.
func TestIDsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	id := s.Charge("maya", `{"feature":"lip_sync"}`)["id"].(string)
	for _, other := range otherSpellings(id) {
		s.Post("/v1/accounts/maya/charges/"+url.QueryEscape(other)+"/refund", `{"reason":"r"}`).
			Want(http.StatusNotFound)
		s.Post("/v1/accounts/maya/results",
			`{"charge":`+strconv.Quote(other)+`,"kind":"sale"}`).Want(http.StatusUnprocessableEntity)
	}
	s.Post("/v1/accounts/maya/charges/"+id+"/refund", `{"reason":"r"}`).Want(http.StatusCreated)
	purchase := s.Post("/v1/accounts/maya/purchases",
		`{"pack":"pack_100"}`).Want(http.StatusCreated).At("id").(string)
	s.Call("GET", "/v1/accounts/maya/purchases/"+purchase, "").Want(http.StatusOK)
	v := s.SignIn("maya")
	for _, other := range []string{
		strings.ToUpper(purchase), "{" + purchase + "}", "urn:uuid:" + purchase,
		strings.ReplaceAll(purchase, "-", ""),
	} {
		s.Call("GET", "/v1/accounts/maya/purchases/"+url.QueryEscape(other), "").WantProblem(http.StatusNotFound,
			"purchase_not_found", "")
		v.Get("/credits/purchases/" + url.QueryEscape(other)).Want(http.StatusNotFound)
	}
}

// otherSpellings are texts that a lenient decoder reads as the same bytes.
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

// Two Origin headers are refused.
func TestTwoOriginsAreNoOrigin(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.Do("POST", "/logout", "", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site",
		"cross-site").Want(http.StatusForbidden)
	v.Do("POST", "/logout", "", "Origin", s.URL, "Origin", "https://evil.example").Want(http.StatusForbidden)
	v.Get("/credits").Want(http.StatusOK)
}
