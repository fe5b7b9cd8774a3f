package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"pop.store/credits/internal/ledger"
)

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// looks are all the pages there are to look at, with the status of each: as a creator who has done
// a lot, and as a stranger.
func looks(t *testing.T, s *site) []answer {
	t.Helper()
	s.openWith("maya", "300")
	v := s.signIn("maya")
	checkout := v.order("pack_100")
	back := v.pay(checkout)
	stranger := &visitor{s: s}
	var seen []answer
	look := func(status int, a answer) { seen = append(seen, a.want(status)) }
	look(http.StatusOK, v.get(back))
	for _, path := range []string{
		"/", "/credits", "/credits/badge", "/credits/history", "/credits/history?tab=purchases",
		"/credits/history?tab=usage&feature=pdf_creation", "/credits/buy",
		back + "/status", back + "/receipt", back + "?cancelled=1", "/plans", "/plans?changed=1",
		"/credits/how-tokens-work", "/credits?days=90&by=agent",
		"/agents", "/agents?saved=1", "/tools", "/tools?tool=pdf_creation&text=x", "/tools/job", "/storefront",
		"/storefront?ordered=studio-mug", "/credits/buy?need=33&next=/tools", checkout,
	} {
		look(http.StatusOK, v.get(path))
	}
	look(http.StatusOK, stranger.get("/login"))
	look(http.StatusOK, stranger.get("/login?out=1&next=/plans"))
	look(http.StatusOK, stranger.get(v.order("pack_500")))
	look(http.StatusForbidden, stranger.get("/login/link/x"))
	look(http.StatusForbidden, stranger.do("POST", "/logout", ""))
	look(http.StatusForbidden, v.do("POST", "/logout", ""))
	look(http.StatusNotFound, stranger.get("/nothing-here"))
	look(http.StatusNotFound, v.get("/nothing-here"))
	look(http.StatusNotFound, v.get("/sandbox/checkout/x"))
	look(http.StatusMethodNotAllowed, v.do("DELETE", "/credits", "", "Sec-Fetch-Site", "same-origin"))
	look(http.StatusUnprocessableEntity, v.get("/credits/history?kind=x&from=y"))
	look(http.StatusUnprocessableEntity, v.submit("/credits/buy", url.Values{"pack": {"x"}, "key": {"k"}}))
	look(http.StatusUnprocessableEntity, v.submit("/plans", url.Values{"plan": {"x"}}))
	look(http.StatusBadRequest, v.get("/credits/history?cursor=x"))
	s.charge("maya", `{"feature":"auto_selling","amount":"370"}`)
	look(http.StatusOK, v.get("/credits")) // low
	s.charge("maya", `{"feature":"auto_selling","amount":"29"}`)
	look(http.StatusOK, v.get("/")) // empty
	look(http.StatusConflict, v.submit("/credits/notice/dismiss", nil))
	return seen
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "https://credits.example"} {
		s := newSiteWith(t, options{base: base})
		s.open("maya", "starter")
		v := s.signIn("maya")
		answers := []answer{
			v.get("/"), v.get("/credits"), v.get("/credits/history"), v.get("/credits/buy"), v.get("/plans"),
			v.get("/login"), v.get("/nothing-here"),
			v.get("/credits/badge"), v.get("/v1/accounts/me"), v.get("/v1/nothing"), v.do("POST", "/logout", ""),
			s.send("GET", "/credits", ""),
			s.send("GET", "/healthz", ""), s.send("GET", "/readyz", ""), s.send("GET", "/v1/catalog", ""),
			s.send("POST", "/webhooks/stripe", ""), s.send("GET", "/static/x/app.css", ""),
			s.send("GET", s.link("maya", "{}"), ""),
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
				"Cache-Control":                kept(a),
				"Strict-Transport-Security":    hsts,
			} {
				if got := a.header.Values(name); strings.Join(got, "|") != want {
					t.Errorf("%s: %s is %q, want %q", a.to, name, got, want)
				}
			}
			if a.header.Get("Server")+a.header.Get("X-Powered-By")+a.header.Get("Access-Control-Allow-Origin") !=
				"" || len(a.header.Get("X-Request-Id")) != 16 {
				t.Errorf("%s: headers %v", a.to, a.header)
			}
		}
	}
}

