package handlers_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// adviceOf is the text of the advice beside the packs.
func (a answer) adviceOf() string {
	var all []string
	for _, one := range marked(a.page(), "advice") {
		all = append(all, spaced(one))
	}
	return strings.Join(all, " | ")
}

// The pack that the advice names is the one that is highlighted, whatever the catalog likes best
// and however large the pace is.
func TestTheAdviceAndTheHighlightedPackAgree(t *testing.T) {
	t.Parallel()
	for perDay, want := range map[string]struct{ gift, pack, says string }{
		"9":  {"1", "pack_100", "100 tokens for $9.00"},
		"20": {"1", "pack_500", "500 tokens for $39.00"},
		"45": {"115", "pack_1000", "1,000 tokens for $69.00"},
	} {
		s := newSite(t)
		s.call("PUT", "/v1/accounts/maya", `{"plan":"starter"}`).want(http.StatusCreated)
		s.grant("maya", want.gift)
		s.daily("maya", perDay, 7)
		s.clock.Advance(2 * time.Hour)
		page := s.signIn("maya").get("/credits/buy").want(http.StatusOK)
		if says := page.adviceOf(); !strings.Contains(says, "If you buy, "+want.says) ||
			page.suggested() != want.pack {
			t.Errorf("%s a day: the advice is %q, and %s is highlighted", perDay, says, page.suggested())
		}
	}
}

// Somebody who is some tokens short is shown the smallest pack that covers them, and no advice to
// buy another one.
func TestWhoIsShortIsAdvisedNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.call("PUT", "/v1/accounts/maya", `{"plan":"starter"}`).want(http.StatusCreated)
	s.daily("maya", "24", 8)
	s.clock.Advance(24 * time.Hour)
	page := s.signIn("maya").get("/credits/buy?need=33").want(http.StatusOK)
	if says := page.adviceOf(); page.suggested() != "pack_100" || strings.Contains(says, "If you buy, 500") ||
		strings.Contains(says, "If you buy, 1,000") {
		t.Errorf("the advice is %q, and %s is highlighted", says, page.suggested())
	}
}
