package mail_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/net/html"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/directory"
	"pop.store/credits/internal/ledger"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/sandbox"
	"pop.store/credits/internal/testkit"
)

// shop sells packs to the fixture's creators.
type shop struct {
	*billing.Service
	f        *fixture
	provider *sandbox.Provider
	silent   atomic.Bool // the provider does not answer
}

// provider is the sandbox, which can stop answering.
type provider struct {
	*sandbox.Provider
	silent *atomic.Bool
}

func (p provider) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	if p.silent.Load() {
		return payment.Checkout{}, errors.New("no answer")
	}
	return p.Provider.Checkout(ctx, id)
}

// newShop is a fixture with a payment provider and a seller.
func newShop(t *testing.T) (*fixture, *shop) {
	t.Helper()
	s := &shop{}
	s.f = newFixtureWith(t, nil, testkit.Provider(func(p *sandbox.Provider) billing.Provider {
		s.provider = p
		return provider{p, &s.silent}
	}))
	s.Service = s.f.Billing
	s.f.mailer.Receipt, s.f.mailer.Seller = s.Receipt, []string{"Credits Ltd", "1 Main Street", "VAT GB1"}
	return s.f, s
}

// order is a pack of 500 that was paid, of which nobody has told the app.
func (s *shop) order(account uuid.UUID, buyer sandbox.Buyer, card sandbox.Card) billing.Purchase {
	s.f.T.Helper()
	p, _, err := s.Start(s.f.T.Context(), account, uuid.NewString(), billing.StartParams{Pack: "pack_500"})
	if err != nil {
		s.f.T.Fatal(err)
	}
	if _, err := s.provider.PayAs(s.f.T.Context(), p.CheckoutURL[strings.LastIndex(p.CheckoutURL, "/")+1:], card,
		buyer); err != nil {
		s.f.T.Fatal(err)
	}
	return p
}

func (s *shop) buy(account uuid.UUID, buyer sandbox.Buyer) billing.Purchase {
	s.f.T.Helper()
	p := s.order(account, buyer, sandbox.CardGood)
	if p, err := s.Refresh(s.f.T.Context(), account, p.ID); err != nil || p.Status != billing.StatusCompleted {
		s.f.T.Fatal(p.Status, err)
	}
	return p
}

func TestTheLetterIsTheReceipt(t *testing.T) {
	t.Parallel()
	f, shop := newShop(t)
	id := f.open(directory.Put{
		Email:    new(address),
		Name:     new("Maya's Studio"),
		TimeZone: new("Pacific/Auckland"),
	})
	p := shop.buy(id, sandbox.Buyer{
		Company: "Maya GmbH",
		TaxID:   "DE123456789",
		VAT:     true,
	})
	f.work()
	m := f.wantMessages("500 tokens added")[0]
	digits := strings.ToUpper(strings.ReplaceAll(p.ID.String(), "-", ""))
	m.says(t, "You now have 700.", "R-"+digits[:6]+"-"+digits[6:12], "23 November 2026", "Visa 4242",
		"500 tokens. They never expire.",
		"Credits Ltd, 1 Main Street, VAT GB1", "Maya GmbH, Tax id DE123456789",
		"This is the receipt for a purchase in your shop.")
	for _, line := range []string{"500 tokens: $39.00\n", "VAT 20%: $7.80\n", "Total paid: $46.80\n"} {
		if !strings.Contains(m.text, line) {
			t.Errorf("the text does not say %q:\n%s", line, m.text)
		}
		if flat := strings.ReplaceAll(strings.TrimSpace(line), ": $",
			"$"); !strings.Contains(strings.ReplaceAll(textOf(t, m.html), " $", "$"), flat) {
			t.Errorf("the HTML does not say %q:\n%s", flat, textOf(t, m.html))
		}
	}
	for _, link := range []string{
		base + "/credits/purchases/" + p.ID.String() + "/receipt",
		base + "/sandbox/receipts/pi_",
	} {
		if !strings.Contains(m.text, "\n"+link) || !strings.Contains(m.html, `href="`+link) {
			t.Errorf("no link to %s:\n%s", link, m.text)
		}
	}
	for name := range m.header {
		if strings.HasPrefix(name, "List-") {
			t.Errorf("%s on a receipt", name)
		}
	}
	f.after(48 * time.Hour)
	f.wantMessages("500 tokens added")
}

