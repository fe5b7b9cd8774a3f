package handlers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"pop.store/credits/internal/sandbox"
)

// buyAs pays for a pack as somebody in particular, and gives the purchase's path.
func (v *visitor) buyAs(pack string, form url.Values) string {
	v.s.t.Helper()
	to := v.submit(v.order(pack)+"/pay", form).want(http.StatusSeeOther).header.Get("Location")
	path := strings.TrimPrefix(to, v.s.url)
	v.get(path).want(http.StatusOK)
	return path
}

// lines are the sums of a receipt: "VAT 20% $7.80".
func (a answer) lines() []string {
	var out []string
	for _, line := range marked(a.page(), "receipt-line") {
		out = append(out, spaced(line))
	}
	return out
}

// spaced is the text of an element, with spaces between its parts.
func spaced(n *html.Node) string {
	var parts []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			parts = append(parts, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(parts, " ")
}

func TestTheReceipt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.call("PUT", "/v1/accounts/maya", `{"plan":"starter","time_zone":"Pacific/Auckland"}`).want(http.StatusCreated)
	v := s.signIn("maya")
	path := v.buyAs("pack_500", url.Values{
		"company": {"Maya GmbH"},
		"tax_id":  {"DE123456789"},
		"tax":     {"20"},
	})
	a := v.get(path+"/receipt").want(http.StatusOK).has("print", true).has("receipt-incomplete", false)
	if got := strings.Join(a.lines(), "|"); got != "Medium pack, 500 tokens $39.00|VAT 20% $7.80|Total paid $46.80" {
		t.Errorf("the sums are %s", got)
	}
	said := spaced(a.only("receipt"))
	for _, want := range []string{
		"Paid on 23 November 2026", "From Credits Ltd 1 Main Street VAT GB123456789",
		"To Maya GmbH Tax id DE123456789", "Paid with Visa 4242",
		"500 tokens. They never expire.", strings.TrimPrefix(path, "/credits/purchases/"),
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
	if link := text(a.only("provider-receipt")); link != "Open the sandbox's receipt" {
		t.Errorf("the link is called %q", link)
	}
	theirs, ours := strings.CutPrefix(attr(a.only("provider-receipt"), "href"), s.url)
	if !ours || !strings.HasPrefix(theirs, "/sandbox/receipts/pi_") {
		t.Errorf("the provider's receipt is at %s", theirs)
	}
	// The provider's own needs no session, as at Stripe.
	own := spaced((&visitor{s: s}).get(theirs).want(http.StatusOK).only("sandbox-receipt"))
	for _, want := range []string{
		"Sandbox: no real money", "$46.80", "VAT 20% $7.80", "Maya GmbH", "DE123456789",
		"Visa 4242",
	} {
		if !strings.Contains(own, want) {
			t.Errorf("the provider's does not say %q: %s", want, own)
		}
	}
	// There is a way from the purchase, once there is a receipt.
	if !strings.Contains(string(v.get(path).body), path+"/receipt") {
		t.Error("no way to the receipt")
	}
	s.clock.Advance(24 * time.Hour)
	s.post("/v1/accounts/maya"+strings.TrimPrefix(path, "/credits")+"/refund",
		`{"reason":"r","amount":{"minor":1000,"currency":"USD"}}`).want(http.StatusCreated)
	if got := v.get(path + "/receipt").lines(); len(got) != 4 || got[3] != "Refunded on 24 November 2026 −$10.00" {
		t.Errorf("after a refund: %q", got)
	}
}

// There is no receipt before it is paid, and none of somebody else's.
func TestNoReceipt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("other", "starter")
	v := s.signIn("maya")
	checkout := v.order("pack_100")
	back := strings.TrimPrefix(v.submit(checkout+"/cancel", nil).header.Get("Location"), s.url)
	path, _, _ := strings.Cut(back, "?")
	v.get(path+"/receipt").want(http.StatusNotFound).has("error-page", true).has("receipt", false)
	if strings.Contains(string(v.get(path).body), path+"/receipt") {
		t.Error("a way to a receipt that is not there")
	}
	v.pay(checkout)
	v.get(path).want(http.StatusOK)
	v.get(path+"/receipt").want(http.StatusOK).has("receipt", true)
	s.signIn("other").get(path+"/receipt").want(http.StatusNotFound).has("error-page", true).has("receipt", false)
	v.get("/credits/purchases/x/receipt").want(http.StatusNotFound)
	(&visitor{s: s}).get(path + "/receipt").leads("/login?next=" + url.QueryEscape(path+"/receipt"))
	(&visitor{s: s}).get("/sandbox/receipts/x").want(http.StatusNotFound)
}

