package handlerstest

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

// Response is the answer to a request.
type Response struct {
	T       *testing.T
	Request string // the request, for messages
	Status  int
	Header  http.Header
	Body    []byte
}

// Send makes a request. pairs are names and values of headers. It may be called from any goroutine.
func (s *Site) Send(method, path, body string, pairs ...string) Response {
	s.T.Helper()
	a := Response{
		T:       s.T,
		Request: method + " " + path,
		Header:  http.Header{},
	}
	r, err := http.NewRequestWithContext(s.T.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.T.Errorf("%s: %v", a.Request, err)
		return a
	}
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Add(pairs[i], pairs[i+1])
	}
	if body != "" && r.Header["Content-Type"] == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := s.Client.Do(r)
	if err != nil {
		s.T.Errorf("%s: %v", a.Request, err)
		return a
	}
	defer res.Body.Close()
	a.Status, a.Header = res.StatusCode, res.Header
	if a.Body, err = io.ReadAll(res.Body); err != nil {
		s.T.Errorf("%s: %v", a.Request, err)
	}
	return a
}

// Call sends a request to the API with an admin's key.
func (s *Site) Call(method, path, body string, pairs ...string) Response {
	s.T.Helper()
	return s.Send(method, path, body, append([]string{"Authorization", "Bearer " + s.Keys[apikey.Admin]},
		pairs...)...)
}

// Post is a POST to the API with a new idempotency key.
func (s *Site) Post(path, body string, pairs ...string) Response {
	s.T.Helper()
	return s.Call("POST", path, body, append([]string{"Idempotency-Key", uuid.NewString()}, pairs...)...)
}

// Open opens an account on a plan.
func (s *Site) Open(account, plan string) {
	s.T.Helper()
	s.Call("PUT", "/v1/accounts/"+account, `{"plan":"`+plan+`"}`).Want(http.StatusCreated)
}

// OpenWith opens an account, spends its allowance and grants it the given tokens.
func (s *Site) OpenWith(account, amount string) {
	s.T.Helper()
	s.Open(account, "starter")
	s.Charge(account, `{"feature":"auto_selling","amount":"200"}`)
	s.Grant(account, amount)
}

func (s *Site) Charge(account, body string) map[string]any {
	s.T.Helper()
	return s.Post("/v1/accounts/"+account+"/charges", body).Want(http.StatusCreated).JSON()
}

func (s *Site) Grant(account, amount string) map[string]any {
	s.T.Helper()
	return s.Post("/v1/accounts/"+account+"/grants",
		`{"amount":"`+amount+`","kind":"promo","reason":"a test"}`).Want(http.StatusCreated).JSON()
}

func (s *Site) WantSpendable(account, want string) {
	s.T.Helper()
	if got := s.Call("GET", "/v1/accounts/"+account, "").Want(http.StatusOK).At("balance", "spendable"); got != want {
		s.T.Errorf("%s can spend %v, want %s", account, got, want)
	}
}

// Want checks the status.
func (a Response) Want(status int) Response {
	a.T.Helper()
	if a.Status != status {
		a.T.Errorf("%s: got %d, want %d: %.400s", a.Request, a.Status, status, a.Body)
	}
	return a
}

// JSON decodes the answer as a JSON object.
func (a Response) JSON() map[string]any {
	a.T.Helper()
	var object map[string]any
	if err := json.Unmarshal(a.Body, &object); err != nil {
		a.T.Errorf("%s: not a JSON object: %v: %.200s", a.Request, err, a.Body)
	}
	if kind, _, _ := mime.ParseMediaType(a.Header.Get("Content-Type")); kind != "application/json" &&
		kind != "application/problem+json" {
		a.T.Errorf("%s: JSON as %q", a.Request, a.Header.Get("Content-Type"))
	}
	return object
}

// At returns a value of the JSON answer by its path: names of members, and indexes of items.
func (a Response) At(path ...any) any {
	a.T.Helper()
	return At(a.JSON(), path...)
}

func At(value any, path ...any) any {
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

// List is an array of objects in the JSON answer.
func (a Response) List(name string) []map[string]any {
	a.T.Helper()
	items, ok := a.JSON()[name].([]any)
	if !ok {
		a.T.Errorf("%s: %s is no list: %.200s", a.Request, name, a.Body)
	}
	var out []map[string]any
	for _, item := range items {
		object, _ := item.(map[string]any)
		out = append(out, object)
	}
	return out
}

// WantMembers compares members of the JSON answer.
func (a Response) WantMembers(want map[string]any) Response {
	a.T.Helper()
	got := a.JSON()
	for name, value := range want {
		if got[name] != value {
			a.T.Errorf("%s: %s is %#v, want %#v", a.Request, name, got[name], value)
		}
	}
	return a
}

// WantProblem checks that the answer is a problem document. An empty code or field matches any.
func (a Response) WantProblem(status int, code, field string) Response {
	a.T.Helper()
	a.Want(status)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		a.T.Errorf("%s: a problem as %q", a.Request, got)
		return a
	}
	p := a.JSON()
	if code != "" && p["code"] != code {
		a.T.Errorf("%s: code %v, want %s: %s", a.Request, p["code"], code, a.Body)
	}
	if field != "" && p["field"] != field {
		a.T.Errorf("%s: field %v, want %s: %s", a.Request, p["field"], field, a.Body)
	}
	detail, _ := p["detail"].(string)
	if p["status"] != float64(a.Status) || p["type"] != "about:blank" || p["title"] != http.StatusText(a.Status) ||
		detail == "" || p["request_id"] == "" {
		a.T.Errorf("%s: not a whole problem document: %s", a.Request, a.Body)
	}
	return a
}

