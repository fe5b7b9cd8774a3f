package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// ReceiptModel is the printable receipt of a purchase, on ReceiptPage and as Lines in the e-mail.
type ReceiptModel struct {
	Layout Layout
	// ID is the purchase's; Number is derived from it.
	ID     string
	Number string
	PaidAt time.Time
	// Seller and Buyer are lines: the name first, then the address and tax ids. The buyer's may be empty.
	Seller []string
	Buyer  []string
	// PackName and Tokens are what was bought; Owed of the tokens paid a debt. ExpiresAt is zero if
	// they never expire.
	PackName  string
	Tokens    tokens.Amount
	Owed      tokens.Amount
	ExpiresAt time.Time
	// Price is before discounts and added tax, and Total the amount paid. A difference without a known
	// reason is named "Tax and discounts".
	Price    money.Amount
	Discount money.Amount
	Taxes    []TaxModel
	Total    money.Amount
	// Card is the means of payment, "Visa 4242"; empty if unknown or nothing was paid.
	Card string
	// Refunded is the refunded amount, and RefundedAt when; zero if unknown.
	Refunded   money.Amount
	RefundedAt time.Time
	// ProviderURL links to the payment provider's own receipt, and Provider is its name; empty without
	// one.
	Provider    string
	ProviderURL string
	// Incomplete is set while the provider has not reported the buyer and the taxes.
	Incomplete bool
}

// TaxModel is one tax on a receipt.
type TaxModel struct {
	Name string
	// Rate is in percent: "20".
	Rate   string
	Amount money.Amount
	// Included is a tax that is part of the price, and Reverse one that the buyer owes.
	Included bool
	Reverse  bool
}

// PurchaseRowStatus is the state of a purchase in the list.
type PurchaseRowStatus string

// The states of a purchase.
const (
	RowStatusUnpaid   PurchaseRowStatus = "unpaid"   // ordered, not paid yet
	RowStatusComing   PurchaseRowStatus = "coming"   // the payment is processing
	RowStatusPaid     PurchaseRowStatus = "paid"     // also after a partial refund
	RowStatusFailed   PurchaseRowStatus = "failed"   // the payment failed
	RowStatusDeclined PurchaseRowStatus = "declined" // the card was declined
	RowStatusConfirm  PurchaseRowStatus = "confirm"  // the bank requires the creator to confirm it
	RowStatusClosed   PurchaseRowStatus = "closed"   // not paid in time
	RowStatusRefunded PurchaseRowStatus = "refunded"
	RowStatusDisputed PurchaseRowStatus = "disputed"
)

// PurchaseRow is one line of the list of purchases.
type PurchaseRow struct {
	ID       string
	At       time.Time
	PackName string
	Tokens   tokens.Amount
	// Amount is the amount paid or to be paid; Refunded is the refunded part.
	Amount   money.Amount
	Refunded money.Amount
	Status   PurchaseRowStatus
	// Receipt is set if there is one.
	Receipt bool
	// PayURL is where it can be paid; empty if it cannot.
	PayURL string
	// Auto marks an auto top-up.
	Auto bool
}

// PurchasesModel is the tab Purchases of the history: PurchasesPage.
type PurchasesModel struct {
	Layout Layout
	Rows   []PurchaseRow
	// NextURL leads to older ones; empty on the last page. Continued is set on pages after the first.
	NextURL   string
	Continued bool
}