// kept is how long browsers may keep an answer: pages for the way back, until signing out clears
// them; nothing else.
func kept(a answer) string {
	method, path, _ := strings.Cut(a.to, " ")
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

// A client's own request id could be anything.
func TestRequestIDsAreOurs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.send("GET", "/v1/nothing", "", "X-Request-Id", "<script>").problem(http.StatusNotFound, "not_found", "")
	if id := a.header.Get("X-Request-Id"); len(id) != 16 || a.at("request_id") != id {
		t.Errorf("the header says %q, the body %v", id, a.at("request_id"))
	}
	b := s.send("GET", "/nothing-here", "")
	if id := b.header.Get("X-Request-Id"); !strings.Contains(string(b.body), id) {
		t.Error("the page does not name its request")
	}
}

// What the policy forbids must not be on any page: it would be blocked, with an error in the console.
func TestNothingInlineOnAnyPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, a := range looks(t, s) {
		if a.header.Get("Content-Security-Policy") != policy || a.header.Get("Cache-Control") != kept(a) {
			t.Errorf("%s: headers %v", a.to, a.header)
		}
		for _, n := range all(a.page(), func(*html.Node) bool { return true }) {
			if n.Data == "style" || n.Data == "script" && attr(n, "src") == "" || n.Data == "base" ||
				n.Data == "iframe" || n.Data == "object" {
				t.Errorf("%s: <%s>", a.to, n.Data)
			}
			for _, at := range n.Attr {
				if at.Key == "style" || strings.HasPrefix(at.Key, "on") || strings.HasPrefix(at.Key, "hx-on") ||
					strings.HasPrefix(at.Val, "js:") ||
					strings.HasPrefix(at.Val, "javascript:") {
					t.Errorf("%s: <%s %s=%q>", a.to, n.Data, at.Key, at.Val)
				}
			}
			if src := attr(n, "src"); n.Data == "script" && !strings.HasPrefix(src, "/static/") {
				t.Errorf("%s: a script from %q", a.to, src)
			}
		}
	}
}

// What a page loads is there, and may be kept for good.
func TestWhatPagesLoadIsThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	loaded := 0
	for _, n := range all(s.send("GET", "/login", "").page(), func(n *html.Node) bool {
		return n.Data == "link" || n.Data == "script"
	}) {
		a := s.send("GET", attr(n, "href")+attr(n, "src"), "").want(http.StatusOK)
		if !strings.Contains(a.header.Get("Cache-Control"), "immutable") ||
			a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: headers %v", a.to, a.header)
		}
		wantNoCookie(t, a)
		loaded++
	}
	if loaded < 5 {
		t.Errorf("only %d files", loaded)
	}
	for _, path := range []string{
		"/static/", "/static/x/app.css", "/static/../handlers/app.go",
		"/static/%2e%2e/%2e%2e/go.mod", "/static/x/..%2f..%2fgo.mod",
	} {
		s.send("GET", path, "").want(http.StatusNotFound)
	}
}

func TestAPageThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	for _, path := range []string{
		"/nothing-here", "/credits/", "/credits/nothing", "/v2/accounts", "/.env",
		"/wp-login.php",
	} {
		mine := s.signIn("maya").get(path).want(http.StatusNotFound).has("error-page", true).has("sign-out", true)
		if text(mine.badge()) != "200 tokens" {
			t.Errorf("the badge says %q", text(mine.badge()))
		}
		s.send("GET", path, "").want(http.StatusNotFound).has("error-page", true).has("badge",
			false).has("sign-out", false)
	}
}

// hostile are texts that would be more than text on a page that does not escape them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`,
	`</title><script>alert(1)</script>`, `</textarea><script>alert(1)</script>`,
	`javascript:alert(1)`, `{{7*7}}${7*7}<%=7*7%>`, `<!--<script>`, `]]><script>`, `&lt;script&gt;alert(1)`,
	`" autofocus onfocus=alert(1) x="`,
	`<a href="javascript:alert(1)">x</a>`, `<style>*{display:none}</style>`,
	`<meta http-equiv=refresh content=0;url=//evil>`, "`-alert(1)-`", `=HYPERLINK("//evil")`,
}