// WantRedirect checks the redirect after a form or to the sign-in page.
func (a Response) WantRedirect(to string) Response {
	a.T.Helper()
	a.Want(http.StatusSeeOther)
	if got := a.Header.Get("Location"); got != to {
		a.T.Errorf("%s: leads to %q, want %q", a.Request, got, to)
	}
	return a
}

// HTML parses the answer as HTML.
func (a Response) HTML() *html.Node {
	a.T.Helper()
	if got := a.Header.Get("Content-Type"); got != "text/html; charset=UTF-8" {
		a.T.Errorf("%s: a page as %q", a.Request, got)
	}
	root, err := html.Parse(bytes.NewReader(a.Body))
	if err != nil {
		a.T.Errorf("%s: %v", a.Request, err)
	}
	return root
}

// Browser keeps the session cookie and sends the headers about a request's origin.
type Browser struct {
	Site         *Site
	Cookie       string // the value; empty for none
	VisitsCookie string // the cookie with the visit times; empty for none
}

// SignIn signs a browser in with a link of the host.
func (s *Site) SignIn(account string) *Browser {
	s.T.Helper()
	v := &Browser{Site: s}
	v.Get(s.LoginLink(account, "")).Want(http.StatusSeeOther)
	if v.Cookie == "" {
		s.T.Fatal("no session cookie came")
	}
	return v
}

// LoginLink is the path of a new login link.
func (s *Site) LoginLink(account, body string) string {
	s.T.Helper()
	link, _ := s.Call("POST", "/v1/accounts/"+account+"/login-links",
		body).Want(http.StatusCreated).At("url").(string)
	path := strings.TrimPrefix(link, strings.TrimSuffix(s.App.BaseURL.String(), "/"))
	if !strings.HasPrefix(path, "/login/link/") {
		s.T.Fatalf("the link is %q", link)
	}
	s.Log.AddSecret(strings.TrimPrefix(path, "/login/link/"))
	return path
}

func (v *Browser) Do(method, path, body string, pairs ...string) Response {
	v.Site.T.Helper()
	if v.Cookie != "" {
		pairs = append(pairs, "Cookie", v.Site.App.Sessions.CookieName()+"="+v.Cookie+"; "+v.VisitsCookie)
	}
	a := v.Site.Send(method, path, body, pairs...)
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if strings.HasSuffix(c.Name, "visits") {
			v.VisitsCookie = c.Name + "=" + c.Value
			continue
		}
		if c.Name != v.Site.App.Sessions.CookieName() {
			v.Site.T.Errorf("%s: a cookie %q", a.Request, c.Name)
		}
		v.Cookie = c.Value
		v.Site.Log.AddSecret(c.Value)
	}
	return a
}

func (v *Browser) Get(path string, pairs ...string) Response {
	v.Site.T.Helper()
	return v.Do("GET", path, "", pairs...)
}

// Submit sends a form from the site's own page.
func (v *Browser) Submit(path string, form url.Values, pairs ...string) Response {
	v.Site.T.Helper()
	pairs = append(pairs, "Sec-Fetch-Site", "same-origin", "Content-Type", "application/x-www-form-urlencoded")
	return v.Do("POST", path, form.Encode(), pairs...)
}

// Elements returns the elements for which keep is true.
func Elements(root *html.Node, keep func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && keep(n) {
			out = append(out, n)
		}
	}
	return out
}

// Marked returns the elements with a test id.
func Marked(root *html.Node, id string) []*html.Node {
	return Elements(root, func(n *html.Node) bool { return Attr(n, "data-testid") == id })
}

// Element is the only element with a test id.
func (a Response) Element(id string) *html.Node {
	a.T.Helper()
	found := Marked(a.HTML(), id)
	if len(found) != 1 {
		a.T.Fatalf("%s: %d times %q: %.2000s", a.Request, len(found), id, a.Body)
	}
	return found[0]
}

// WantElement checks that an element with the test id exists, or not.
func (a Response) WantElement(id string, want bool) Response {
	a.T.Helper()
	if got := len(Marked(a.HTML(), id)) > 0; got != want {
		a.T.Errorf("%s: %q is on the page: %v, want %v", a.Request, id, got, want)
	}
	return a
}

func Attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// Text is the text of an element, with single spaces.
func Text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
