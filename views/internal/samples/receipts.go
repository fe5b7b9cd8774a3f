package samples

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/views"
)

// ReceiptModel is the receipt of a pack that a company has bought.
func ReceiptModel() views.ReceiptModel {
	return views.ReceiptModel{
		Layout: low(chrome(views.NavCredits)),
		ID:     "5f0c7cf8-0f0c-4c8c-9d5f-6b2c1f0a8e11",
		Number: "R-5F0C7C-F80F0C",
		PaidAt: Now.Add(-26 * time.Hour),
		Seller: []string{"Credits Ltd", "1 Main Street", "London E1 6AN", "VAT GB123456789"},
		Buyer: []string{
			"Maya Ceramics GmbH & Co. KG", "Paul-Lincke-Ufer 39", "10999 Berlin", "DE",
			"Tax id DE123456789",
		},
		PackName: "Medium pack",
		Tokens:   amount("500"),
		Price:    usd(3900),
		Discount: usd(390),
		Total:    usd(4212),
		Card:     "Visa 4242",
		Taxes: []views.TaxModel{{
			Name:   "VAT",
			Rate:   "20",
			Amount: usd(702),
		}},
		Provider:    "Stripe",
		ProviderURL: "https://pay.stripe.com/receipts/x",
	}
}

func receipts() []Page {
	m := ReceiptModel()
	plain, back, free, hurried, taxes := m, m, m, m, m
	plain.Buyer, plain.Discount, plain.Taxes, plain.Total = nil, money.Amount{}, nil, m.Price
	back.Refunded, back.RefundedAt, back.Owed, back.ExpiresAt = usd(1000), Now, amount("120"), Now.AddDate(1, 0, 0)
	free.Discount, free.Taxes, free.Total, free.Card, free.ProviderURL = m.Price, nil, usd(0), "", ""
	hurried.Buyer, hurried.Discount, hurried.Taxes, hurried.ProviderURL, hurried.Incomplete = nil, money.Amount{},
		nil, "", true
	taxes.Discount, taxes.Total = money.Amount{}, usd(3900)
	taxes.Taxes = []views.TaxModel{{
		Name:     "VAT",
		Rate:     "19",
		Included: true,
		Amount:   usd(623),
	}, {
		Name:    "VAT",
		Rate:    "0",
		Reverse: true,
		Amount:  usd(0),
	}}
	return []Page{
		page("receipt", views.ReceiptPage(m)), page("receipt-plain", views.ReceiptPage(plain)),
		page("receipt-refunded", views.ReceiptPage(back)),
		page("receipt-free", views.ReceiptPage(free)), page("receipt-incomplete", views.ReceiptPage(hurried)),
		page("receipt-taxes", views.ReceiptPage(taxes)),
		page("purchases", views.PurchasesPage(PurchasesModel())),
		page("purchases-none", views.PurchasesPage(views.PurchasesModel{Layout: chrome(views.NavCredits)})),
		page("purchases-older", views.PurchasesPage(views.PurchasesModel{
			Layout:    chrome(views.NavCredits),
			Continued: true,
		})),
	}
}

// PurchasesModel has a purchase of each kind.
func PurchasesModel() views.PurchasesModel {
	m := views.PurchasesModel{Layout: chrome(views.NavCredits), NextURL: "/credits/history?tab=purchases&cursor=abc"}
	for i, standing := range []views.PurchaseRowStatus{
		views.RowStatusUnpaid, views.RowStatusComing, views.RowStatusPaid, views.RowStatusPaid, views.RowStatusDeclined,
		views.RowStatusDisputed,
		views.RowStatusRefunded, views.RowStatusFailed, views.RowStatusClosed,
	} {
		row := views.PurchaseRow{
			ID:       "5f0c7cf8-0f0c-4c8c-9d5f-6b2c1f0a8e11",
			At:       Now.Add(-time.Duration(i*i*7) * time.Hour),
			PackName: "Medium pack",
			Tokens:   amount("500"),
			Amount:   usd(3900),
			Status:   standing,
			Auto:     i == 2 || i == 4,
			Receipt: standing == views.RowStatusPaid || standing == views.RowStatusDisputed ||
				standing == views.RowStatusRefunded,
		}
		if standing == views.RowStatusUnpaid {
			row.PayURL = "/sandbox/checkout/1"
		}
		if i == 3 {
			row.Refunded = usd(1000)
		}
		m.Rows = append(m.Rows, row)
	}
	return m
}
