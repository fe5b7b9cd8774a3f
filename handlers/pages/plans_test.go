package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
)

// In the demo a page changes the plan: an upgrade at once, a downgrade at the reset, and keeping
// the plan cancels the downgrade.
func TestSwitchingPlans(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"Europe/Berlin"}`).Want(http.StatusCreated)
	v := s.SignIn("maya")
	before := v.Get("/plans").Want(http.StatusOK).WantElement("plan-changed", false)
	if got := before.Plan("starter"); !strings.Contains(got, "Your plan") ||
		!strings.Contains(got, "Resets Tue 22 Dec, 15:02") {
		t.Errorf("mine: %s", got)
	}
	v.SwitchTo("pro").WantRedirect("/plans?changed=1")
	s.WantSpendable("maya", "400")
	up := v.Get("/plans?changed=1").Want(http.StatusOK)
	if got := handlerstest.Text(up.Element("plan-changed")); got != "You're on Pro now." {
		t.Errorf("%q", got)
	}
	v.SwitchTo("starter").WantRedirect("/plans?changed=1")
	s.WantSpendable("maya", "400")
	down := v.Get("/plans?changed=1").Want(http.StatusOK)
	if got := handlerstest.Text(down.Element("plan-changed")); got !=
		"Your plan will be Starter from Tue 22 Dec. Until then nothing changes." {
		t.Errorf("%q", got)
	}
	if got := handlerstest.Text(down.Element("plan-mine")); got !=
		"You're on Pro and have 400 tokens. Your next 200 arrive on 22 December." {
		t.Errorf("%q", got)
	}
	if !strings.Contains(down.Plan("pro"), "Keep Pro") || !strings.Contains(down.Plan("starter"), "Yours next") ||
		strings.Contains(down.Plan("starter"), "Change to") {
		t.Errorf("pro: %s; starter: %s", down.Plan("pro"), down.Plan("starter"))
	}
	v.SwitchTo("pro").WantRedirect("/plans?changed=1")
	v.Get("/plans").Want(http.StatusOK)
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{"plan": "pro", "next_plan": nil})

	v.SwitchTo("starter").WantRedirect("/plans?changed=1")
	s.Clock.Advance(31 * 24 * time.Hour)
	s.Call("GET", "/v1/accounts/maya", "").WantMembers(map[string]any{"plan": "starter"})
	s.WantSpendable("maya", "200")
}

func TestAPlanThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	before := s.Contents()
	for _, plan := range []string{"", "gold", "Starter", " starter", "\x01", strings.Repeat("p", 5000)} {
		if got := handlerstest.Text(v.SwitchTo(plan).Want(http.StatusUnprocessableEntity).Element("problem")); got !=
			"There is no such plan. Nothing was changed." {
			t.Errorf("%.20q: %q", plan, got)
		}
	}
	s.WantUnchanged(before, "sessions")
}

// Outside the demo the page shows the catalog's prices and links to the host's page.
func TestTheHostsPlans(t *testing.T) {
	t.Parallel()
	prices := *catalog.Builtin()
	prices.Plans = append([]catalog.Plan{}, prices.Plans...)
	prices.Plans[1].Price, prices.Plans[1].URL = money.Amount{Minor: 4900, Currency: "EUR"},
		"https://host.example/plan"
	s := handlerstest.NewWith(t, handlerstest.Options{NoDemo: true, Prices: func() *catalog.Catalog { return &prices }})
	s.Open("maya", "starter")
	a := s.SignIn("maya").Get("/plans").Want(http.StatusOK).WantElement("plan-switch", false)
	if link := a.Element("plan-link"); handlerstest.Attr(link, "href") != "https://host.example/plan" ||
		handlerstest.Text(link) != "Change to Pro" {
		t.Errorf("%q leads to %q", handlerstest.Text(link), handlerstest.Attr(link, "href"))
	}
	if got := handlerstest.Text(a.Element("plan-price")); !strings.Contains(got, "49.00 a month") {
		t.Errorf("the price is %q", got)
	}
}
