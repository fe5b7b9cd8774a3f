package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// The pack that the advice names is highlighted, whatever the catalog suggests and however high the
// usage.
func TestTheAdviceAndTheHighlightedPackAgree(t *testing.T) {
	t.Parallel()
	for perDay, want := range map[string]struct{ gift, pack, says string }{
		"9":  {"1", "pack_100", "100 tokens for $9.00"},
		"20": {"1", "pack_500", "500 tokens for $39.00"},
		"45": {"115", "pack_1000", "1,000 tokens for $69.00"},
	} {
		s := handlerstest.New(t)
		s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter"}`).Want(http.StatusCreated)
		s.Grant("maya", want.gift)
		s.ChargeDaily("maya", perDay, 7)
		s.Clock.Advance(2 * time.Hour)
		page := s.SignIn("maya").Get("/credits/buy").Want(http.StatusOK)
		if says := page.AdvicePack(); !strings.Contains(says, "If you buy, "+want.says) ||
			page.SuggestedPack() != want.pack {
			t.Errorf("%s a day: the advice is %q, and %s is highlighted", perDay, says, page.SuggestedPack())
		}
	}
}

// A creator who lacks some tokens is shown the smallest pack that covers them, and no advice to buy
// another one.
func TestWhoIsShortIsAdvisedNothingElse(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter"}`).Want(http.StatusCreated)
	s.ChargeDaily("maya", "24", 8)
	s.Clock.Advance(24 * time.Hour)
	page := s.SignIn("maya").Get("/credits/buy?need=33").Want(http.StatusOK)
	if says := page.AdvicePack(); page.SuggestedPack() != "pack_100" || strings.Contains(says, "If you buy, 500") ||
		strings.Contains(says, "If you buy, 1,000") {
		t.Errorf("the advice is %q, and %s is highlighted", says, page.SuggestedPack())
	}
}
