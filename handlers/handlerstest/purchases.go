package handlerstest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"pop.store/credits/internal/sandbox"
)

// Forms are the forms of the packs on the page, by pack.
func (v *Browser) Forms() map[string]url.Values {
	v.Site.T.Helper()
	found := map[string]url.Values{}
	for _, pack := range Marked(v.Get("/credits/buy").Want(http.StatusOK).HTML(), "pack") {
		form := url.Values{}
		for n := range pack.Descendants() {
			if n.Data == "form" && (Attr(n, "action") != "/credits/buy" || Attr(n, "method") != "post") {
				v.Site.T.Errorf("a pack's form goes to %s %s", Attr(n, "method"), Attr(n, "action"))
			}
			if n.Data == "input" {
				form.Set(Attr(n, "name"), Attr(n, "value"))
			}
		}
		found[Attr(pack, "data-pack")] = form
	}
	return found
}

// Order orders a pack and returns the path of the payment page.
func (v *Browser) Order(pack string) string {
	v.Site.T.Helper()
	return v.Checkout(v.Submit("/credits/buy", v.Forms()[pack]))
}

func (v *Browser) Checkout(a Response) string {
	v.Site.T.Helper()
	a.Want(http.StatusSeeOther)
	path, ours := strings.CutPrefix(a.Header.Get("Location"), v.Site.URL)
	if !ours || !strings.HasPrefix(path, "/sandbox/checkout/cs_test_") {
		v.Site.T.Fatalf("the button leads to %q", a.Header.Get("Location"))
	}
	return path
}

// Pay pays on the payment page and returns the path of the return page.
func (v *Browser) Pay(checkout string) string {
	v.Site.T.Helper()
	a := v.Submit(checkout+"/pay", nil).Want(http.StatusSeeOther)
	path, ours := strings.CutPrefix(a.Header.Get("Location"), v.Site.URL)
	if !ours || !strings.HasPrefix(path, "/credits/purchases/") {
		v.Site.T.Fatalf("paying leads to %q", a.Header.Get("Location"))
	}
	return path
}

func (s *Site) BuyAndPay(account, pack string) {
	s.T.Helper()
	v := s.SignIn(account)
	v.Get(v.Pay(v.Order(pack))).Want(http.StatusOK)
}

func (a Response) WantState(want string) Response {
	a.T.Helper()
	if got := Attr(a.Element("purchase"), "data-state"); got != want {
		a.T.Errorf("%s: the purchase is %q, want %q", a.Request, got, want)
	}
	return a
}

// onPack is the text of a part of each pack, in the order of the page: "pack_100: about 10 days at
// your pace".
func (a Response) onPack(part string) []string {
	a.T.Helper()
	var said []string
	for _, pack := range Marked(a.Want(http.StatusOK).HTML(), "pack") {
		words := ""
		if found := Marked(pack, part); len(found) == 1 {
			words = Text(found[0])
		}
		said = append(said, Attr(pack, "data-pack")+": "+words)
	}
	return said
}

func (a Response) WantOnPacks(part string, want ...string) {
	a.T.Helper()
	if got := a.onPack(part); !slices.Equal(got, want) {
		a.T.Errorf("%s: %s says\n %q, want\n %q", a.Request, part, got, want)
	}
}

// SuggestedPack is the highlighted pack.
func (a Response) SuggestedPack() string {
	a.T.Helper()
	for _, pack := range Marked(a.HTML(), "pack") {
		if strings.Contains(Attr(pack, "class"), "border-accent") {
			return Attr(pack, "data-pack")
		}
	}
	return ""
}

// Refund refunds a part of a purchase, as support does.
func (s *Site) Refund(account, purchase, amount, reason string) {
	s.T.Helper()
	s.Post("/v1/accounts/"+account+"/purchases/"+purchase+"/refund",
		`{`+amount+`"reason":"`+reason+`"}`).Want(http.StatusCreated)
}

// BuyPack buys a pack and returns the path of its page.
func (v *Browser) BuyPack(pack string) (path, id string) {
	v.Site.T.Helper()
	path = v.Pay(v.Order(pack))
	v.Get(path).Want(http.StatusOK).WantState("paid")
	return path, strings.TrimPrefix(path, "/credits/purchases/")
}

