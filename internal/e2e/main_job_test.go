package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"pop.store/credits/db/testdb"
	"pop.store/credits/internal/browser"
)

// The main job, end to end: see the balance, spend, run low, run out, buy, continue.
func TestTheMainJob(t *testing.T) {
	t.Parallel()
	mainJob(t, start(t))
}

// The same behind PgBouncer in transaction mode.
func TestTheMainJobBehindAPooler(t *testing.T) {
	t.Parallel()
	d := testdb.Open(t)
	mainJob(t, startOn(t, d, d.PooledURL(t)))
}

func mainJob(t *testing.T, s *site) {
	t.Helper()
	p := s.creator("eve", "Eve's Shop")
	p.WaitText(testid("badge-amount"), "200")
	inspect(t, p)

	// The page does not reload from here on: a mark in it would be lost.
	browser.Eval[bool](p, "window.notReloaded = true")
	s.spend("eve", "150")
	p.WaitText(testid("badge-amount"), "50")
	if p.Shown(testid("notice")) {
		t.Error("a notice above the threshold")
	}
	s.spend("eve", "32")
	p.WaitText(testid("badge-amount"), "18")
	p.WaitText(testid("badge-state"), "Low")
	p.WaitText(testid("notice"), "18 tokens left: 1 image or about 360 replies.")
	p.WaitText(testid("notice"), "Your next 200 arrive")
	inspect(t, p)
	s.spend("eve", "18")
	p.WaitText(testid("badge-state"), "Empty")
	p.WaitText(testid("notice"), "You're out of tokens. Your shop is open as usual.")
	if !browser.Eval[bool](p, "window.notReloaded === true") {
		t.Error("the page was reloaded: the badge must move without it")
	}
	refused := s.want(http.StatusPaymentRequired, http.MethodPost, "/v1/accounts/eve/charges",
		map[string]any{"feature": "pdf_creation"})
	if refused["code"] != "insufficient_tokens" || refused["shortfall"] != "75" {
		t.Errorf("the refusal is %v", refused)
	}

	buyPack(t, p, "pack_500")
	p.WaitText(testid("purchase"), "500 tokens added.")
	p.WaitText(testid("purchase-text"), "You now have 500.")
	p.WaitText(testid("badge-amount"), "500")
	p.WaitGone(testid("notice"))
	inspect(t, p)
	wantHistory(t, p, "/credits/history", "Bought 500 tokens", "Auto Selling", "Starter plan")
	s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/eve/charges", map[string]any{"feature": "pdf_creation"})
	p.WaitText(testid("badge-amount"), "425")
}

// buyPack buys a pack, from the notice to the payment, with the mouse.
func buyPack(t *testing.T, p *browser.Page, pack string) {
	t.Helper()
	p.Click(testid("get-more-credits"))
	p.WaitURL("/credits/buy")
	inspect(t, p)
	p.Click(`[data-pack="` + pack + `"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	inspect(t, p)
	p.Click(testid("sandbox-decline"))
	p.WaitText(testid("problem"), "declined")
	inspect(t, p)
	p.Click(testid("sandbox-pay"))
	p.WaitURL("/credits/purchases/*")
}

func wantHistory(t *testing.T, p *browser.Page, path string, parts ...string) {
	t.Helper()
	p.Goto(path)
	rows := strings.Join(p.Texts(testid("history-row")), "\n")
	for _, part := range parts {
		if !strings.Contains(rows, part) {
			t.Errorf("%s does not mention %q:\n%s", path, part, rows)
		}
	}
	inspect(t, p)
}

// inspect checks what every page must satisfy: no finding of axe-core, and no sideways scrolling on
// the narrowest phone. The browser itself reports console errors and violations of the content
// security policy.
func inspect(t *testing.T, p *browser.Page) {
	t.Helper()
	p.Axe(t)
	p.Resize(320, 640)
	p.NoSidewaysScroll(t)
	p.Resize(1280, 800)
}

// The low notice can be dismissed, the empty one cannot.
func TestTheNoticeCanBeDismissedWhileLow(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("nora", "Nora's Shop")
	s.spend("nora", "170")
	p.WaitShown(testid("notice"))
	p.Click(testid("notice-dismiss"))
	p.WaitGone(testid("notice"))
	p.Reload()
	p.WaitText(testid("badge-state"), "Low")
	if p.Shown(testid("notice")) {
		t.Error("the dismissed notice came back")
	}
	s.spend("nora", "30")
	p.WaitText(testid("notice"), "You're out of tokens.")
	if p.Shown(testid("notice-dismiss")) {
		t.Error("the empty notice can be dismissed")
	}
}

// One-click sign-in of the demo, and signing out.
func TestTheDemo(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := browser.New(t, browser.Base(s.url), browser.Viewport(390, 844), browser.Dark())
	p.Goto("/credits")
	p.WaitURL("/login?next=%2Fcredits")
	p.Axe(t)
	p.Click(testid("demo-sign-in"))
	p.WaitURL("/credits")
	before := p.Text(testid("badge-amount"))
	browser.Eval[bool](p, "window.notReloaded = true")
	// An agent charges through the API while the page is open.
	p.WaitTrue(`document.querySelector('[data-testid="badge-amount"]').textContent !== ` + "`" + before + "`")
	if !browser.Eval[bool](p, "window.notReloaded === true") {
		t.Error("the page was reloaded")
	}
	p.Click(testid("sign-out"))
	p.WaitURL("/login?out=1")
	p.Goto("/credits")
	p.WaitURL("/login?next=%2Fcredits")
}

// Every page, light and dark, at the widths of a small phone, a phone and a desktop.
func TestEveryPageIsSoundEverywhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, look := range []struct {
		name    string
		options []browser.Option
	}{{"light", nil}, {"dark", []browser.Option{browser.Dark()}}} {
		t.Run(look.name, func(t *testing.T) {
			sub := &site{
				t:   t,
				url: s.url,
				key: s.key,
			}
			sub.next.Store(map[string]int64{"light": 1000, "dark": 2000}[look.name])
			p := sub.signIn("maya", look.options...)
			for _, page := range []string{
				"/", "/credits", "/credits/history", "/credits/history?tab=purchases",
				"/credits/history?feature=lip_sync&from=2020-01-01&to=2020-01-02", "/credits/buy", "/plans",
				"/credits?by=agent&days=90", "/credits/how-tokens-work", "/agents", "/settings", "/tools",
				"/tools?tool=pdf_creation", "/storefront", "/nothing-here",
			} {
				p.Goto(page)
				for _, width := range []int{320, 390, 1440} {
					p.Resize(width, 844)
					p.NoSidewaysScroll(t)
					p.Axe(t)
				}
			}
		})
	}
}

// The plan table exactly as in the article: one row per feature with its three counts.
func TestThePlanTable(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("paul", "Paul's Shop")
	p.Goto("/plans")
	want := []string{
		"AI Generated PDFs 2 5 13", "AI Photoshoots 20 40 100",
		"Social Comment Replies about 4,000 about 8,000 about 20,000",
		"Comment to DM Automation about 4,000 about 8,000 about 20,000", "AI Generated Videos 10 20 50",
		"AI Voice Dubbing 40 80 200",
		"Brand Deal Scans about 2,000 about 4,000 about 10,000",
	}
	rows := p.Texts(testid("plan-row"))
	if len(rows) != len(want) {
		t.Fatalf("rows are %q", rows)
	}
	for i, row := range rows {
		if row != want[i] {
			t.Errorf("row %d is %q, want %q", i, row, want[i])
		}
	}
	p.WaitText(testid("plan-footnote"), "At today's prices: 6 five-second videos.")
}
