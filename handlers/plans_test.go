package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
)

func (v *visitor) switchTo(plan string) answer {
	v.s.t.Helper()
	return v.submit("/plans", url.Values{"plan": {plan}})
}

// plan is what stands on one of the cards.
func (a answer) plan(id string) string {
	a.t.Helper()
	for _, card := range marked(a.page(), "plan") {
		if attr(card, "data-plan") == id {
			return text(card)
		}
	}
	a.t.Errorf("%s: no plan %s", a.to, id)
	return ""
}

// In the demo the plan is changed here: up at once, down at the reset, and keeping it takes the change back.
func TestSwitchingPlans(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"Europe/Berlin"}`).want(http.StatusCreated)
	v := s.signIn("maya")
	before := v.get("/plans").want(http.StatusOK).has("plan-changed", false)
	if got := before.plan("starter"); !strings.Contains(got, "Your plan") ||
		!strings.Contains(got, "Resets Tue 22 Dec, 15:02") {
		t.Errorf("mine: %s", got)
	}
	v.switchTo("pro").leads("/plans?changed=1")
	s.wantSpendable("maya", "400")
	up := v.get("/plans?changed=1").want(http.StatusOK)
	if got := text(up.only("plan-changed")); got != "You're on Pro now." {
		t.Errorf("%q", got)
	}
	v.switchTo("starter").leads("/plans?changed=1")
	s.wantSpendable("maya", "400")
	down := v.get("/plans?changed=1").want(http.StatusOK)
	if got := text(down.only("plan-changed")); got !=
		"Your plan will be Starter from Tue 22 Dec. Until then nothing changes." {
		t.Errorf("%q", got)
	}
	if got := text(down.only("plan-mine")); got !=
		"You're on Pro and have 400 tokens. Your next 200 arrive on 22 December." {
		t.Errorf("%q", got)
	}
	if !strings.Contains(down.plan("pro"), "Keep Pro") || !strings.Contains(down.plan("starter"), "Yours next") ||
		strings.Contains(down.plan("starter"), "Change to") {
		t.Errorf("pro: %s; starter: %s", down.plan("pro"), down.plan("starter"))
	}
	v.switchTo("pro").leads("/plans?changed=1")
	v.get("/plans").want(http.StatusOK)
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{"plan": "pro", "next_plan": nil})

	v.switchTo("starter").leads("/plans?changed=1")
	s.clock.Advance(31 * 24 * time.Hour)
	s.call("GET", "/v1/accounts/maya", "").wantMembers(map[string]any{"plan": "starter"})
	s.wantSpendable("maya", "200")
}

func TestAPlanThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	before := s.contents()
	for _, plan := range []string{"", "gold", "Starter", " starter", "\x01", strings.Repeat("p", 5000)} {
		if got := text(v.switchTo(plan).want(http.StatusUnprocessableEntity).only("problem")); got !=
			"There is no such plan. Nothing was changed." {
			t.Errorf("%.20q: %q", plan, got)
		}
	}
	s.unchanged(before, "sessions")
}

// A real installation shows prices and leads to the host's own page, when the catalog has them.
func TestTheHostsPlans(t *testing.T) {
	t.Parallel()
	prices := *catalog.Builtin()
	prices.Plans = append([]catalog.Plan{}, prices.Plans...)
	prices.Plans[1].Price, prices.Plans[1].URL = money.Amount{Minor: 4900, Currency: "EUR"},
		"https://host.example/plan"
	s := newSiteWith(t, options{noDemo: true, prices: func() *catalog.Catalog { return &prices }})
	s.open("maya", "starter")
	a := s.signIn("maya").get("/plans").want(http.StatusOK).has("plan-switch", false)
	if link := a.only("plan-link"); attr(link, "href") != "https://host.example/plan" ||
		text(link) != "Change to Pro" {
		t.Errorf("%q leads to %q", text(link), attr(link, "href"))
	}
	if got := text(a.only("plan-price")); !strings.Contains(got, "49.00 a month") {
		t.Errorf("the price is %q", got)
	}
}
