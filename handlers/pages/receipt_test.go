package pages_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/handlers/handlerstest"
	"pop.store/credits/internal/sandbox"
)

func TestTheReceipt(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"Pacific/Auckland"}`).Want(http.StatusCreated)
	v := s.SignIn("maya")
	path := v.BuyAs("pack_500", url.Values{
		"company": {"Maya GmbH"},
		"tax_id":  {"DE123456789"},
		"tax":     {"20"},
	})
	a := v.Get(path+"/receipt").Want(http.StatusOK).WantElement("print", true).WantElement("receipt-incomplete",
		false)
	if got := strings.Join(a.ReceiptLines(), "|"); got != "Medium pack, 500 tokens $39.00|VAT 20% $7.80|Total paid $46.80" {
		t.Errorf("the sums are %s", got)
	}
	said := handlerstest.SpacedText(a.Element("receipt"))
	for _, want := range []string{
		"Paid on 23 November 2026", "From Credits Ltd 1 Main Street VAT GB123456789",
		"To Maya GmbH Tax id DE123456789", "Paid with Visa 4242",
		"500 tokens. They never expire.", strings.TrimPrefix(path, "/credits/purchases/"),
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
	if link := handlerstest.Text(a.Element("provider-receipt")); link != "Open the sandbox's receipt" {
		t.Errorf("the link is called %q", link)
	}
	theirs, ours := strings.CutPrefix(handlerstest.Attr(a.Element("provider-receipt"), "href"), s.URL)
	if !ours || !strings.HasPrefix(theirs, "/sandbox/receipts/pi_") {
		t.Errorf("the provider's receipt is at %s", theirs)
	}
	// The provider's own receipt needs no session, as at Stripe.
	own := handlerstest.SpacedText(
		(&handlerstest.Browser{Site: s}).Get(theirs).Want(http.StatusOK).Element("sandbox-receipt"),
	)
	for _, want := range []string{
		"Sandbox: no real money", "$46.80", "VAT 20% $7.80", "Maya GmbH", "DE123456789",
		"Visa 4242",
	} {
		if !strings.Contains(own, want) {
			t.Errorf("the provider's does not say %q: %s", want, own)
		}
	}
	// The purchase page links to the receipt once there is one.
	if !strings.Contains(string(v.Get(path).Body), path+"/receipt") {
		t.Error("no way to the receipt")
	}
	s.Clock.Advance(24 * time.Hour)
	s.Post("/v1/accounts/maya"+strings.TrimPrefix(path, "/credits")+"/refund",
		`{"reason":"r","amount":{"minor":1000,"currency":"USD"}}`).Want(http.StatusCreated)
	if got := v.Get(path + "/receipt").ReceiptLines(); len(got) != 4 || got[3] != "Refunded on 24 November 2026 −$10.00" {
		t.Errorf("after a refund: %q", got)
	}
}

// There is no receipt before payment, and none for other creators.
func TestNoReceipt(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("other", "starter")
	v := s.SignIn("maya")
	checkout := v.Order("pack_100")
	back := strings.TrimPrefix(v.Submit(checkout+"/cancel", nil).Header.Get("Location"), s.URL)
	path, _, _ := strings.Cut(back, "?")
	v.Get(path+"/receipt").Want(http.StatusNotFound).WantElement("error-page", true).WantElement("receipt", false)
	if strings.Contains(string(v.Get(path).Body), path+"/receipt") {
		t.Error("a way to a receipt that is not there")
	}
	v.Pay(checkout)
	v.Get(path).Want(http.StatusOK)
	v.Get(path+"/receipt").Want(http.StatusOK).WantElement("receipt", true)
	s.SignIn("other").
		Get(path+"/receipt").
		Want(http.StatusNotFound).
		WantElement("error-page", true).
		WantElement("receipt", false)
	v.Get("/credits/purchases/x/receipt").Want(http.StatusNotFound)
	(&handlerstest.Browser{Site: s}).Get(path + "/receipt").
		WantRedirect("/login?next=" + url.QueryEscape(path+"/receipt"))
	(&handlerstest.Browser{Site: s}).Get("/sandbox/receipts/x").Want(http.StatusNotFound)
}

// The tab lists purchases in every state. The filters of other tabs do not apply.
func TestTheListOfPurchasesAsAPage(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	s.Open("other", "starter")
	v := s.SignIn("maya")
	const tab = "/credits/history?tab=purchases"
	v.Get(tab).
		Want(http.StatusOK).
		WantElement("empty-state", true).
		WantElement("purchase-row", false).
		WantElement("history-filter", false)
	back := func(checkout string, card sandbox.Card) string {
		to := v.Submit(checkout+"/pay",
			url.Values{"card": {string(card)}}).Want(http.StatusSeeOther).Header.Get("Location")
		path := strings.TrimPrefix(to, s.URL)
		v.Get(path).Want(http.StatusOK)
		s.Clock.Advance(time.Minute)
		return "/v1/accounts/maya" + strings.TrimPrefix(path, "/credits") + "/refund"
	}
	back(v.Order("pack_100"), sandbox.CardGood)
	back(v.Order("pack_100"), sandbox.Coupon)
	back(v.Order("pack_100"), sandbox.CardDisputed)
	back(v.Order("pack_100"), sandbox.BankDebit)
	s.Post(back(v.Order("pack_100"), sandbox.CardGood),
		`{"reason":"r","amount":{"minor":300,"currency":"USD"}}`).Want(http.StatusCreated)
	s.Post(back(v.Order("pack_100"), sandbox.CardGood), `{"reason":"r"}`).Want(http.StatusCreated)
	left := v.Order("pack_500")
	s.SignIn("other").Order("pack_1000")
	a := v.Get(tab + "&kind=nonsense&from=x").Want(http.StatusOK)
	var got []string
	for _, row := range handlerstest.Marked(a.HTML(), "purchase-row") {
		standing := handlerstest.Marked(row, "purchase-standing")
		amount := handlerstest.Marked(row, "purchase-amount")
		got = append(
			got,
			fmt.Sprint(
				handlerstest.Text(standing[0]),
				"/",
				handlerstest.Text(amount[0]),
				"/",
				len(handlerstest.Marked(row, "receipt-link")),
			),
		)
	}
	want := "Not paid yet/not paid: $39.00/0 Refunded/$9.00/1 $3.00 refunded/$9.00/1 On its way/not paid: $9.00/0 Disputed/$9.00/1 Paid/$0.00/1 Paid/$9.00/1"
	if strings.Join(got, " ") != want {
		t.Errorf("the list is\n%s, want\n%s", strings.Join(got, " "), want)
	}
	for _, link := range handlerstest.Elements(a.HTML(), func(n *html.Node) bool {
		return handlerstest.Attr(n, "data-testid") == "receipt-link"
	}) {
		v.Get(handlerstest.Attr(link, "href")).Want(http.StatusOK).WantElement("receipt", true)
	}
	s.Clock.Advance(25 * time.Hour)
	v.Submit(left+"/pay", nil)
	if _, err := s.App.Billing.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row := handlerstest.Text(handlerstest.Marked(v.Get(tab).HTML(), "purchase-row")[0]); !strings.Contains(
		row,
		"Closed, not paid",
	) {
		t.Errorf("an expired one: %s", row)
	}
	v.Get(tab+"&cursor=x").Want(http.StatusBadRequest).WantElement("error-page", true)
}

func TestOlderPurchases(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for range 53 {
		s.Post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`).Want(http.StatusCreated)
		s.Clock.Advance(time.Second)
	}
	seen := map[string]bool{}
	next := "/credits/history?tab=purchases"
	for _, size := range []int{50, 3} {
		a := v.Get(next).Want(http.StatusOK)
		rows := handlerstest.Marked(a.HTML(), "purchase-row")
		if len(rows) != size {
			t.Errorf("%s has %d rows, want %d", next, len(rows), size)
		}
		for _, row := range rows {
			for _, n := range handlerstest.Elements(row, func(n *html.Node) bool {
				return n.Data == "a" && strings.HasPrefix(handlerstest.Attr(n, "href"), "/credits/purchases/")
			}) {
				seen[handlerstest.Attr(n, "href")] = true
			}
		}
		if size == 50 {
			next = handlerstest.Attr(a.Element("load-more"), "href")
		} else {
			a.WantElement("load-more", false)
		}
	}
	if len(seen) != 53 {
		t.Errorf("%d purchases on two pages", len(seen))
	}
}

