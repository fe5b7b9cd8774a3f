package handlers_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"pop.store/credits/internal/apikey"
)

// answer is what came back.
type answer struct {
	t      *testing.T
	to     string // the request, for messages
	status int
	header http.Header
	body   []byte
}

// send makes a request. pairs are names and values of headers. It may be called from any goroutine.
func (s *site) send(method, path, body string, pairs ...string) answer {
	s.t.Helper()
	a := answer{
		t:      s.t,
		to:     method + " " + path,
		header: http.Header{},
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Errorf("%s: %v", a.to, err)
		return a
	}
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Add(pairs[i], pairs[i+1])
	}
	if body != "" && r.Header["Content-Type"] == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Errorf("%s: %v", a.to, err)
		return a
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	if a.body, err = io.ReadAll(res.Body); err != nil {
		s.t.Errorf("%s: %v", a.to, err)
	}
	return a
}

// call asks the API with an admin's key.
func (s *site) call(method, path, body string, pairs ...string) answer {
	s.t.Helper()
	return s.send(method, path, body, append([]string{"Authorization", "Bearer " + s.keys[apikey.Admin]},
		pairs...)...)
}

// post is a POST to the API with a new idempotency key.
func (s *site) post(path, body string, pairs ...string) answer {
	s.t.Helper()
	return s.call("POST", path, body, append([]string{"Idempotency-Key", uuid.NewString()}, pairs...)...)
}

// open opens an account on a plan.
func (s *site) open(account, plan string) {
	s.t.Helper()
	s.call("PUT", "/v1/accounts/"+account, `{"plan":"`+plan+`"}`).want(http.StatusCreated)
}

// openWith opens an account that has spent its allowance and then got exactly the given tokens.
func (s *site) openWith(account, amount string) {
	s.t.Helper()
	s.open(account, "starter")
	s.charge(account, `{"feature":"auto_selling","amount":"200"}`)
	s.grant(account, amount)
}

func (s *site) charge(account, body string) map[string]any {
	s.t.Helper()
	return s.post("/v1/accounts/"+account+"/charges", body).want(http.StatusCreated).json()
}

func (s *site) grant(account, amount string) map[string]any {
	s.t.Helper()
	return s.post("/v1/accounts/"+account+"/grants",
		`{"amount":"`+amount+`","kind":"promo","reason":"a test"}`).want(http.StatusCreated).json()
}

func (s *site) wantSpendable(account, want string) {
	s.t.Helper()
	if got := s.call("GET", "/v1/accounts/"+account, "").want(http.StatusOK).at("balance", "spendable"); got != want {
		s.t.Errorf("%s can spend %v, want %s", account, got, want)
	}
}

// want checks the status.
func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("%s: got %d, want %d: %.400s", a.to, a.status, status, a.body)
	}
	return a
}

// json reads the answer as a JSON object.
func (a answer) json() map[string]any {
	a.t.Helper()
	var object map[string]any
	if err := json.Unmarshal(a.body, &object); err != nil {
		a.t.Errorf("%s: not a JSON object: %v: %.200s", a.to, err, a.body)
	}
	if kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); kind != "application/json" &&
		kind != "application/problem+json" {
		a.t.Errorf("%s: JSON as %q", a.to, a.header.Get("Content-Type"))
	}
	return object
}

// at walks into the JSON answer: names of members, and numbers of items.
func (a answer) at(path ...any) any {
	a.t.Helper()
	return at(a.json(), path...)
}

