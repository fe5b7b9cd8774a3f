package views

import (
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// ReceiptModel is the printable receipt of a purchase: ReceiptPage, and in the e-mail Lines.
type ReceiptModel struct {
	Layout Layout
	// ID is the purchase's, and Number what the receipt is called.
	ID     string
	Number string
	PaidAt time.Time
	// Seller and Buyer are lines: the name first, then the address and tax ids. The buyer's may be empty.
	Seller []string
	Buyer  []string
	// PackName and Tokens are what was bought; Owed of the tokens went to tokens owed from before.
	// ExpiresAt is zero when they never expire.
	PackName  string
	Tokens    tokens.Amount
	Owed      tokens.Amount
	ExpiresAt time.Time
	// Price is before discounts and added tax, and Total what was paid. What lies between them and
	// is not named says so.
	Price    money.Amount
	Discount money.Amount
	Taxes    []TaxModel
	Total    money.Amount
	// Card is what it was paid with, "Visa 4242"; empty when that is not known or nothing was paid.
	Card string
	// Refunded is what went back, and RefundedAt when; zero when that is not known.
	Refunded   money.Amount
	RefundedAt time.Time
	// ProviderURL leads to the payment provider's own receipt, and Provider is its name; empty without one.
	Provider    string
	ProviderURL string
	// Incomplete says that the provider has not told yet who bought it and which taxes are in it.
	Incomplete bool
}

// TaxModel is one tax on a receipt.
type TaxModel struct {
	Name string
	// Rate is in percent: "20".
	Rate   string
	Amount money.Amount
	// Included is a tax that is in the price, and Reverse one that the buyer owes.
	Included bool
	Reverse  bool
}

// PurchaseRowStatus says in the list of purchases where one stands.
type PurchaseRowStatus string

// Where a purchase stands.
const (
	RowStatusUnpaid   PurchaseRowStatus = "unpaid"   // ordered, not paid yet
	RowStatusComing   PurchaseRowStatus = "coming"   // the money is on its way
	RowStatusPaid     PurchaseRowStatus = "paid"     // also when a part of the money went back
	RowStatusFailed   PurchaseRowStatus = "failed"   // the money did not come
	RowStatusDeclined PurchaseRowStatus = "declined" // the card was declined
	RowStatusConfirm  PurchaseRowStatus = "confirm"  // the bank wants the creator to confirm it
	RowStatusClosed   PurchaseRowStatus = "closed"   // nobody paid in time
	RowStatusRefunded PurchaseRowStatus = "refunded"
	RowStatusDisputed PurchaseRowStatus = "disputed"
)

// PurchaseRow is one line of the list of purchases.
type PurchaseRow struct {
	ID       string
	At       time.Time
	PackName string
	Tokens   tokens.Amount
	// Amount is what was paid, or what is to be paid; Refunded is what went back of it.
	Amount   money.Amount
	Refunded money.Amount
	Status   PurchaseRowStatus
	// Receipt says that there is one.
	Receipt bool
	// PayURL is where it can be paid while it is not; empty where it cannot.
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