// The tab lists purchases, whatever became of them; what a filter says is about other tabs.
func TestTheListOfPurchasesAsAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	s.open("other", "starter")
	v := s.signIn("maya")
	const tab = "/credits/history?tab=purchases"
	v.get(tab).want(http.StatusOK).has("empty-state", true).has("purchase-row", false).has("history-filter", false)
	back := func(checkout string, card sandbox.Card) string {
		to := v.submit(checkout+"/pay",
			url.Values{"card": {string(card)}}).want(http.StatusSeeOther).header.Get("Location")
		path := strings.TrimPrefix(to, s.url)
		v.get(path).want(http.StatusOK)
		s.clock.Advance(time.Minute)
		return "/v1/accounts/maya" + strings.TrimPrefix(path, "/credits") + "/refund"
	}
	back(v.order("pack_100"), sandbox.CardGood)
	back(v.order("pack_100"), sandbox.Coupon)
	back(v.order("pack_100"), sandbox.CardDisputed)
	back(v.order("pack_100"), sandbox.BankDebit)
	s.post(back(v.order("pack_100"), sandbox.CardGood),
		`{"reason":"r","amount":{"minor":300,"currency":"USD"}}`).want(http.StatusCreated)
	s.post(back(v.order("pack_100"), sandbox.CardGood), `{"reason":"r"}`).want(http.StatusCreated)
	left := v.order("pack_500")
	s.signIn("other").order("pack_1000")
	a := v.get(tab + "&kind=nonsense&from=x").want(http.StatusOK)
	var got []string
	for _, row := range marked(a.page(), "purchase-row") {
		standing := marked(row, "purchase-standing")
		amount := marked(row, "purchase-amount")
		got = append(got, fmt.Sprint(text(standing[0]), "/", text(amount[0]), "/", len(marked(row, "receipt-link"))))
	}
	want := "Not paid yet/not paid: $39.00/0 Refunded/$9.00/1 $3.00 refunded/$9.00/1 On its way/not paid: $9.00/0 Disputed/$9.00/1 Paid/$0.00/1 Paid/$9.00/1"
	if strings.Join(got, " ") != want {
		t.Errorf("the list is\n%s, want\n%s", strings.Join(got, " "), want)
	}
	for _, link := range all(a.page(), func(n *html.Node) bool { return attr(n, "data-testid") == "receipt-link" }) {
		v.get(attr(link, "href")).want(http.StatusOK).has("receipt", true)
	}
	s.clock.Advance(25 * time.Hour)
	v.submit(left+"/pay", nil)
	if _, err := s.app.Billing.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	if row := text(marked(v.get(tab).page(), "purchase-row")[0]); !strings.Contains(row, "Closed, not paid") {
		t.Errorf("an expired one: %s", row)
	}
	v.get(tab+"&cursor=x").want(http.StatusBadRequest).has("error-page", true)
}

func TestOlderPurchases(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for range 53 {
		s.post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`).want(http.StatusCreated)
		s.clock.Advance(time.Second)
	}
	seen := map[string]bool{}
	next := "/credits/history?tab=purchases"
	for _, size := range []int{50, 3} {
		a := v.get(next).want(http.StatusOK)
		rows := marked(a.page(), "purchase-row")
		if len(rows) != size {
			t.Errorf("%s has %d rows, want %d", next, len(rows), size)
		}
		for _, row := range rows {
			for _, n := range all(row, func(n *html.Node) bool {
				return n.Data == "a" && strings.HasPrefix(attr(n, "href"), "/credits/purchases/")
			}) {
				seen[attr(n, "href")] = true
			}
		}
		if size == 50 {
			next = attr(a.only("load-more"), "href")
		} else {
			a.has("load-more", false)
		}
	}
	if len(seen) != 53 {
		t.Errorf("%d purchases on two pages", len(seen))
	}
}

func TestTheAPIKnowsTaxAndReceipt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	open := s.post("/v1/accounts/maya/purchases", `{"pack":"pack_100"}`).want(http.StatusCreated)
	open.wantMembers(map[string]any{"tax": nil, "receipt_url": nil})
	taxed, plain := v.buyAs("pack_100", url.Values{"tax": {"20"}}), v.buyAs("pack_100", nil)
	for path, want := range map[string]float64{taxed: 180, plain: 0} {
		a := s.call("GET", "/v1/accounts/maya"+strings.TrimPrefix(path, "/credits"), "").want(http.StatusOK)
		if link, _ := a.at("receipt_url").(string); a.at("tax", "minor") != want ||
			a.at("tax", "currency") != "USD" || !strings.HasPrefix(link, s.url+"/sandbox/receipts/pi_") {
			t.Errorf("%s", a.body)
		}
	}
}

// What a buyer says of themselves is text on every page that has it.
func TestHostileBuyersAreOnlyText(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for _, evil := range hostile {
		path := v.buyAs("pack_100", url.Values{"company": {evil}, "tax_id": {evil[:min(len(evil), 40)]}})
		a := v.get(path + "/receipt").want(http.StatusOK)
		theirs := v.get(strings.TrimPrefix(attr(a.only("provider-receipt"), "href"), s.url)).want(http.StatusOK)
		for _, page := range []answer{a, theirs, v.get("/credits/history?tab=purchases")} {
			wantOnlyText(t, page, evil)
		}
		for _, page := range []*html.Node{a.only("receipt"), theirs.only("sandbox-receipt")} {
			if !strings.Contains(text(page), strings.Join(strings.Fields(evil), " ")) {
				t.Errorf("%q is not there: %s", evil, text(page))
			}
		}
	}
	for field, bad := range map[string]string{"company": strings.Repeat("x", 121), "tax_id": "a\x00b"} {
		v.submit(v.order("pack_100")+"/pay", url.Values{field: {bad}}).want(http.StatusUnprocessableEntity)
	}
}
