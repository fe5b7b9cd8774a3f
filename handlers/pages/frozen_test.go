package pages_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/sandbox"
)

// A dispute freezes the rest of a pack: it is shown as frozen, with the reason, and is not
// spendable.
func TestFrozenTokensAreShownAsFrozen(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.OpenWith("maya", "0.5")
	v := s.SignIn("maya")
	v.BuyPack("pack_100")
	s.Charge("maya", `{"feature":"auto_selling","amount":"50.5"}`)
	back := v.Submit(v.Order("pack_100")+"/pay",
		url.Values{"card": {"0259"}}).Want(http.StatusSeeOther).Header.Get("Location")
	v.Get(strings.TrimPrefix(back, s.URL)).WantState("disputed")

	page := v.Get("/credits")
	if got := handlerstest.Text(page.Element("balance")); got != "50" {
		t.Errorf("%s can be spent", got)
	}
	if got := page.Lots(); !slices.Equal(got,
		[]string{"Bought50 never expire", "Bought100 frozen: your bank is looking into the payment"}) {
		t.Errorf("the sources are %q", got)
	}
	bars := handlerstest.Elements(page.HTML(), func(n *html.Node) bool {
		return n.Data == "svg" && handlerstest.Attr(n, "role") == "img" &&
			strings.Contains(handlerstest.Attr(n, "aria-label"), "order")
	})
	if len(bars) != 1 || handlerstest.Attr(bars[0], "aria-label") != "Spent in this order: 50 from Bought" {
		t.Errorf("the bar says %q", handlerstest.Attr(bars[0], "aria-label"))
	}
	links := handlerstest.Elements(
		page.HTML(),
		func(n *html.Node) bool { return n.Data == "a" && s.URL+handlerstest.Attr(n, "href") == back },
	)
	if len(links) == 0 {
		t.Error("the frozen tokens do not lead to their purchase")
	}
}

// A pack that its creator returns is frozen until the refund, and the page says so.
func TestTokensOfAReturnAreFrozen(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	path, _ := v.BuyPack("pack_500")
	to, form := v.Get(path).ReturnForm()
	// The provider fails after the tokens were frozen.
	down := &failingRefunds{Provider: s.Provider}
	s.App.Billing = billing.New(s.Pool, billing.Options{
		Ledger:   s.App.Ledger,
		Prices:   catalog.Builtin,
		Clock:    s.Clock.Now,
		Log:      s.App.Log,
		Provider: down,
	})
	s.Rebuild()
	v.Submit(to, form).WantRedirect(path)
	if got := v.Get("/credits").Lots(); len(got) != 2 || got[1] != "Bought500 frozen: you are returning this pack" {
		t.Errorf("the sources are %q", got)
	}
	s.WantSpendable("maya", "200")
}

// failingRefunds is a provider whose refunds fail.
type failingRefunds struct{ *sandbox.Provider }

func (*failingRefunds) Refund(context.Context, payment.Refund) error {
	return errors.New("the provider does not answer")
}