// Text entered by a buyer is escaped on every page.
func TestHostileBuyersAreOnlyText(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for _, evil := range handlerstest.HostileTexts {
		path := v.BuyAs("pack_100", url.Values{"company": {evil}, "tax_id": {evil[:min(len(evil), 40)]}})
		a := v.Get(path + "/receipt").Want(http.StatusOK)
		theirs := v.Get(strings.TrimPrefix(handlerstest.Attr(a.Element("provider-receipt"), "href"), s.URL)).
			Want(http.StatusOK)
		for _, page := range []handlerstest.Response{a, theirs, v.Get("/credits/history?tab=purchases")} {
			handlerstest.WantOnlyText(t, page, evil)
		}
		for _, page := range []*html.Node{a.Element("receipt"), theirs.Element("sandbox-receipt")} {
			if !strings.Contains(handlerstest.Text(page), strings.Join(strings.Fields(evil), " ")) {
				t.Errorf("%q is not there: %s", evil, handlerstest.Text(page))
			}
		}
	}
	for field, bad := range map[string]string{"company": strings.Repeat("x", 121), "tax_id": "a\x00b"} {
		v.Submit(v.Order("pack_100")+"/pay", url.Values{field: {bad}}).Want(http.StatusUnprocessableEntity)
	}
}
