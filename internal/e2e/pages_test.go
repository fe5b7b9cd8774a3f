package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"pop.store/credits/internal/browser"
)

// Usage: another range, by agent, one day, and the table.
func TestLookingAtUsage(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("ada", "Ada's Atelier", browser.Viewport(390, 844))
	p.Goto("/credits")
	p.WaitText(testid("usage-empty"), "Nothing used yet")
	s.spend("ada", "12.5")
	p.WaitText(testid("usage-legend"), "Auto Selling")
	p.ClickText("#usage a", "7 days")
	p.WaitURL("/credits?by=feature&days=7")
	s.want(http.StatusOK, http.MethodPut, "/v1/accounts/ada/agents/seller", map[string]any{"name": "Night shift"})
	p.ClickText("#usage a", "By agent")
	p.WaitURL("/credits?by=agent&days=7")
	p.WaitText(testid("usage-legend"), "Night shift")
	p.Hover(testid("usage-bar") + ":last-child")
	p.WaitText(testid("usage-bar")+":last-child "+testid("usage-tip"), "12.5")
	p.Click("#usage-details summary")
	if rows := p.Texts(testid("usage-row")); len(rows) != 7 ||
		strings.Join(strings.Fields(rows[0]), " ") != "Today 12.5 12.5" {
		t.Errorf("the figures are %q", rows)
	}
	inspect(t, p)
	// The page updates after a charge, keeps its range, and leaves open what is open.
	s.spend("ada", "7.5")
	p.WaitText(testid("usage-table"), "20")
	if !p.Shown(testid("usage-table")) || !strings.HasSuffix(p.URL(), "/credits?by=agent&days=7#usage") {
		t.Errorf("at %s the table is shown: %v", p.URL(), p.Shown(testid("usage-table")))
	}
}

// The demo's plan: upgrade at once, downgrade at the reset, and cancel it; then the guide.
func TestChangingThePlan(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("zoe", "Zoe's Zines")
	p.Goto("/plans")
	p.Click(`[data-plan="pro"] ` + testid("plan-switch"))
	p.WaitText(testid("plan-changed"), "You're on Pro now.")
	p.WaitText(testid("badge-amount"), "400")
	p.Click(`[data-plan="starter"] ` + testid("plan-switch"))
	p.WaitText(testid("plan-changed"), "Your plan will be Starter from")
	inspect(t, p)
	p.Click(`[data-plan="pro"] ` + testid("plan-switch"))
	p.WaitText(testid("plan-changed"), "You're on Pro now.")
	p.ClickText("main a", "How tokens work")
	p.WaitURL("/credits/how-tokens-work")
	p.WaitText(testid("guide-numbers"), "tokens with Pro")
	inspect(t, p)
}