func at(value any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			object, _ := value.(map[string]any)
			value = object[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

// list is an array of objects in the JSON answer.
func (a answer) list(name string) []map[string]any {
	a.t.Helper()
	items, ok := a.json()[name].([]any)
	if !ok {
		a.t.Errorf("%s: %s is no list: %.200s", a.to, name, a.body)
	}
	var out []map[string]any
	for _, item := range items {
		object, _ := item.(map[string]any)
		out = append(out, object)
	}
	return out
}

// wantMembers compares members of the JSON answer.
func (a answer) wantMembers(want map[string]any) answer {
	a.t.Helper()
	got := a.json()
	for name, value := range want {
		if got[name] != value {
			a.t.Errorf("%s: %s is %#v, want %#v", a.to, name, got[name], value)
		}
	}
	return a
}

// problem checks that the answer is a problem document. Empty code or field: any.
func (a answer) problem(status int, code, field string) answer {
	a.t.Helper()
	a.want(status)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("%s: a problem as %q", a.to, got)
		return a
	}
	p := a.json()
	if code != "" && p["code"] != code {
		a.t.Errorf("%s: code %v, want %s: %s", a.to, p["code"], code, a.body)
	}
	if field != "" && p["field"] != field {
		a.t.Errorf("%s: field %v, want %s: %s", a.to, p["field"], field, a.body)
	}
	detail, _ := p["detail"].(string)
	if p["status"] != float64(a.status) || p["type"] != "about:blank" || p["title"] != http.StatusText(a.status) ||
		detail == "" || p["request_id"] == "" {
		a.t.Errorf("%s: not a whole problem document: %s", a.to, a.body)
	}
	return a
}

// leads checks a redirect after a form or to the way in.
func (a answer) leads(to string) answer {
	a.t.Helper()
	a.want(http.StatusSeeOther)
	if got := a.header.Get("Location"); got != to {
		a.t.Errorf("%s: leads to %q, want %q", a.to, got, to)
	}
	return a
}

// page reads the answer as HTML.
func (a answer) page() *html.Node {
	a.t.Helper()
	if got := a.header.Get("Content-Type"); got != "text/html; charset=UTF-8" {
		a.t.Errorf("%s: a page as %q", a.to, got)
	}
	root, err := html.Parse(bytes.NewReader(a.body))
	if err != nil {
		a.t.Errorf("%s: %v", a.to, err)
	}
	return root
}

// visitor is a browser: it keeps the session cookie and says where its requests come from.
type visitor struct {
	s      *site
	cookie string // its value; empty: none
	visits string // the cookie that remembers visits; empty: none
}

// signIn is a browser that the host has handed over.
func (s *site) signIn(account string) *visitor {
	s.t.Helper()
	v := &visitor{s: s}
	v.get(s.link(account, "")).want(http.StatusSeeOther)
	if v.cookie == "" {
		s.t.Fatal("no session cookie came")
	}
	return v
}

// link is the path of a new login link.
func (s *site) link(account, body string) string {
	s.t.Helper()
	link, _ := s.call("POST", "/v1/accounts/"+account+"/login-links",
		body).want(http.StatusCreated).at("url").(string)
	path := strings.TrimPrefix(link, strings.TrimSuffix(s.app.BaseURL.String(), "/"))
	if !strings.HasPrefix(path, "/login/link/") {
		s.t.Fatalf("the link is %q", link)
	}
	s.log.secret(strings.TrimPrefix(path, "/login/link/"))
	return path
}

func (v *visitor) do(method, path, body string, pairs ...string) answer {
	v.s.t.Helper()
	if v.cookie != "" {
		pairs = append(pairs, "Cookie", v.s.app.Sessions.CookieName()+"="+v.cookie+"; "+v.visits)
	}
	a := v.s.send(method, path, body, pairs...)
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if strings.HasSuffix(c.Name, "visits") {
			v.visits = c.Name + "=" + c.Value
			continue
		}
		if c.Name != v.s.app.Sessions.CookieName() {
			v.s.t.Errorf("%s: a cookie %q", a.to, c.Name)
		}
		v.cookie = c.Value
		v.s.log.secret(c.Value)
	}
	return a
}

func (v *visitor) get(path string, pairs ...string) answer {
	v.s.t.Helper()
	return v.do("GET", path, "", pairs...)
}

// submit sends a form from the site's own page.
func (v *visitor) submit(path string, form url.Values, pairs ...string) answer {
	v.s.t.Helper()
	pairs = append(pairs, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded")
	return v.do("POST", path, form.Encode(), pairs...)
}

// all gives the elements for which keep is true.
func all(root *html.Node, keep func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && keep(n) {
			out = append(out, n)
		}
	}
	return out
}

// marked gives the elements with a test id.
func marked(root *html.Node, id string) []*html.Node {
	return all(root, func(n *html.Node) bool { return attr(n, "data-testid") == id })
}

// only is the one element with a test id.
func (a answer) only(id string) *html.Node {
	a.t.Helper()
	found := marked(a.page(), id)
	if len(found) != 1 {
		a.t.Fatalf("%s: %d times %q: %.2000s", a.to, len(found), id, a.body)
	}
	return found[0]
}

// has checks that elements with a test id are there, or not.
func (a answer) has(id string, want bool) answer {
	a.t.Helper()
	if got := len(marked(a.page(), id)) > 0; got != want {
		a.t.Errorf("%s: %q is on the page: %v, want %v", a.to, id, got, want)
	}
	return a
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text is the text of an element, with single spaces.
func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
