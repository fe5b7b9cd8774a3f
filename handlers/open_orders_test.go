package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ordered opens an order and gives the path of its page; the buyer then closes the tab at the payment page.
func (v *visitor) ordered(pack string) string {
	v.s.t.Helper()
	v.order(pack)
	rows := marked(v.get("/credits/history?tab=purchases").want(http.StatusOK).page(), "purchase-row")
	for n := range rows[0].Descendants() {
		if n.Data == "a" && strings.HasPrefix(attr(n, "href"), "/credits/purchases/") {
			return attr(n, "href")
		}
	}
	v.s.t.Fatal("the newest purchase leads nowhere")
	return ""
}

// The tab is closed at payment, and the order opened from the list: it says at once what it is,
// with the way on and the way out.
func TestAnOrderThatIsNotPaidSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	path := v.ordered("pack_500")
	page := v.get(path).want(http.StatusOK).wantState("unpaid")
	if got := text(page.only("purchase")); !strings.Contains(got, "Not paid yet.") || strings.Contains(got,
		"Confirming") {
		t.Errorf("it says %s", got)
	}
	if got := text(page.only("purchase-pay")); !strings.HasPrefix(got, "Continue") {
		t.Errorf("the way on is %q", got)
	}
	if got := text(page.only("order-cancel")); !strings.HasPrefix(got, "Cancel") {
		t.Errorf("the way out is %q", got)
	}
	list := v.get("/credits/history?tab=purchases")
	if got := text(list.only("purchase-standing")); got != "Not paid yet" {
		t.Errorf("the list says %q", got)
	}
	checkout := attr(page.only("purchase-pay"), "href")
	if attr(list.only("continue-link"), "href") != checkout {
		t.Error("the list leads elsewhere")
	}
	if back := v.pay(strings.TrimPrefix(checkout, s.url)); back != path {
		t.Errorf("paying leads to %s", back)
	}
	v.get(path).wantState("paid")
	v.get("/credits/history?tab=purchases").has("continue-link", false)
}

// Credits and the packs mention an order that is not paid, until it is paid or cancelled.
func TestOpenOrdersAreMentioned(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	for _, path := range []string{"/credits", "/credits/buy"} {
		v.get(path).want(http.StatusOK).has("open-order", false)
	}
	order := v.ordered("pack_500")
	s.clock.Advance(time.Minute)
	for _, path := range []string{"/credits", "/credits/buy"} {
		page := v.get(path).want(http.StatusOK)
		if got := text(page.only("open-order")); got !=
			"Not paid yet. Medium pack, 500 tokens, $39.00, ordered today, 14:02.Continue : Medium packCancel : Medium pack" {
			t.Errorf("%s says %q", path, got)
		}
		if href := attr(page.only("open-order-pay"), "href"); !strings.Contains(href, "/sandbox/checkout/") {
			t.Errorf("%s leads to %q", path, href)
		}
	}
	s.open("eve", "starter")
	s.signIn("eve").submit(order+"/cancel", nil).want(http.StatusNotFound)
	v.get("/credits").has("open-order", true)

	for range 2 { // pressed twice is pressed once
		v.submit(order+"/cancel", nil).leads(order)
	}
	page := v.get(order).want(http.StatusOK).wantState("cancelled").has("purchase-pay", false).has("order-cancel",
		false)
	if got := text(page.only("purchase")); !strings.Contains(got, "Checkout closed.Nothing was bought.") {
		t.Errorf("it says %s", got)
	}
	for _, path := range []string{"/credits", "/credits/buy"} {
		v.get(path).has("open-order", false)
	}
	if got := text(v.get("/credits/history?tab=purchases").only("purchase-standing")); got != "Closed, not paid" {
		t.Errorf("the list says %q", got)
	}
	s.wantSpendable("maya", "200")
}

// An order of yesterday can no longer be paid. The list says so even before the provider has told us.
func TestAnOldOrderIsClosedInTheList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	v.ordered("pack_100")
	s.clock.Advance(24*time.Hour - time.Second)
	v = s.signIn("maya")
	v.get("/credits/history?tab=purchases").has("continue-link", true)
	v.get("/credits").has("open-order", true)
	s.clock.Advance(time.Second)
	page := v.get("/credits/history?tab=purchases").has("continue-link", false)
	if got := text(page.only("purchase-standing")); got != "Closed, not paid" {
		t.Errorf("the list says %q", got)
	}
	v.get("/credits").has("open-order", false)
	if n := s.count("select count(*) from purchases where status = 'pending'"); n != 1 {
		t.Errorf("%d orders are pending", n)
	}
}

// A second tab whose page is from before the order is told of it and orders nothing; pressed again,
// it orders.
func TestASecondTabIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.open("maya", "starter")
	v := s.signIn("maya")
	before := v.forms()
	v.checkout(v.submit("/credits/buy", before["pack_500"]))
	path := "/credits/purchases/" + s.call("GET", "/v1/accounts/maya/purchases",
		"").list("purchases")[0]["id"].(string)
	told := v.submit("/credits/buy", before["pack_100"]).want(http.StatusConflict).has("open-order", true)
	if got := text(told.only("problem")); !strings.HasPrefix(got,
		"You have another order that isn't paid yet. Nothing new was ordered.") {
		t.Errorf("it says %q", got)
	}
	if n := s.count("select count(*) from purchases"); n != 1 {
		t.Errorf("%d orders", n)
	}
	v.checkout(v.submit("/credits/buy", before["pack_500"])) // the form that made the order still leads to it
	v.order("pack_100")
	if n := s.count("select count(*) from purchases"); n != 2 {
		t.Errorf("%d orders", n)
	}
	if len(marked(v.get("/credits/buy").page(), "open-order")) != 2 {
		t.Error("not both are mentioned")
	}
	// The page of the order that stands open in another tab follows.
	shown := attr(v.get(path).wantState("unpaid").only("purchase"), "hx-get")
	v.get(shown).want(http.StatusNoContent)
	v.submit(path+"/cancel", url.Values{}).leads(path)
	v.get(shown).want(http.StatusOK).wantState("cancelled")
}
