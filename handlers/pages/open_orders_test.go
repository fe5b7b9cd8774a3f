package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"pop.store/credits/handlers/handlerstest"
)

// A tab was closed at payment and the order is opened from the list: it is shown as unpaid, with
// links to pay or cancel.
func TestAnOrderThatIsNotPaidSaysSo(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	path := v.OrderAndLeave("pack_500")
	page := v.Get(path).Want(http.StatusOK).WantState("unpaid")
	if got := handlerstest.Text(page.Element("purchase")); !strings.Contains(got, "Not paid yet.") ||
		strings.Contains(got,
			"Confirming") {
		t.Errorf("it says %s", got)
	}
	if got := handlerstest.Text(page.Element("purchase-pay")); !strings.HasPrefix(got, "Continue") {
		t.Errorf("the way on is %q", got)
	}
	if got := handlerstest.Text(page.Element("order-cancel")); !strings.HasPrefix(got, "Cancel") {
		t.Errorf("the way out is %q", got)
	}
	list := v.Get("/credits/history?tab=purchases")
	if got := handlerstest.Text(list.Element("purchase-standing")); got != "Not paid yet" {
		t.Errorf("the list says %q", got)
	}
	checkout := handlerstest.Attr(page.Element("purchase-pay"), "href")
	if handlerstest.Attr(list.Element("continue-link"), "href") != checkout {
		t.Error("the list leads elsewhere")
	}
	if back := v.Pay(strings.TrimPrefix(checkout, s.URL)); back != path {
		t.Errorf("paying leads to %s", back)
	}
	v.Get(path).WantState("paid")
	v.Get("/credits/history?tab=purchases").WantElement("continue-link", false)
}

// The Credits page and the packs mention an unpaid order until it is paid or cancelled.
func TestOpenOrdersAreMentioned(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	for _, path := range []string{"/credits", "/credits/buy"} {
		v.Get(path).Want(http.StatusOK).WantElement("open-order", false)
	}
	order := v.OrderAndLeave("pack_500")
	s.Clock.Advance(time.Minute)
	for _, path := range []string{"/credits", "/credits/buy"} {
		page := v.Get(path).Want(http.StatusOK)
		if got := handlerstest.Text(page.Element("open-order")); got !=
			"Not paid yet. Medium pack, 500 tokens, $39.00, ordered today, 14:02.Continue : Medium packCancel : Medium pack" {
			t.Errorf("%s says %q", path, got)
		}
		if href := handlerstest.Attr(page.Element("open-order-pay"), "href"); !strings.Contains(
			href,
			"/sandbox/checkout/",
		) {
			t.Errorf("%s leads to %q", path, href)
		}
	}
	s.Open("eve", "starter")
	s.SignIn("eve").Submit(order+"/cancel", nil).Want(http.StatusNotFound)
	v.Get("/credits").WantElement("open-order", true)

	for range 2 { // the second press has no effect
		v.Submit(order+"/cancel", nil).WantRedirect(order)
	}
	page := v.Get(order).
		Want(http.StatusOK).
		WantState("cancelled").
		WantElement("purchase-pay", false).
		WantElement("order-cancel",
			false)
	if got := handlerstest.Text(page.Element("purchase")); !strings.Contains(
		got,
		"Checkout closed.Nothing was bought.",
	) {
		t.Errorf("it says %s", got)
	}
	for _, path := range []string{"/credits", "/credits/buy"} {
		v.Get(path).WantElement("open-order", false)
	}
	if got := handlerstest.Text(v.Get("/credits/history?tab=purchases").Element("purchase-standing")); got !=
		"Closed, not paid" {
		t.Errorf("the list says %q", got)
	}
	s.WantSpendable("maya", "200")
}

// An order of yesterday can no longer be paid. The list says so before the provider reports it.
func TestAnOldOrderIsClosedInTheList(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	v.OrderAndLeave("pack_100")
	s.Clock.Advance(24*time.Hour - time.Second)
	v = s.SignIn("maya")
	v.Get("/credits/history?tab=purchases").WantElement("continue-link", true)
	v.Get("/credits").WantElement("open-order", true)
	s.Clock.Advance(time.Second)
	page := v.Get("/credits/history?tab=purchases").WantElement("continue-link", false)
	if got := handlerstest.Text(page.Element("purchase-standing")); got != "Closed, not paid" {
		t.Errorf("the list says %q", got)
	}
	v.Get("/credits").WantElement("open-order", false)
	if n := s.Count("select count(*) from purchases where status = 'pending'"); n != 1 {
		t.Errorf("%d orders are pending", n)
	}
}

// A second tab whose page is older than an open order shows that order and orders nothing. Pressed
// again, it orders.
func TestASecondTabIsTold(t *testing.T) {
	t.Parallel()
	s := handlerstest.New(t)
	s.Open("maya", "starter")
	v := s.SignIn("maya")
	before := v.Forms()
	v.Checkout(v.Submit("/credits/buy", before["pack_500"]))
	path := "/credits/purchases/" + s.Call("GET", "/v1/accounts/maya/purchases",
		"").List("purchases")[0]["id"].(string)
	told := v.Submit("/credits/buy", before["pack_100"]).Want(http.StatusConflict).WantElement("open-order", true)
	if got := handlerstest.Text(told.Element("problem")); !strings.HasPrefix(got,
		"You have another order that isn't paid yet. Nothing new was ordered.") {
		t.Errorf("it says %q", got)
	}
	if n := s.Count("select count(*) from purchases"); n != 1 {
		t.Errorf("%d orders", n)
	}
	v.Checkout(v.Submit("/credits/buy", before["pack_500"])) // the form that made the order leads to it
	v.Order("pack_100")
	if n := s.Count("select count(*) from purchases"); n != 2 {
		t.Errorf("%d orders", n)
	}
	if len(handlerstest.Marked(v.Get("/credits/buy").HTML(), "open-order")) != 2 {
		t.Error("not both are mentioned")
	}
	// The order's page in another tab shows the change.
	shown := handlerstest.Attr(v.Get(path).WantState("unpaid").Element("purchase"), "hx-get")
	v.Get(shown).Want(http.StatusNoContent)
	v.Submit(path+"/cancel", url.Values{}).WantRedirect(path)
	v.Get(shown).Want(http.StatusOK).WantState("cancelled")
}
