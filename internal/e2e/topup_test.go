package e2e_test

import (
	"net/http"
	"testing"
	"time"

	"pop.store/credits/internal/browser"
)

// Auto top-up from the settings to a purchase: turn it on, save a card, spend, and see the balance
// change without a reload.
func TestAutoTopUp(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("iris", "Iris's Inks", browser.Viewport(390, 844))
	p.Goto("/settings")
	p.WaitText(testid("top-up-state"), "Off")
	inspect(t, p)
	p.AllowConsole("422")
	p.Type("#top-up-times", "99")
	p.Click(testid("top-up-save"))
	p.WaitText(testid("field-problem"), "Choose a number from 1 to 30.")
	p.WaitTrue(`document.activeElement.id === "top-up-times" && document.activeElement.value === "99"`)
	inspect(t, p)
	p.Type("#top-up-times", "2")
	p.Click(testid("top-up-save"))
	p.WaitText(testid("top-up-state"), "On")
	p.WaitText(testid("top-up-sentence"), "Waiting for a card")

	p.Click(testid("keep-card"))
	p.WaitURL("/credits/buy?*")
	if !browser.Eval[bool](p, `document.querySelector('[data-pack="pack_100"] [data-testid=keep-card]').checked`) {
		t.Error("keeping the card is not ticked")
	}
	inspect(t, p)
	p.Click(`[data-pack="pack_100"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	p.Click(testid("sandbox-pay"))
	p.WaitText(testid("purchase"), "100 tokens added.")
	p.Click(testid("purchase-back"))
	p.WaitURL("/settings")
	p.WaitText(testid("top-up-card"), "Visa 4242")
	inspect(t, p)

	p.Goto("/credits")
	markPage(p)
	s.spend("iris", "290")
	p.WaitText(testid("badge-amount"), "510")
	wantStayed(t, p)
	wantHistory(t, p, "/credits/history", "Auto top-up")
	p.Goto("/settings")
	p.WaitText(testid("top-up"), "1 of 2 times, $39.00 of $117.00")
	inspect(t, p)
	p.Click(testid("top-up-off"))
	p.WaitText(testid("top-up-state"), "Off")
}

// A saved card that is declined later: the pages say so until the creator leaves it off.
func TestAutoTopUpEndsWithADecline(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("dora", "Dora's Dyes")
	p.Goto("/credits/buy?keep=1&next=/settings")
	p.Click(`[data-pack="pack_100"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	p.Click(testid("sandbox-card-0341"))
	p.WaitText(testid("purchase"), "100 tokens added.")
	p.Click(testid("purchase-back"))
	p.Click(testid("top-up-save"))
	p.WaitText(testid("top-up-sentence"), "Ready: a pack is bought when you have fewer than 40 tokens.")
	s.spend("dora", "290")
	for end := time.Now().Add(timeout); s.count("select count(*) from topups where stopped = 'declined'") ==
		0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is never stopped")
		}
	}
	p.Goto("/tools")
	p.WaitText(testid("top-up-notice"), "Auto top-up is off: your card was declined today.")
	inspect(t, p)
	p.Click(testid("top-up-notice-action"))
	p.WaitText(testid("top-up-stopped"), "nothing more is charged until you turn it on again.")
	p.WaitText(testid("top-up-last"), "your card was declined")
	p.Click(testid("top-up-off"))
	p.WaitText(testid("done"), "Saved.")
	if p.Shown(testid("top-up-stopped")) {
		t.Error("it is still said")
	}
	p.Goto("/tools")
	p.WaitGone(testid("top-up-notice"))
	if s.want(http.StatusOK, http.MethodGet, "/v1/accounts/dora", nil)["state"] != "low" {
		t.Error("tokens have come")
	}
}

// count returns the number that a query selects.
func (s *site) count(query string) (n int) {
	s.t.Helper()
	if err := s.db.Pool.QueryRow(s.t.Context(), query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}
