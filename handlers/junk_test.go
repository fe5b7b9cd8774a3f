package handlers_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// bodies are what no route accepts, whatever its fields are.
var bodies = map[string]string{
	"empty":             "",
	"white space":       " \n",
	"array":             `[]`,
	"text":              `"x"`,
	"null":              `null`,
	"number":            `1`,
	"bool":              `true`,
	"open object":       `{`,
	"open name":         `{"feature`,
	"no value":          `{"feature":`,
	"no name":           `{:1}`,
	"single quotes":     `{'feature':'lip_sync'}`,
	"comment":           `{/* */}`,
	"trailing comma":    `{"feature":"lip_sync",}`,
	"trailing junk":     `{} x`,
	"two objects":       `{}{}`,
	"byte order mark":   "\ufeff{}",
	"unknown field":     `{"nope":1}`,
	"unknown case":      `{"Feature":"lip_sync"}`,
	"prototype":         `{"__proto__":{}}`,
	"NaN":               `{"amount":NaN}`,
	"Infinity":          `{"amount":-Infinity}`,
	"leading zero":      `{"amount":01}`,
	"plus":              `{"amount":+1}`,
	"hexadecimal":       `{"amount":0x10}`,
	"raw NUL":           "{\"feature\":\"a\x00\"}",
	"NUL outside":       "\x00{}",
	"bad UTF-8":         "{\"feature\":\"\xff\"}",
	"bad UTF-8 name":    "{\"\xc3\x28\":1}",
	"overlong UTF-8":    "{\"feature\":\"\xc0\xaf\"}",
	"UTF-16":            "\xff\xfe{\x00}\x00",
	"lone surrogate":    `{"feature":"\ud800"}`,
	"NUL escape":        `{"feature":"\u0000"}`,
	"raw line end":      "{\"feature\":\"a\nb\"}",
	"deep array":        `{"feature":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
	"deep object":       strings.Repeat(`{"feature":`, 5_000) + `1` + strings.Repeat(`}`, 5_000),
	"unclosed depth":    strings.Repeat("[", 60_000),
	"long number":       `{"quantity":` + strings.Repeat("9", 50_000) + `}`,
	"long exponent":     `{"quantity":1e999999999}`,
	"many fields":       `{"a0":1` + strings.Repeat(`,"a":1`, 5_000) + `}`,
	"form":              "feature=lip_sync&amount=1",
	"XML with entities": `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>`,
}

// fields are each JSON route's own, with the kind of value that they take.
var fields = map[string]map[string]string{
	"/v1/accounts/:account": {
		"plan":           "text",
		"plan_status":    "text",
		"name":           "text",
		"email":          "text",
		"time_zone":      "text",
		"billing_anchor": "time",
		"billing_zone":   "text",
		"own_reserve":    "amount or null",
		"low_threshold":  "amount or null",
	},
	"/v1/accounts/:account/agents/:agent": {
		"name":           "text",
		"feature":        "text",
		"monthly_budget": "amount or null",
		"reserve":        "amount or null",
	},
	"/v1/accounts/:account/agents/:agent/pause":  {},
	"/v1/accounts/:account/close":                {},
	"/v1/accounts/:account/agents/:agent/resume": {},
	"/v1/accounts/:account/results": {
		"charge":   "text",
		"agent":    "text",
		"kind":     "text",
		"count":    "int",
		"money":    "text",
		"currency": "text",
	},
	"/v1/accounts/:account/login-links": {"next": "text"},
	"/v1/accounts/:account/quote": {
		"feature":  "text",
		"quantity": "int",
		"amount":   "amount",
		"agent":    "text",
	},
	"/v1/accounts/:account/charges": {
		"feature":          "text",
		"quantity":         "int",
		"amount":           "amount",
		"agent":            "text",
		"reference":        "text",
		"unique_reference": "bool",
		"metadata":         "pairs",
		"reason":           "text",
	},
	"/v1/accounts/:account/charges/:id/refund": {
		"amount":    "amount",
		"reference": "text",
		"reason":    "text",
		"metadata":  "pairs",
	},
	"/v1/accounts/:account/holds": {
		"feature":    "text",
		"quantity":   "int",
		"amount":     "amount",
		"agent":      "text",
		"expires_in": "int",
		"reference":  "text",
		"reason":     "text",
		"metadata":   "pairs",
	},
	"/v1/accounts/:account/holds/:id/capture": {
		"amount":    "amount",
		"reference": "text",
		"reason":    "text",
		"metadata":  "pairs",
	},
	"/v1/accounts/:account/holds/:id/release": {
		"reference": "text",
		"reason":    "text",
		"metadata":  "pairs",
	},
	"/v1/accounts/:account/holds/:id/extend":                   {"expires_in": "int"},
	"/v1/webhook-endpoints":                                    {"url": "text", "events": "list"},
	"/v1/webhook-endpoints/:id":                                {},
	"/v1/webhook-endpoints/:id/rotate":                         {},
	"/v1/webhook-endpoints/:id/enable":                         {},
	"/v1/webhook-endpoints/:id/deliveries/:delivery/redeliver": {},
	"/v1/charges":                                {"charges": "list"},
	"/v1/balances":                               {"accounts": "list"},
	"/v1/accounts/:account/purchases":            {"pack": "text", "return_url": "text"},
	"/v1/accounts/:account/purchases/:id/refund": {"amount": "money", "reason": "text"},
	"/v1/accounts/:account/grants": {
		"amount":     "amount",
		"kind":       "text",
		"expires_at": "time",
		"reason":     "text",
		"reference":  "text",
		"metadata":   "pairs",
	},
}

// values are what a kind of field refuses. Strings that it cannot read as its own are among them.
func values(kind string) []string {
	junk := []string{
		`null`, `[]`, `[1]`, `1.5`, `1e3`, `-0`, `-1.0`, `"\u0000"`, `"\udc00"`, `"a\u0007b"`,
		`"` + strings.Repeat("x", 2000) + `"`,
	}
	add := map[string][]string{
		"text": {`{}`, `1`, `true`},
		"int":  {`{}`, `"1"`, `true`, `9223372036854775808`, `-9223372036854775809`, `1.0`, `1E0`},
		"bool": {`{}`, `"true"`, `0`},
		"money": {
			`1`, `"9.00"`, `true`, `{"minor":"1","currency":"USD"}`, `{"minor":1.5,"currency":"USD"}`,
			`{"minor":1,"nope":"USD"}`, `{"minor":null}`, `{"currency":1}`,
		},
		"list": {
			`{}`, `"x"`, `0`, `[null]`, `[[]]`, `[true]`, `[{"nope":1}]`,
			`["` + strings.Repeat("x", 2000) + `"]`, `[` + strings.Repeat(`"x",`, 1000) + `"x"]`,
		},
		"pairs": {
			`1`, `"x"`, `true`, `{"a":1}`, `{"a":null}`, `{"a":{}}`, `{"":"x"}`,
			`{"a":"` + strings.Repeat("x", 1001) + `"}`, `{"a":"1","a":"2"}`,
		},
		"time": {
			`{}`, `1767225600`, `true`, `"2026-02-30T00:00:00Z"`, `"2026-11-22"`, `"2026-11-22T14:02:00"`,
			`"now"`, `"10000-01-01T00:00:00Z"`,
		},
		"amount": {
			`{}`, `1`, `0.05`, `true`, `"1e3"`, `"-0"`, `"NaN"`, `"Infinity"`, `"+1"`, `" 1"`, `"1 "`, `""`, `"."`,
			`"1."`, `".5"`, `"007"`, `"1,5"`, `"0x10"`, `"١"`,
			`"0.0000001"`, `"100000000001"`, `"9223372036854775808"`, `"` + strings.Repeat("9", 900) + `"`,
			`"-9223372036854775808000000"`,
		},
	}
	if kind == "amount or null" {
		return append(junk[1:], add["amount"]...)
	}
	return append(junk, add[kind]...)
}

func jsonRoutes() []route {
	return slices.DeleteFunc(of(api), func(r route) bool { return r.method == http.MethodGet })
}

// refused checks that junk was called the caller's mistake, in a problem document.
func (a answer) refused(what string) {
	a.t.Helper()
	if a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity {
		a.t.Errorf("%s: %s: %d: %.300s", a.to, what, a.status, a.body)
		return
	}
	a.problem(a.status, "", "")
}

func TestJunkIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	for _, r := range jsonRoutes() {
		for name, body := range bodies {
			if strings.TrimSpace(body) == "" && r.bare {
				continue
			}
			s.submitJSON(r, body).refused(name)
		}
		s.submitJSON(r, `{"nope":1}`).problem(http.StatusUnprocessableEntity, "unknown_field", "nope")
	}
	s.unchanged(before)
}

// submitJSON sends a body to a route with all that it needs besides.
func (s *site) submitJSON(r route, body string) answer {
	s.t.Helper()
	return s.call(r.method, r.of("maya"), body, "Idempotency-Key", uuid.NewString(), "Content-Type",
		"application/json")
}

func TestJunkInAFieldIsRefusedByItsName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	for _, r := range jsonRoutes() {
		known, ok := fields[r.path]
		if !ok {
			t.Errorf("%s %s: the tests know none of its fields", r.method, r.path)
		}
		for field, kind := range known {
			for _, value := range values(kind) {
				a := s.submitJSON(r, `{"`+field+`":`+value+`}`)
				a.refused(field + " " + value[:min(len(value), 40)])
				if got, _ := a.json()["field"].(string); got != field && !strings.HasPrefix(got, field+".") &&
					!strings.HasPrefix(got, field+"[") {
					t.Errorf("%s: %s as %.60s: the problem is with %q: %s", a.to, field, value, got, a.body)
				}
			}
			a := s.submitJSON(r, `{"`+field+`":"x","`+field+`":"x"}`)
			a.refused(field + " twice")
			// Whatever is wrong with the value, what cannot be read at all is a 400.
			s.submitJSON(r, `{"`+field+`":[],`).problem(http.StatusBadRequest, "invalid_json", "")
		}
	}
	s.unchanged(before)
}

func TestBodiesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	most := func(r route) int { return cmp.Or(r.most, 64<<10) }
	for _, r := range jsonRoutes() {
		for _, size := range []int{most(r) + 1, most(r) + 1<<20} {
			body := r.body + strings.Repeat(" ", size-len(r.body))
			s.submitJSON(r, body).problem(http.StatusRequestEntityTooLarge, "body_too_large", "")
		}
	}
	s.unchanged(before)
	for _, r := range closingLast(jsonRoutes()) {
		if a := s.submitJSON(r, r.body+strings.Repeat(" ", most(r)-len(r.body))); a.status >= 300 &&
			(!r.absent || a.status != http.StatusNotFound) {
			t.Errorf("%s: a body of just the limit: %d", a.to, a.status)
		}
	}
}

func TestZippedBodiesAreNotUnpacked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	before := s.contents()
	for _, r := range jsonRoutes() {
		for _, plain := range []string{r.body, `{"nope":"` + strings.Repeat("0", 10<<20) + `"}`} {
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			if _, err := w.Write([]byte(plain)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			s.call(r.method, r.of("maya"), zipped.String(), "Idempotency-Key", "k", "Content-Encoding", "gzip").
				problem(http.StatusUnsupportedMediaType, "unsupported_media_type", "")
		}
	}
	s.unchanged(before)
}

func TestMethodsAndAddressesThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	before := s.contents()
	for _, r := range of(api, signed) {
		for _, method := range []string{"DELETE", "PATCH", "PROPFIND", "TRACE"} {
			if slices.ContainsFunc(routes, func(other route) bool {
				return other.path == r.path && other.method == method
			}) {
				continue
			}
			a := s.call(method, r.of("maya"), "{}").problem(http.StatusMethodNotAllowed, "method_not_allowed", "")
			if !strings.Contains(a.header.Get("Allow"), r.method) {
				t.Errorf("%s: Allow is %q", a.to, a.header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{
		"/v1/", "/v1/nothing", "/v1/accounts", "/v1/accounts/", "/v1/accounts/maya/", "/v1/accounts/maya/nothing",
		"/v1/catalog/x", "/webhooks/other", "/webhooks/",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			s.call(method, path, "{}").problem(http.StatusNotFound, "not_found", "")
		}
	}
	for _, path := range []string{"/v1/accounts/maya/../noor", "/v1//catalog", "/v1/catalog%00", "/v1/%ff"} {
		if a := s.call("GET", path, ""); a.status < 400 || a.status > 499 {
			t.Errorf("%s: %d", a.to, a.status)
		}
	}
	for _, r := range of(personal, form) {
		if r.of("x") == "/" {
			continue
		}
		a := v.do("DELETE", r.of("x"), "", "Sec-Fetch-Site", "same-origin").want(http.StatusMethodNotAllowed)
		a.page()
	}
	s.unchanged(before)
}

// What cannot be in an address cannot be looked up: that is the caller's mistake, and no reason to try again.
func TestAddressesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for _, r := range of(personal, public) {
		if r.method != http.MethodGet || r.path == "/static/*" {
			continue
		}
		for _, name := range []string{"agent", "feature", "kind", "from", "to", "cursor", "tab", "v", "next", "id"} {
			for _, value := range []string{"%00", "a%00b", "%ff", "%c0%af"} {
				a := v.get(r.of("x") + "?" + name + "=" + value)
				if a.status != http.StatusBadRequest && a.status != http.StatusUnprocessableEntity &&
					(a.status < 200 || a.status > 404) {
					t.Errorf("%s: %d", a.to, a.status)
				}
			}
		}
	}
	v.get("/credits/history?agent=%00").want(http.StatusBadRequest)
	v.get("/credits/history?agent=%ff").want(http.StatusBadRequest)
	v.get("/credits/purchases/%00").want(http.StatusBadRequest)
	v.get("/credits/purchases/nonsense").want(http.StatusNotFound)
	v.get("/login/link/%00").want(http.StatusBadRequest)
}

func TestHistoryFilterRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	history(s, 3)
	v := s.signIn("maya")
	for query, status := range map[string]int{
		"":                                http.StatusOK,
		"kind=charge&feature=lip_sync":    http.StatusOK,
		"agent=studio":                    http.StatusOK,
		"agent=nobody":                    http.StatusUnprocessableEntity,
		"tab=nonsense":                    http.StatusUnprocessableEntity,
		"from=2026-11-22&to=2026-11-22":   http.StatusOK,
		"kind=spending":                   http.StatusUnprocessableEntity,
		"feature=nothing":                 http.StatusUnprocessableEntity,
		"from=22.11.2026":                 http.StatusUnprocessableEntity,
		"to=0000-00-00":                   http.StatusUnprocessableEntity,
		"from=2026-11-23&to=2026-11-22":   http.StatusUnprocessableEntity,
		"from=9999-12-31":                 http.StatusUnprocessableEntity,
		"cursor=x":                        http.StatusBadRequest,
		"from=%3Cscript%3Ealert(1)%3C%2F": http.StatusUnprocessableEntity,
	} {
		a := v.get("/credits/history?" + query).want(status)
		if strings.Contains(string(a.body), "<script>alert") {
			t.Errorf("%s: it is on the page as it came", a.to)
		}
		if status != http.StatusOK {
			a.has("history-row", false)
		}
	}
}
