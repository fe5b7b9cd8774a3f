package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The demo in a fresh folder prints its address and how to sign in, serves its pages, and seeds its history
// once.
func TestServeDemo(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	s := setting{dir: dir, env: []string{"CREDITS_DEMO=1", "CREDITS_DATA_DIR=data"}}
	p := s.serve(t)
	if p.base != "http://"+p.addr {
		t.Errorf("it listens on %s and says that it is at %s", p.addr, p.base)
	}
	p.until(t, "it says how to sign in", func() bool {
		return strings.Contains(p.stdout.String(), "one click: "+p.base+"/login\n")
	})
	if got := p.pgdata(t); got != filepath.Join(dir, "data", "postgres", "pgdata") {
		t.Errorf("the data are in %s", got)
	}
	if to := p.get(t, http.StatusSeeOther, "/").Header.Get("Location"); to != "/login" {
		t.Errorf("the first page leads to %q", to)
	}
	assets(t, p, p.get(t, http.StatusOK, "/login"))
	p.get(t, http.StatusOK, "/readyz")
	p.get(t, http.StatusOK, "/healthz")

	// Before a sign-in no agent works, and the history does not change.
	key := s.newKey(t, "read")
	before := p.statement(t, key, "maya")
	if len(before.transactions) < 50 {
		t.Errorf("a history of only %d transactions", len(before.transactions))
	}
	p.stop(t)

	p = s.serve(t)
	after := p.statement(t, key, "maya")
	if before.String() != after.String() {
		t.Errorf("%d transactions before a restart, %d after:\n%s\n%s", len(before.transactions),
			len(after.transactions), before, after)
	}
	cookie := p.signIn(t)
	if home := p.get(t, http.StatusOK, "/", "Cookie", cookie); !strings.Contains(home.body, "Maya&#39;s Studio") {
		t.Error("the home page does not name the shop")
	}
	p.get(t, http.StatusOK, "/credits/buy", "Cookie", cookie)
	p.must(t, http.StatusForbidden, http.MethodPost, "/login/demo", "", "Sec-Fetch-Site", "cross-site")
	p.stop(t)

	// A session outlives a restart.
	p = s.serve(t)
	p.get(t, http.StatusOK, "/credits", "Cookie", cookie)
	p.stop(t)
	if said := complaints(p.stderr.String()); said != "" {
		t.Errorf("said on standard error: %s", said)
	}
}

var asset = regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`)

// assets fetches all files of a page.
func assets(t *testing.T, p *server, page answer) {
	t.Helper()
	found := asset.FindAllStringSubmatch(page.body, -1)
	if len(found) < 3 {
		t.Fatalf("the page names only %d files: %s", len(found), page.body)
	}
	for _, f := range found {
		if a := p.get(t, http.StatusOK, f[1]); a.body == "" {
			t.Error("empty: ", f[1])
		}
	}
}

// Without CREDITS_DATA_DIR the data are in ./var of the working directory, which needs nothing else.
func TestServeInAnyDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "some where")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := setting{dir: dir}.serve(t)
	if got := p.pgdata(t); got != filepath.Join(dir, "var", "postgres", "pgdata") {
		t.Errorf("the data are in %s", got)
	}
	assets(t, p, p.get(t, http.StatusOK, "/login"))
	p.stop(t)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "var" {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// Without the demo there is no sign-in by one click and no purchase.
func TestServeWithoutDemo(t *testing.T) {
	t.Parallel()
	base := "https://credits.example.com"
	s := setting{dir: folder(t)}.with("CREDITS_BASE_URL=" + base)
	p := s.serve(t)
	if p.base != base || strings.Contains(p.stdout.String(), "one click") {
		t.Errorf("said: %s", p.stdout)
	}
	p.must(t, http.StatusNotFound, http.MethodPost, "/login/demo", "", "Sec-Fetch-Site", "same-origin")
	p.get(t, http.StatusNotFound, "/sandbox/checkout/cs_1")
	p.must(t, http.StatusNotFound, http.MethodPost, "/sandbox/checkout/cs_1/pay", "", "Sec-Fetch-Site", "same-origin")
	if strings.Contains(p.get(t, http.StatusOK, "/login").body, "/login/demo") {
		t.Error("the way in offers the demo")
	}

	key := s.newKey(t, "admin")
	p.api(t, http.StatusNotFound, key, http.MethodGet, "/v1/accounts/maya", "")
	p.openAccount(t, key, "studio")
	link, _ := p.api(t, http.StatusCreated, key, http.MethodPost, "/v1/accounts/studio/login-links",
		"")["url"].(string)
	path, ok := strings.CutPrefix(link, base)
	if !ok {
		t.Fatalf("a login link to %q", link)
	}
	in := p.get(t, http.StatusSeeOther, path)
	cookies := in.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("signing in set %v", cookies)
	}
	c := cookies[0]
	if c.Name != "__Host-credits" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" ||
		c.SameSite != http.SameSiteLaxMode {
		t.Errorf("the cookie is %s", c)
	}
	if in.Header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security")
	}
	cookie := c.Name + "=" + c.Value
	if page := p.get(t, http.StatusOK, "/credits/buy", "Cookie", cookie); !strings.Contains(page.body,
		"Buying is not set up") {
		t.Error("the page does not say that buying is not set up:", page.body)
	}
	bought := p.must(t, http.StatusConflict, http.MethodPost, "/credits/buy", "key=k&pack=pack_100", "Cookie", cookie,
		"Origin", base, "Content-Type", "application/x-www-form-urlencoded")
	if !strings.Contains(bought.body, "not set up") {
		t.Error("buying does not say that it is not set up:", bought.body)
	}
	if webhook := p.must(t, http.StatusBadRequest, http.MethodPost, "/webhooks/stripe",
		"{}"); strings.Contains(webhook.body, "received") {
		t.Error("an unsigned event was taken:", webhook.body)
	}
	p.stop(t)
}
