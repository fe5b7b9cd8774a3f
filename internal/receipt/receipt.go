// Package receipt turns a purchase and its bill into the receipt that pages and e-mails show.
package receipt

import (
	"slices"

	"pop.store/credits/internal/billing"
	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/views"
)

// Holder is the account's owner according to its profile. Both fields may be empty.
type Holder struct {
	Name  string
	Email string
}

// Model is the content of a receipt. seller is the seller's lines, the name first. If the payment provider
// names no buyer, the holder of the account is shown.
func Model(r *billing.Receipt, prices *catalog.Catalog, seller []string, holder Holder) views.ReceiptModel {
	m := views.ReceiptModel{
		ID:         r.ID.String(),
		Number:     r.Number,
		PaidAt:     r.CompletedAt,
		Seller:     seller,
		PackName:   PackName(prices, r.Pack),
		Tokens:     r.Tokens,
		Owed:       r.Netted,
		ExpiresAt:  r.ExpiresAt,
		Price:      r.Price,
		Total:      r.Paid,
		Card:       r.Card,
		Refunded:   r.Refunded,
		RefundedAt: r.RefundedAt,
		Incomplete: r.Bill == nil,
	}
	if r.Bill == nil {
		m.Buyer = buyerLines(payment.Buyer{}, holder)
		return m
	}
	in := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: r.Price.Currency} }
	m.Discount, m.Buyer = in(r.Bill.Discount), buyerLines(r.Bill.Buyer, holder)
	m.Provider, m.ProviderURL = providers[r.Provider], r.Bill.ReceiptURL
	if m.Provider == "" {
		m.Provider = "the provider"
	}
	for _, t := range r.Bill.Taxes {
		m.Taxes = append(m.Taxes, views.TaxModel{
			Name:     t.Name,
			Rate:     t.Rate,
			Amount:   in(t.Amount),
			Included: t.Included,
			Reverse:  t.Reverse,
		})
	}
	return m
}

// providers are what creators know payment providers as.
var providers = map[string]string{
	"stripe":      "Stripe",
	"stripe_test": "Stripe",
	"sandbox":     "the sandbox",
}

func buyerLines(b payment.Buyer, holder Holder) []string {
	names := []string{b.Name}
	if b.Name == "" {
		names = []string{holder.Name, holder.Email}
	}
	lines := slices.DeleteFunc(names, func(name string) bool { return name == "" })
	lines = append(lines, b.Address...)
	for _, id := range b.TaxIDs {
		lines = append(lines, "Tax id "+id)
	}
	return lines
}

// PackName is a pack's name in the catalog, or a generic one if it left the catalog.
func PackName(prices *catalog.Catalog, id string) string {
	if pack, ok := prices.Pack(id); ok {
		return pack.Name
	}
	return "Pack"
}
