package demo

import "pop.store/credits/internal/money"

// Product is a product of the demo's shop. It has nothing to do with tokens.
type Product struct {
	ID, Name, Text string
	Price          money.Amount
}

var Products = []Product{
	{
		"glaze-guide", "The Glaze Guide", "Forty glazes that work in a home kiln, as a PDF.",
		money.Amount{Minor: 1200, Currency: "USD"},
	},
	{
		"first-bowl", "Your First Bowl", "Six short lessons, from a lump of clay to the table.",
		money.Amount{Minor: 4900, Currency: "USD"},
	},
	{
		"studio-mug", "Studio Mug", "Thrown and glazed by hand. No two are alike.",
		money.Amount{Minor: 2400, Currency: "USD"},
	},
}
