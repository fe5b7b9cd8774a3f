package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"pop.store/credits/internal/browser"
)

// A creator lacks tokens for the text just typed: buy the pack that covers it, return to the tool
// with the text, and then return the pack.
func TestShortOfTokensAndBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("ida", "Ida's Shop", browser.Viewport(390, 844))
	s.spend("ida", "158")
	p.AllowConsole("402") // the answer when tokens are missing
	p.Goto("/tools?tool=pdf_creation")
	p.Type("#tool-text", "Glazes & kilns")
	p.Click(testid("tool-run"))
	p.WaitText(testid("declined"), "It didn't run, and no tokens were used. You're 33 short; your text is saved.")
	p.Click(testid("tool-buy"))
	p.WaitURL("/credits/buy?*")
	p.WaitText(testid("buy-need"),
		"You're 33 short. After paying you are back where you were, with everything as you left it.")
	p.WaitText(`[data-pack="pack_100"] `+testid("pack-covers"), "covers the 33 you are short")
	first := p.Attr(testid("pack"), "data-pack")
	if first != "pack_100" {
		t.Errorf("%s comes first", first)
	}
	inspect(t, p)
	p.WaitText(`[data-pack="pack_100"] `+testid("buy-pack"), "Pay $9.00")
	p.Click(`[data-pack="pack_100"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	p.Click(testid("sandbox-pay"))
	p.WaitURL("/credits/purchases/*")
	p.WaitText(testid("purchase"), "100 tokens added.")
	purchase := p.URL()
	inspect(t, p)
	p.Click(testid("purchase-back"))
	p.WaitURL("/tools?*")
	p.WaitShown(testid("tool-run"))
	if got := p.Value("#tool-text"); got != "Glazes & kilns" || p.Shown(testid("declined")) {
		t.Errorf("the form has %q", got)
	}
	if n := p.Text(testid("badge-amount")); n != "142" {
		t.Errorf("it ran by itself: %s are left", n)
	}

	p.Goto(purchase[strings.Index(purchase, "/credits/"):])
	if p.Shown(testid("return-confirm")) {
		t.Error("a return without a second step")
	}
	p.Click(testid("return") + " summary")
	p.WaitText(testid("return-text"), "You have used nothing of it.")
	inspect(t, p)
	p.Click(testid("return") + ` button`)
	p.WaitText(testid("purchase"), "Pack returned.")
	p.WaitText(testid("purchase-text"), "Your $9.00 went back today, and the 100 tokens with it.")
	p.WaitText(testid("badge-amount"), "42")
	inspect(t, p)
	wantHistory(t, p, "/credits/history", "Returned by you", "Bought 100 tokens")
	list, _ := s.want(http.StatusOK, http.MethodGet, "/v1/accounts/ida/purchases", nil)["purchases"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["status"] != "refunded" {
		t.Errorf("the API says %v", list)
	}
}
