package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// allPages requests all pages and checks their status: as a creator with much data, and as a
// visitor.
func allPages(t *testing.T, s *handlerstest.Site) []handlerstest.Response {
	t.Helper()
	s.OpenWith("maya", "300")
	v := s.SignIn("maya")
	checkout := v.Order("pack_100")
	back := v.Pay(checkout)
	stranger := &handlerstest.Browser{Site: s}
	var seen []handlerstest.Response
	look := func(status int, a handlerstest.Response) { seen = append(seen, a.Want(status)) }
	look(http.StatusOK, v.Get(back))
	for _, path := range []string{
		"/", "/credits", "/credits/badge", "/credits/history", "/credits/history?tab=purchases",
		"/credits/history?tab=usage&feature=pdf_creation", "/credits/buy",
		back + "/status", back + "/receipt", back + "?cancelled=1", "/plans", "/plans?changed=1",
		"/credits/how-tokens-work", "/credits?days=90&by=agent",
		"/agents", "/agents?saved=1", "/tools", "/tools?tool=pdf_creation&text=x", "/tools/job", "/storefront",
		"/storefront?ordered=studio-mug", "/credits/buy?need=33&next=/tools", checkout,
	} {
		look(http.StatusOK, v.Get(path))
	}
	look(http.StatusOK, stranger.Get("/login"))
	look(http.StatusOK, stranger.Get("/login?out=1&next=/plans"))
	look(http.StatusOK, stranger.Get(v.Order("pack_500")))
	look(http.StatusForbidden, stranger.Get("/login/link/x"))
	look(http.StatusForbidden, stranger.Do("POST", "/logout", ""))
	look(http.StatusForbidden, v.Do("POST", "/logout", ""))
	look(http.StatusNotFound, stranger.Get("/nothing-here"))
	look(http.StatusNotFound, v.Get("/nothing-here"))
	look(http.StatusNotFound, v.Get("/sandbox/checkout/x"))
	look(http.StatusMethodNotAllowed, v.Do("DELETE", "/credits", "", "Sec-Fetch-Site", "same-origin"))
	look(http.StatusUnprocessableEntity, v.Get("/credits/history?kind=x&from=y"))
	look(http.StatusUnprocessableEntity, v.Submit("/credits/buy", url.Values{"pack": {"x"}, "key": {"k"}}))
	look(http.StatusUnprocessableEntity, v.Submit("/plans", url.Values{"plan": {"x"}}))
	look(http.StatusBadRequest, v.Get("/credits/history?cursor=x"))
	s.Charge("maya", `{"feature":"auto_selling","amount":"370"}`)
	look(http.StatusOK, v.Get("/credits")) // low
	s.Charge("maya", `{"feature":"auto_selling","amount":"29"}`)
	look(http.StatusOK, v.Get("/")) // empty
	look(http.StatusConflict, v.Submit("/credits/notice/dismiss", nil))
	return seen
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "https://credits.example"} {
		s := handlerstest.NewWith(t, handlerstest.Options{BaseURL: base})
		s.Open("maya", "starter")
		v := s.SignIn("maya")
		answers := []handlerstest.Response{
			v.Get("/"), v.Get("/credits"), v.Get("/credits/history"), v.Get("/credits/buy"), v.Get("/plans"),
			v.Get("/login"), v.Get("/nothing-here"),
			v.Get("/credits/badge"), v.Get("/v1/accounts/me"), v.Get("/v1/nothing"), v.Do("POST", "/logout", ""),
			s.Send("GET", "/credits", ""),
			s.Send("GET", "/healthz", ""), s.Send("GET", "/readyz", ""), s.Send("GET", "/v1/catalog", ""),
			s.Send("POST", "/webhooks/stripe", ""), s.Send("GET", "/static/x/app.css", ""),
			s.Send("GET", s.LoginLink("maya", "{}"), ""),
		}
		hsts := ""
		if base != "" {
			hsts = "max-age=31536000; includeSubDomains"
		}
		for _, a := range answers {
			for name, want := range map[string]string{
				"Content-Security-Policy":      policy,
				"X-Content-Type-Options":       "nosniff",
				"Referrer-Policy":              "same-origin",
				"X-Frame-Options":              "DENY",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Permissions-Policy":           "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()",
				"Cache-Control":                cacheControl(a),
				"Strict-Transport-Security":    hsts,
			} {
				if got := a.Header.Values(name); strings.Join(got, "|") != want {
					t.Errorf("%s: %s is %q, want %q", a.Request, name, got, want)
				}
			}
			if a.Header.Get("Server")+a.Header.Get("X-Powered-By")+a.Header.Get("Access-Control-Allow-Origin") !=
				"" || len(a.Header.Get("X-Request-Id")) != 16 {
				t.Errorf("%s: headers %v", a.Request, a.Header)
			}
		}
	}
}

// cacheControl is the expected header: browsers may keep pages for the back button until sign-out
// clears them, and nothing else.
func cacheControl(a handlerstest.Response) string {
	method, path, _ := strings.Cut(a.Request, " ")
	for _, prefix := range []string{"/v1", "/login", "/healthz", "/readyz", "/webhooks", "/static"} {
		if strings.HasPrefix(path, prefix) {
			return "no-store"
		}
	}
	if method != http.MethodGet {
		return "no-store"
	}
	return "private, no-cache"
}

// A request id sent by a client is ignored.
func TestRequestIDsAreOurs(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	a := s.Send("GET", "/v1/nothing", "", "X-Request-Id", "<script>").WantProblem(http.StatusNotFound, "not_found", "")
	if id := a.Header.Get("X-Request-Id"); len(id) != 16 || a.At("request_id") != id {
		t.Errorf("the header says %q, the body %v", id, a.At("request_id"))
	}
	b := s.Send("GET", "/nothing-here", "")
	if id := b.Header.Get("X-Request-Id"); !strings.Contains(string(b.Body), id) {
		t.Error("the page does not name its request")
	}
}

