package stripepay

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/payment"
)

// billOf builds the bill of a session, which must be fetched with its breakdown and its charge.
func billOf(s *stripe.CheckoutSession) *payment.Bill {
	in := func(n int64) int64 { return minorOf(n, s.Currency) }
	b := &payment.Bill{
		Subtotal: in(s.AmountSubtotal),
		Total:    in(s.AmountTotal),
		Buyer:    buyerOf(s.CustomerDetails),
	}
	if d := s.TotalDetails; d != nil {
		b.Discount, b.Tax = in(d.AmountDiscount), in(d.AmountTax)
		if d.Breakdown != nil {
			b.Taxes = taxesOf(d.Breakdown.Taxes, s.Currency)
		}
	}
	if charge := chargeOf(s); charge != nil {
		b.ReceiptURL = charge.ReceiptURL
	}
	return b
}

// taxesOf leaves out zero taxes, except reverse charge, which a bill has to name.
func taxesOf(list []*stripe.CheckoutSessionTotalDetailsBreakdownTax, currency stripe.Currency) []payment.TaxLine {
	var lines []payment.TaxLine
	for _, t := range list {
		line := payment.TaxLine{
			Name:   "Tax",
			Amount: minorOf(t.Amount, currency),
			Reverse: t.TaxabilityReason ==
				stripe.CheckoutSessionTotalDetailsBreakdownTaxTaxabilityReasonReverseCharge,
		}
		if t.Rate != nil {
			line.Name, line.Included, line.Rate = cmp.Or(t.Rate.DisplayName, line.Name), t.Rate.Inclusive, rateOf(t)
		}
		if line.Amount != 0 || line.Reverse {
			lines = append(lines, line)
		}
	}
	return lines
}

// rateOf is the effective rate in percent. Stripe Tax may use another than the statutory one.
func rateOf(t *stripe.CheckoutSessionTotalDetailsBreakdownTax) string {
	percent := t.Rate.EffectivePercentage
	if percent == 0 && t.Amount != 0 {
		percent = t.Rate.Percentage
	}
	return strconv.FormatFloat(percent, 'f', -1, 64)
}

// chargeBill builds the bill of an auto purchase; tax is nil without a calculation. The charge and the
// customer must be expanded.
func chargeBill(i *stripe.PaymentIntent, subtotal int64, tax *stripe.TaxCalculation) *payment.Bill {
	b := &payment.Bill{Subtotal: subtotal, Total: minorOf(i.Amount, i.Currency)}
	if charge := i.LatestCharge; charge != nil {
		b.ReceiptURL = charge.ReceiptURL
		if d := charge.BillingDetails; d != nil {
			b.Buyer = payment.Buyer{Name: d.Name, Address: addressLines(d.Address)}
		}
	}
	if i.Customer != nil { // a company, while the card names its holder
		b.Buyer.Name = cmp.Or(i.Customer.Name, b.Buyer.Name)
	}
	if tax == nil {
		return b
	}
	b.Tax = minorOf(tax.TaxAmountExclusive+tax.TaxAmountInclusive, i.Currency)
	if tax.CustomerDetails != nil {
		for _, id := range tax.CustomerDetails.TaxIDs {
			b.Buyer.TaxIDs = append(b.Buyer.TaxIDs, id.Value)
		}
	}
	for _, t := range tax.TaxBreakdown {
		line := payment.TaxLine{
			Name:     "Tax",
			Amount:   minorOf(t.Amount, i.Currency),
			Included: t.Inclusive,
			Reverse:  t.TaxabilityReason == stripe.TaxCalculationTaxBreakdownTaxabilityReasonReverseCharge,
		}
		if d := t.TaxRateDetails; d != nil {
			line.Name, line.Rate = cmp.Or(taxNames[d.TaxType], line.Name), shortest(d.PercentageDecimal)
		}
		if line.Amount != 0 || line.Reverse {
			b.Taxes = append(b.Taxes, line)
		}
	}
	return b
}

// shortest is a decimal number without trailing zeros.
func shortest(decimal string) string {
	if !strings.Contains(decimal, ".") {
		return decimal
	}
	return strings.TrimSuffix(strings.TrimRight(decimal, "0"), ".")
}

var taxNames = map[stripe.TaxCalculationTaxBreakdownTaxRateDetailsTaxType]string{
	"gst":       "GST",
	"hst":       "HST",
	"igst":      "IGST",
	"jct":       "JCT",
	"pst":       "PST",
	"qst":       "QST",
	"rst":       "RST",
	"sales_tax": "Sales tax",
	"vat":       "VAT",
}

func buyerOf(d *stripe.CheckoutSessionCustomerDetails) payment.Buyer {
	if d == nil {
		return payment.Buyer{}
	}
	b := payment.Buyer{Name: cmp.Or(d.BusinessName, d.Name, d.IndividualName), Address: addressLines(d.Address)}
	for _, id := range d.TaxIDs {
		b.TaxIDs = append(b.TaxIDs, id.Value)
	}
	return b
}

// addressLines formats an address as on a letter; the country is its code.
func addressLines(a *stripe.Address) []string {
	if a == nil {
		return nil
	}
	place := []string{joinNonEmpty(" ", a.PostalCode, a.City), a.State}
	switch a.Country {
	case "US", "CA", "AU":
		place = []string{joinNonEmpty(", ", a.City, joinNonEmpty(" ", a.State, a.PostalCode))}
	}
	var lines []string
	for _, line := range append(append([]string{a.Line1, a.Line2}, place...), a.Country) {
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// words joins the non-empty texts.
func joinNonEmpty(between string, list ...string) string {
	var out []string
	for _, w := range list {
		if w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, between)
}
