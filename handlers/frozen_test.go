package handlers_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/sandbox"
)

// lots are the lines of the list of sources on the Credits page.
func (a answer) lots() []string {
	a.t.Helper()
	var lines []string
	for _, lot := range marked(a.want(http.StatusOK).page(), "lot") {
		lines = append(lines, text(lot))
	}
	return lines
}

// A dispute freezes what is left of a pack: it is shown as frozen, with the reason, and is no part
// of what can be spent.
func TestFrozenTokensAreShownAsFrozen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.openWith("maya", "0.5")
	v := s.signIn("maya")
	v.bought("pack_100")
	s.charge("maya", `{"feature":"auto_selling","amount":"50.5"}`)
	back := v.submit(v.order("pack_100")+"/pay",
		url.Values{"card": {"0259"}}).want(http.StatusSeeOther).header.Get("Location")
	v.get(strings.TrimPrefix(back, s.url)).wantState("disputed")

	page := v.get("/credits")
	if got := text(page.only("balance")); got != "50" {
		t.Errorf("%s can be spent", got)
	}
	if got := page.lots(); !slices.Equal(got,
		[]string{"Bought50 never expire", "Bought100 frozen: your bank is looking into the payment"}) {
		t.Errorf("the sources are %q", got)
	}
	bars := all(page.page(), func(n *html.Node) bool {
		return n.Data == "svg" && attr(n, "role") == "img" && strings.Contains(attr(n, "aria-label"), "order")
	})
	if len(bars) != 1 || attr(bars[0], "aria-label") != "Spent in this order: 50 from Bought" {
		t.Errorf("the bar says %q", attr(bars[0], "aria-label"))
	}
	links := all(page.page(), func(n *html.Node) bool { return n.Data == "a" && s.url+attr(n, "href") == back })
	if len(links) == 0 {
		t.Error("the frozen tokens do not lead to their purchase")
	}
}

// A pack that its creator gives back is frozen until that is done, and says so.
func TestTokensOfAReturnAreFrozen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	path, _ := v.bought("pack_500")
	to, form := v.get(path).returnForm()
	// The provider fails after the tokens were frozen.
	down := &refusing{Provider: s.provider}
	s.app.Billing = billing.New(s.pool, billing.Options{
		Ledger:         s.app.Ledger,
		Prices:         catalog.Builtin,
		Clock:          s.clock.Now,
		Log:            s.app.Log,
		Provider:       down,
		WebhookSecrets: []string{eventSecret},
	})
	s.rebuild()
	v.submit(to, form).leads(path)
	if got := v.get("/credits").lots(); len(got) != 2 || got[1] != "Bought500 frozen: you are returning this pack" {
		t.Errorf("the sources are %q", got)
	}
	s.wantSpendable("maya", "200")
}

// refusing is a provider that does not answer when money is to go back.
type refusing struct{ *sandbox.Provider }

func (*refusing) Refund(context.Context, payment.Refund) error {
	return errors.New("the provider does not answer")
}
