package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"pop.store/credits/internal/browser"
)

// TestScreenshots writes the pictures of docs/screenshots when CREDITS_SCREENSHOTS names a folder
// (make screenshots). Otherwise they go to a temporary folder, which still tests that every page
// renders.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("CREDITS_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	s := start(t)
	for _, device := range []struct {
		name          string
		width, height int
	}{{"phone", 390, 844}, {"desktop", 1440, 900}} {
		for _, look := range []string{"light", "dark"} {
			options := []browser.Option{browser.Viewport(device.width, device.height), browser.ReducedMotion()}
			if look == "dark" {
				options = append(options, browser.Dark())
			}
			a := &camera{
				t:      t,
				dir:    dir,
				suffix: "-" + device.name + "-" + look + ".png",
			}
			a.signIn(s, options)
			a.demo(s, options)
			a.lowToPaid(s, options)
		}
	}
}

// camera takes the pictures of one device and colour scheme.
type camera struct {
	t           *testing.T
	dir, suffix string
}

func (a *camera) take(p *browser.Page, name string) {
	a.t.Helper()
	file := filepath.Join(a.dir, name+a.suffix)
	p.Screenshot(file, name != "history") // the first screen of fifty rows is enough
	if info, err := os.Stat(file); err != nil || info.Size() < 10_000 {
		a.t.Errorf("%s: %v", file, err)
	}
}

func (a *camera) signIn(s *site, options []browser.Option) {
	p := browser.New(a.t, append(options, browser.Base(s.url))...)
	p.Goto("/login")
	a.take(p, "sign-in")
}

func (a *camera) demo(s *site, options []browser.Option) {
	p := s.signIn("maya", options...)
	for name, path := range map[string]string{
		"home":            "/",
		"credits":         "/credits",
		"credits-agents":  "/credits?days=90&by=agent",
		"history":         "/credits/history",
		"buy":             "/credits/buy",
		"plans":           "/plans",
		"how-tokens-work": "/credits/how-tokens-work",
		"agents":          "/agents",
		"tools":           "/tools",
		"storefront":      "/storefront",
	} {
		p.Goto(path)
		a.take(p, name)
	}
}

// lowToPaid is a creator who runs low, runs out, and buys a pack.
func (a *camera) lowToPaid(s *site, options []browser.Option) {
	account := "camera" + a.suffix[:len(a.suffix)-len(".png")]
	p := s.creator(account, "Noor's Kitchen", options...)
	s.spend(account, "182")
	p.Goto("/credits")
	a.take(p, "credits-low")
	p.Goto("/tools?tool=pdf_creation")
	a.take(p, "tools-short")
	s.spend(account, "18")
	s.call("POST", "/v1/accounts/"+account+"/charges", map[string]any{
		"feature": "auto_selling",
		"agent":   "seller",
		"amount":  "9",
	})
	p.Goto("/agents")
	a.take(p, "agents-paused")
	p.Goto("/")
	a.take(p, "home-empty")
	p.Click(testid("get-more-credits"))
	p.WaitURL("/credits/buy")
	p.Click(`[data-pack="pack_500"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	a.take(p, "sandbox")
	p.Click(testid("sandbox-pay"))
	p.WaitText(testid("purchase"), "500 tokens added.")
	a.take(p, "paid")
	paid := p.URL()
	p.Goto(paid + "/receipt")
	a.take(p, "receipt")
	p.Goto("/credits/history?tab=purchases")
	a.take(p, "purchases")
	p.Goto("/settings")
	p.Click(testid("top-up-save"))
	p.WaitText(testid("top-up-state"), "On")
	p.Goto("/settings")
	a.take(p, "settings")
}
