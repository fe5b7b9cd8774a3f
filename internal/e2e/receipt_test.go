package e2e_test

import "testing"

// A company buys a pack with tax: it opens the receipt, prints it, opens the provider's, and finds
// it in the list.
func TestBuyingAsACompany(t *testing.T) {
	t.Parallel()
	s := start(t)
	p := s.creator("lena", "Lena's Lamps")
	p.Goto("/credits/buy")
	p.Click(`[data-pack="pack_500"] ` + testid("buy-pack"))
	p.WaitURL("/sandbox/checkout/*")
	p.Click(testid("sandbox-vat"))
	p.Click(testid("sandbox-company"))
	p.Type("#f-company", "Lena's Lamps GmbH")
	p.Type("#f-tax_id", "DE123456789")
	inspect(t, p)
	p.Click(testid("sandbox-pay"))
	p.WaitURL("/credits/purchases/*")
	p.WaitText(testid("purchase"), "500 tokens added.")
	p.ClickText("main a", "Receipt")
	for _, want := range []string{
		"Lena's Lamps GmbH", "Tax id DE123456789", "VAT 20%", "$7.80", "$46.80",
		"Visa 4242",
	} {
		p.WaitText(testid("receipt"), want)
	}
	inspect(t, p)
	p.Print(true, "light")
	p.WaitShown(testid("receipt"))
	for _, gone := range []string{
		"header", "footer", testid("badge-amount"), testid("print"),
		testid("provider-receipt"),
	} {
		if p.Shown(gone) {
			t.Errorf("%s is printed", gone)
		}
	}
	p.Print(false, "light")
	p.Click(testid("provider-receipt"))
	p.WaitURL("/sandbox/receipts/*")
	p.WaitText(testid("sandbox-receipt"), "$46.80")
	inspect(t, p)
	p.Goto("/credits/history?tab=purchases")
	p.WaitText(testid("purchase-row"), "500 tokens")
	p.WaitText(testid("purchase-standing"), "Paid")
	inspect(t, p)
	p.Click(testid("receipt-link"))
	p.WaitText(testid("receipt"), "Total paid")
}
