package e2e_test

import (
	"net/http"
	"testing"

	"pop.store/credits/internal/browser"
)

// The text of a tool survives leaving by the notice, the badge, another page or back. It is removed
// once the tool has run, and by signing out.
func TestWhatIsTypedIntoAToolIsKept(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("una", "Una's Urns", browser.Viewport(390, 844), browser.ReducedMotion())
	s.spend("una", "165")
	const text = "Forty glazes & a kiln"
	choose := func(want string) {
		t.Helper()
		p.Goto("/tools?tool=image_generation")
		p.WaitShown(testid("tool-run"))
		if got := p.Value("#tool-text"); got != want {
			t.Fatalf("the field has %q, want %q", got, want)
		}
	}
	choose("")
	p.Type("#tool-text", text)
	p.Click(testid("get-more-credits"))
	p.WaitURL("/credits/buy?*")
	p.Click(`[data-pack="pack_100"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	p.Click(testid("sandbox-pay"))
	p.WaitText(testid("purchase"), "100 tokens added.")
	p.Click(testid("purchase-back"))
	p.WaitURL("/tools?*")
	p.WaitTrue("document.querySelector('#tool-text').value === " + `"` + text + `"`)

	p.Click("#badge")
	p.WaitURL("/credits")
	choose(text)
	p.ClickText("nav a", "Plans")
	p.WaitURL("/plans")
	p.Back()
	p.WaitURL("/tools?*")
	p.WaitTrue("document.querySelector('#tool-text').value === " + `"` + text + `"`)
	p.Click(testid("tool-run"))
	p.WaitShown(testid("job"))
	choose("")

	p.Type("#tool-text", "a secret")
	p.Click(testid("sign-out"))
	p.WaitURL("/login?*")
	link := s.want(http.StatusCreated, http.MethodPost, "/v1/accounts/una/login-links", map[string]any{})
	p.Goto(link["url"].(string))
	choose("")
}