// No page contains what the content security policy forbids: it would be blocked, with an error in
// the console.
func TestNothingInlineOnAnyPage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for _, a := range allPages(t, s) {
		if a.Header.Get("Content-Security-Policy") != policy || a.Header.Get("Cache-Control") != cacheControl(a) {
			t.Errorf("%s: headers %v", a.Request, a.Header)
		}
		for _, n := range handlerstest.Elements(a.HTML(), func(*html.Node) bool { return true }) {
			if n.Data == "style" || n.Data == "script" && handlerstest.Attr(n, "src") == "" || n.Data == "base" ||
				n.Data == "iframe" || n.Data == "object" {
				t.Errorf("%s: <%s>", a.Request, n.Data)
			}
			for _, at := range n.Attr {
				if at.Key == "style" || strings.HasPrefix(at.Key, "on") || strings.HasPrefix(at.Key, "hx-on") ||
					strings.HasPrefix(at.Val, "js:") ||
					strings.HasPrefix(at.Val, "javascript:") {
					t.Errorf("%s: <%s %s=%q>", a.Request, n.Data, at.Key, at.Val)
				}
			}
			if src := handlerstest.Attr(n, "src"); n.Data == "script" && !strings.HasPrefix(src, "/static/") {
				t.Errorf("%s: a script from %q", a.Request, src)
			}
		}
	}
}

// Every asset that a page loads exists, and may be cached for ever.
func TestWhatPagesLoadIsThere(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	loaded := 0
	for _, n := range handlerstest.Elements(s.Send("GET", "/login", "").HTML(), func(n *html.Node) bool {
		return n.Data == "link" || n.Data == "script"
	}) {
		a := s.Send("GET", handlerstest.Attr(n, "href")+handlerstest.Attr(n, "src"), "").Want(http.StatusOK)
		if !strings.Contains(a.Header.Get("Cache-Control"), "immutable") ||
			a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", a.Request, a.Header)
		}
		handlerstest.WantNoCookie(t, a)
		loaded++
	}
	if loaded < 5 {
		t.Errorf("only %d files", loaded)
	}
	for _, path := range []string{
		"/static/", "/static/x/app.css", "/static/../handlers/app.go",
		"/static/%2e%2e/%2e%2e/go.mod", "/static/x/..%2f..%2fgo.mod",
	} {
		s.Send("GET", path, "").Want(http.StatusNotFound)
	}
}

func TestAPageThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	for _, path := range []string{
		"/nothing-here", "/credits/", "/credits/nothing", "/v2/accounts", "/.env",
		"/wp-login.php",
	} {
		mine := s.SignIn("maya").
			Get(path).
			Want(http.StatusNotFound).
			WantElement("error-page", true).
			WantElement("sign-out", true)
		if handlerstest.Text(mine.Badge()) != "200 tokens" {
			t.Errorf("the badge says %q", handlerstest.Text(mine.Badge()))
		}
		s.Send("GET", path, "").Want(http.StatusNotFound).WantElement("error-page", true).WantElement("badge",
			false).WantElement("sign-out", false)
	}
}

// Names, reasons, agents, references and metadata are always shown as text.
func TestHostileTextsAreOnlyText(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	for i, evil := range handlerstest.HostileTexts {
		account := fmt.Sprint("creator-", i)
		quoted := quote(evil)
		s.Call("PUT", "/v1/accounts/"+account,
			`{"plan":"starter","name":`+quoted+`}`).Want(http.StatusCreated).WantMembers(map[string]any{"name": evil})
		agent := evil[:min(len(evil), 60)]
		s.Post("/v1/accounts/"+account+"/grants",
			`{"amount":"1","kind":"promo","reason":`+quoted+
				`}`).Want(http.StatusCreated).WantMembers(map[string]any{"reason": evil})
		charge := `{"feature":"lip_sync","reference":` + quoted + `,"metadata":{` + quoted + `:` + quoted + `}}`
		a := s.Post("/v1/accounts/"+account+"/charges",
			charge).Want(http.StatusCreated).WantMembers(map[string]any{"reference": evil})
		if strings.ContainsAny(string(a.Body), "<>") {
			t.Errorf("%s: JSON that a browser might take for HTML: %s", a.Request, a.Body)
		}
		s.ChargeBehindTheAPI(account, agent) // the API refuses such an id, but not such a name
		v := s.SignIn(account)
		for _, path := range []string{
			"/", "/credits", "/credits?by=agent", "/agents", "/tools?tool=lip_sync&text=" + url.QueryEscape(evil),
			"/credits/buy?need=1&next=" + url.QueryEscape("/"+evil), "/credits/how-tokens-work", "/credits/history",
			"/plans", "/credits/buy", "/nothing-here", "/credits/history?agent=" + url.QueryEscape(evil),
			"/credits/history?kind=" + url.QueryEscape(evil),
		} {
			handlerstest.WantOnlyText(t, v.Get(path), evil)
		}
		rows := v.Get("/credits/history").Want(http.StatusOK).HTML()
		var said strings.Builder
		for _, row := range handlerstest.Marked(rows, "history-row") {
			said.WriteString(handlerstest.Text(row))
		}
		if strings.Count(said.String(), strings.Join(strings.Fields(evil[:min(len(evil), 60)]), " ")) < 2 {
			t.Errorf("reason or agent %q are not in the history: %s", evil, said.String())
		}
	}
}

// quote writes a text as JSON.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