// ReturnForm is the form on the purchase page that returns the pack.
func (a Response) ReturnForm() (path string, form url.Values) {
	a.T.Helper()
	form = url.Values{}
	for n := range a.Element("return").Descendants() {
		if n.Data == "form" {
			path = Attr(n, "action")
		}
		if n.Data == "input" {
			form.Set(Attr(n, "name"), Attr(n, "value"))
		}
	}
	return path, form
}

// OrderAndLeave orders a pack and returns the path of its page. The buyer closes the tab at the
// payment page.
func (v *Browser) OrderAndLeave(pack string) string {
	v.Site.T.Helper()
	v.Order(pack)
	rows := Marked(v.Get("/credits/history?tab=purchases").Want(http.StatusOK).HTML(), "purchase-row")
	for n := range rows[0].Descendants() {
		if n.Data == "a" && strings.HasPrefix(Attr(n, "href"), "/credits/purchases/") {
			return Attr(n, "href")
		}
	}
	v.Site.T.Fatal("the newest purchase leads nowhere")
	return ""
}

// BuyAs buys a pack with the buyer's data in form, and returns the purchase's path.
func (v *Browser) BuyAs(pack string, form url.Values) string {
	v.Site.T.Helper()
	to := v.Submit(v.Order(pack)+"/pay", form).Want(http.StatusSeeOther).Header.Get("Location")
	path := strings.TrimPrefix(to, v.Site.URL)
	v.Get(path).Want(http.StatusOK)
	return path
}

// ReceiptLines are the sums of a receipt: "VAT 20% $7.80".
func (a Response) ReceiptLines() []string {
	var out []string
	for _, line := range Marked(a.HTML(), "receipt-line") {
		out = append(out, SpacedText(line))
	}
	return out
}

// SpacedText is the text of an element, with spaces between its parts.
func SpacedText(n *html.Node) string {
	var parts []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			parts = append(parts, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(parts, " ")
}

// AdvicePack is the text of the advice beside the packs.
func (a Response) AdvicePack() string {
	var all []string
	for _, one := range Marked(a.HTML(), "advice") {
		all = append(all, SpacedText(one))
	}
	return strings.Join(all, " | ")
}

// Lots are the lines of the lots on the Credits page.
func (a Response) Lots() []string {
	a.T.Helper()
	var lines []string
	for _, lot := range Marked(a.Want(http.StatusOK).HTML(), "lot") {
		lines = append(lines, Text(lot))
	}
	return lines
}

// TopUpForm is the form on the settings page, with its current values.
func (v *Browser) TopUpForm() url.Values {
	v.Site.T.Helper()
	form := url.Values{}
	for n := range v.Get("/settings").Want(http.StatusOK).Element("top-up-form").Descendants() {
		if n.Data == "input" {
			form.Set(Attr(n, "name"), Attr(n, "value"))
		}
		if n.Data == "option" && (HasAttribute(n, "selected") || form.Get("pack") == "") {
			form.Set("pack", Attr(n, "value"))
		}
	}
	return form
}

// SaveCard buys 100 tokens with a card that is saved for auto top-up.
func (v *Browser) SaveCard(card sandbox.Card) {
	v.Site.T.Helper()
	form := v.Forms()["pack_100"]
	form.Set("keep", "1")
	form.Set("next", "/settings")
	back := v.Submit(v.Checkout(v.Submit("/credits/buy", form))+"/pay",
		url.Values{"card": {string(card)}}).Want(http.StatusSeeOther).Header.Get("Location")
	v.Get(strings.TrimPrefix(back, v.Site.URL)).Want(http.StatusOK).WantState("paid")
}

func (s *Site) RunTopUp() {
	s.T.Helper()
	if _, _, err := s.App.TopUp.Step(s.T.Context(), uuid.Nil); err != nil {
		s.T.Fatal(err)
	}
}

func (a Response) WantTopUp(on string) Response {
	a.T.Helper()
	if got := Attr(a.Element("top-up"), "data-state"); got != on {
		a.T.Errorf("%s: auto top-up is %q, want %q", a.Request, got, on)
	}
	return a
}

func HasAttribute(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}
