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

	"pop.store/credits/handlers/handlerstest"
)

// invalidBodies are refused by every route, whatever its fields.
var invalidBodies = map[string]string{
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

// jsonFields are the fields of each JSON route, with the kind of their values.
var jsonFields = map[string]map[string]string{
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

// invalidValues are refused by fields of the kind. They include strings of other kinds.
func invalidValues(kind string) []string {
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
	return slices.DeleteFunc(routesFor(api), func(r route) bool { return r.Method == http.MethodGet })
}

func TestJunkIsRefused(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for _, r := range jsonRoutes() {
		for name, body := range invalidBodies {
			if strings.TrimSpace(body) == "" && r.Bare {
				continue
			}
			submitJSON(s, r, body).WantRefused(name)
		}
		submitJSON(s, r, `{"nope":1}`).WantProblem(http.StatusUnprocessableEntity, "unknown_field", "nope")
	}
	s.WantUnchanged(before)
}

// submitJSON sends a body to a route with everything else that the route needs.
func submitJSON(s *handlerstest.Site, r route, body string) handlerstest.Response {
	s.T.Helper()
	return s.Call(r.Method, r.PathFor("maya"), body, "Idempotency-Key", uuid.NewString(), "Content-Type",
		"application/json")
}

func TestJunkInAFieldIsRefusedByItsName(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for _, r := range jsonRoutes() {
		known, ok := jsonFields[r.Path]
		if !ok {
			t.Errorf("%s %s: the tests know none of its fields", r.Method, r.Path)
		}
		for field, kind := range known {
			for _, value := range invalidValues(kind) {
				a := submitJSON(s, r, `{"`+field+`":`+value+`}`)
				a.WantRefused(field + " " + value[:min(len(value), 40)])
				if got, _ := a.JSON()["field"].(string); got != field && !strings.HasPrefix(got, field+".") &&
					!strings.HasPrefix(got, field+"[") {
					t.Errorf("%s: %s as %.60s: the problem is with %q: %s", a.Request, field, value, got, a.Body)
				}
			}
			a := submitJSON(s, r, `{"`+field+`":"x","`+field+`":"x"}`)
			a.WantRefused(field + " twice")
			// Malformed JSON is a 400, whatever else is wrong.
			submitJSON(s, r, `{"`+field+`":[],`).WantProblem(http.StatusBadRequest, "invalid_json", "")
		}
	}
	s.WantUnchanged(before)
}

func TestBodiesThatAreTooLarge(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	most := func(r route) int { return cmp.Or(r.MaxBody, 64<<10) }
	for _, r := range jsonRoutes() {
		for _, size := range []int{most(r) + 1, most(r) + 1<<20} {
			body := r.Body + strings.Repeat(" ", size-len(r.Body))
			submitJSON(s, r, body).WantProblem(http.StatusRequestEntityTooLarge, "body_too_large", "")
		}
	}
	s.WantUnchanged(before)
	for _, r := range closingLast(jsonRoutes()) {
		if a := submitJSON(s, r, r.Body+strings.Repeat(" ", most(r)-len(r.Body))); a.Status >= 300 &&
			(!r.Absent || a.Status != http.StatusNotFound) {
			t.Errorf("%s: a body of just the limit: %d", a.Request, a.Status)
		}
	}
}

func TestZippedBodiesAreNotUnpacked(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	before := s.Contents()
	for _, r := range jsonRoutes() {
		for _, plain := range []string{r.Body, `{"nope":"` + strings.Repeat("0", 10<<20) + `"}`} {
			var zipped bytes.Buffer
			w := gzip.NewWriter(&zipped)
			if _, err := w.Write([]byte(plain)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			s.Call(r.Method, r.PathFor("maya"), zipped.String(), "Idempotency-Key", "k", "Content-Encoding", "gzip").
				WantProblem(http.StatusUnsupportedMediaType, "unsupported_media_type", "")
		}
	}
	s.WantUnchanged(before)
}

func TestMethodsAndAddressesThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	before := s.Contents()
	for _, r := range routesFor(api, signed) {
		for _, method := range []string{"DELETE", "PATCH", "PROPFIND", "TRACE"} {
			if slices.ContainsFunc(routes, func(other route) bool {
				return other.Path == r.Path && other.Method == method
			}) {
				continue
			}
			a := s.Call(method, r.PathFor("maya"), "{}")
			a.WantProblem(http.StatusMethodNotAllowed, "method_not_allowed", "")
			if !strings.Contains(a.Header.Get("Allow"), r.Method) {
				t.Errorf("%s: Allow is %q", a.Request, a.Header.Get("Allow"))
			}
		}
	}
	for _, path := range []string{
		"/v1/", "/v1/nothing", "/v1/accounts", "/v1/accounts/", "/v1/accounts/maya/", "/v1/accounts/maya/nothing",
		"/v1/catalog/x", "/webhooks/other", "/webhooks/",
	} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			s.Call(method, path, "{}").WantProblem(http.StatusNotFound, "not_found", "")
		}
	}
	for _, path := range []string{"/v1/accounts/maya/../noor", "/v1//catalog", "/v1/catalog%00", "/v1/%ff"} {
		if a := s.Call("GET", path, ""); a.Status < 400 || a.Status > 499 {
			t.Errorf("%s: %d", a.Request, a.Status)
		}
	}
	for _, r := range routesFor(personal, form) {
		if r.PathFor("x") == "/" {
			continue
		}
		a := v.Do("DELETE", r.PathFor("x"), "", "Sec-Fetch-Site", "same-origin").Want(http.StatusMethodNotAllowed)
		a.HTML()
	}
	s.WantUnchanged(before)
}

// An address with invalid text is the caller's error, and has no Retry-After.
func TestAddressesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for _, r := range routesFor(personal, public) {
		if r.Method != http.MethodGet || r.Path == "/static/*" {
			continue
		}
		for _, name := range []string{"agent", "feature", "kind", "from", "to", "cursor", "tab", "v", "next", "id"} {
			for _, value := range []string{"%00", "a%00b", "%ff", "%c0%af"} {
				a := v.Get(r.PathFor("x") + "?" + name + "=" + value)
				if a.Status != http.StatusBadRequest && a.Status != http.StatusUnprocessableEntity &&
					(a.Status < 200 || a.Status > 404) {
					t.Errorf("%s: %d", a.Request, a.Status)
				}
			}
		}
	}
	v.Get("/credits/history?agent=%00").Want(http.StatusBadRequest)
	v.Get("/credits/history?agent=%ff").Want(http.StatusBadRequest)
	v.Get("/credits/purchases/%00").Want(http.StatusBadRequest)
	v.Get("/credits/purchases/nonsense").Want(http.StatusNotFound)
	v.Get("/login/link/%00").Want(http.StatusBadRequest)
}

func TestHistoryFilterRefuses(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	handlerstest.ChargeInTurn(s, 3)
	v := s.SignIn("maya")
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
		a := v.Get("/credits/history?" + query).Want(status)
		if strings.Contains(string(a.Body), "<script>alert") {
			t.Errorf("%s: it is on the page as it came", a.Request)
		}
		if status != http.StatusOK {
			a.WantElement("history-row", false)
		}
	}
}