// Whatever names, reasons, agents, references and metadata say, it is shown as that text and is nothing else.
func TestHostileTextsAreOnlyText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i, evil := range hostile {
		account := fmt.Sprint("creator-", i)
		quoted := quote(evil)
		s.call("PUT", "/v1/accounts/"+account,
			`{"plan":"starter","name":`+quoted+`}`).want(http.StatusCreated).wantMembers(map[string]any{"name": evil})
		agent := evil[:min(len(evil), 60)]
		s.post("/v1/accounts/"+account+"/grants",
			`{"amount":"1","kind":"promo","reason":`+quoted+
				`}`).want(http.StatusCreated).wantMembers(map[string]any{"reason": evil})
		charge := `{"feature":"lip_sync","reference":` + quoted + `,"metadata":{` + quoted + `:` + quoted + `}}`
		a := s.post("/v1/accounts/"+account+"/charges",
			charge).want(http.StatusCreated).wantMembers(map[string]any{"reference": evil})
		if strings.ContainsAny(string(a.body), "<>") {
			t.Errorf("%s: JSON that a browser might take for HTML: %s", a.to, a.body)
		}
		s.chargeBehindTheAPI(account, agent) // which refuses such an id, though not such a name
		v := s.signIn(account)
		for _, path := range []string{
			"/", "/credits", "/credits?by=agent", "/agents", "/tools?tool=lip_sync&text=" + escape(evil),
			"/credits/buy?need=1&next=" + escape("/"+evil), "/credits/how-tokens-work", "/credits/history",
			"/plans", "/credits/buy", "/nothing-here", "/credits/history?agent=" + escape(evil),
			"/credits/history?kind=" + escape(evil),
		} {
			wantOnlyText(t, v.get(path), evil)
		}
		rows := v.get("/credits/history").want(http.StatusOK).page()
		var said strings.Builder
		for _, row := range marked(rows, "history-row") {
			said.WriteString(text(row))
		}
		if strings.Count(said.String(), strings.Join(strings.Fields(evil[:min(len(evil), 60)]), " ")) < 2 {
			t.Errorf("reason or agent %q are not in the history: %s", evil, said.String())
		}
	}
}

// chargeBehindTheAPI makes a charge of an agent that is called by its id, whatever that is.
func (s *site) chargeBehindTheAPI(account, agent string) {
	s.t.Helper()
	id, err := s.app.Accounts.Find(s.t.Context(), account)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.app.Ledger.Charge(s.t.Context(), id, "behind the API",
		ledger.Charge{Feature: "lip_sync", Agent: agent}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.app.Ledger.PutAgent(s.t.Context(), id, ledger.PutAgent{ID: agent, Name: &agent}); err != nil {
		s.t.Fatal(err)
	}
}

// wantOnlyText checks that the page's elements are its own.
func wantOnlyText(t *testing.T, a answer, evil string) {
	t.Helper()
	if a.status >= http.StatusInternalServerError {
		t.Errorf("%s: %d", a.to, a.status)
	}
	for _, n := range all(a.page(), func(*html.Node) bool { return true }) {
		ours := n.Data != "script" || strings.HasPrefix(attr(n, "src"), "/static/")
		if !ours || n.Data == "img" || n.Data == "style" || n.Data == "iframe" ||
			n.Data == "meta" && attr(n, "http-equiv") != "" {
			t.Errorf("%s: with %q there is a <%s>", a.to, evil, n.Data)
		}
		for _, at := range n.Attr {
			if strings.HasPrefix(at.Key, "on") || at.Key == "autofocus" ||
				strings.HasPrefix(strings.ToLower(strings.TrimSpace(at.Val)), "javascript:") &&
					at.Key != "value" && at.Key != "data-agent" {
				t.Errorf("%s: with %q there is <%s %s=%q>", a.to, evil, n.Data, at.Key, at.Val)
			}
		}
	}
}

// quote writes a text as JSON.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