// Who wants no e-mails about the balance, and has just had one, gets each receipt all the same.
func TestReceiptsAreNoNotices(t *testing.T) {
	t.Parallel()
	f, shop := newShop(t)
	id := f.maya()
	f.spend(id, 165)
	f.after(time.Minute)
	link := f.wantMessages(lowAt35)[0].header.Get("List-Unsubscribe")
	token := strings.TrimSuffix(link[strings.LastIndex(link, "/")+1:], ">")
	if err := f.mailer.Unsubscribe(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	shop.buy(id, sandbox.Buyer{})
	shop.buy(id, sandbox.Buyer{})
	f.after(time.Minute)
	f.wantMessages(lowAt35, "500 tokens added", "500 tokens added")
}

func TestAFreeReceipt(t *testing.T) {
	t.Parallel()
	f, shop := newShop(t)
	id := f.maya()
	p := shop.order(id, sandbox.Buyer{}, sandbox.Coupon)
	if _, err := shop.Refresh(t.Context(), id, p.ID); err != nil {
		t.Fatal(err)
	}
	f.work()
	m := f.wantMessages("500 tokens added")[0]
	m.says(t, "Nothing to pay", "Discount", "−$39.00", "$0.00")
	if strings.Contains(m.text, "/sandbox/") || !strings.Contains(m.text, "To: Maya's Studio, "+address) {
		t.Errorf("a receipt of a provider's, or of nobody's:\n%s", m.text)
	}
}

// The receipt waits for the bill, and is sent without it after billTime.
func TestALetterWaitsForTheBill(t *testing.T) {
	t.Parallel()
	f, shop := newShop(t)
	late, never := f.maya(), f.maya()
	lost := func(id uuid.UUID) {
		p := shop.buy(id, sandbox.Buyer{VAT: true})
		if _, err := f.DB.Pool.Exec(t.Context(), `update purchase_bills set bill = null where purchase = $1`,
			p.ID); err != nil {
			t.Fatal(err)
		}
	}
	lost(late)
	shop.silent.Store(true)
	f.after(time.Minute)
	f.wantMessages()
	shop.silent.Store(false)
	f.after(15 * time.Second)
	f.wantMessages("500 tokens added")[0].says(t, "VAT 20%")
	lost(never)
	shop.silent.Store(true)
	f.after(5*time.Minute - time.Second)
	f.wantMessages("500 tokens added")
	f.after(15 * time.Second)
	m := f.wantMessages("500 tokens added", "500 tokens added")[1]
	m.says(t, "$39.00", "Tax and discounts", "$46.80", "See your receipt")
	if strings.Contains(m.text, "VAT 20%") {
		t.Errorf("where from?\n%s", m.text)
	}
	f.after(48 * time.Hour)
	f.wantMessages("500 tokens added", "500 tokens added")
}

// The tokens are there, and whoever was to note it has died: first it is waited for, then said without sums.
func TestALetterAboutAPurchaseThatIsNotNoted(t *testing.T) {
	t.Parallel()
	f, shop := newShop(t)
	noted, left := f.maya(), f.maya()
	p := shop.order(noted, sandbox.Buyer{}, sandbox.CardGood)
	f.grant(noted, ledger.LotPurchase, 500, p.ID.String())
	f.after(time.Second)
	f.wantMessages()
	if _, err := shop.Refresh(t.Context(), noted, p.ID); err != nil {
		t.Fatal(err)
	}
	f.after(time.Minute)
	f.wantMessages("500 tokens added")[0].says(t, "Total paid")
	p = shop.order(left, sandbox.Buyer{}, sandbox.CardGood)
	f.grant(left, ledger.LotPurchase, 500, p.ID.String())
	f.after(4 * time.Minute)
	f.wantMessages("500 tokens added")
	f.after(time.Minute)
	m := f.wantMessages("500 tokens added", "500 tokens added")[1]
	m.says(t, "See your purchase")
	if strings.Contains(m.text, "Total paid") {
		t.Errorf("%s", m.text)
	}
}

// hostileBuyers are texts that would be more than text in an e-mail that does not escape them.
var hostileBuyers = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`,
	`</td></table><h1>Pay here</h1>`, `<a href="//evil">x</a>`,
	`javascript:alert(1)`, `{{.URL}}{{printf "%s" 1}}`, `<!--`, `]]>`, `&lt;script&gt;`, `" style="color:red`,
	`<style>*{display:none}</style>`, `=?utf-8?q?x?=`,
}

// What a buyer says of themselves is text in the receipt, and nothing else.
func TestHostileBuyers(t *testing.T) {
	t.Parallel()
	f, shop := newShop(t)
	id := f.maya()
	shop.buy(id, sandbox.Buyer{Company: "Plain", TaxID: "1"})
	f.work()
	shape := elements(t, f.wantMessages("500 tokens added")[0].html)
	subjects := []string{"500 tokens added"}
	for _, evil := range hostileBuyers {
		f.Clock.Advance(time.Hour)
		shop.buy(id, sandbox.Buyer{Company: evil, TaxID: evil[:min(len(evil), 40)]})
		f.work()
		subjects = append(subjects, "500 tokens added")
		list := f.wantMessages(subjects...)
		m := list[len(list)-1]
		m.says(t, evil)
		if got := elements(t, m.html); got != shape {
			t.Errorf("%s: the message is made of\n%s\nand not of\n%s", evil, got, shape)
		}
	}
}

// elements are those of a page, with the names of their attributes.
func elements(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		if n.Type == html.TextNode {
			continue
		}
		b.WriteString("<" + n.Data)
		for _, a := range n.Attr {
			b.WriteString(" " + a.Key)
		}
		b.WriteString(">")
	}
	return b.String()
}
