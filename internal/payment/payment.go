// Package payment has the types that billing and payment providers share: orders, checkouts,
// refunds, disputes, events. It knows no provider.
//
// Money is in minor units, times are UTC.
package payment

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"pop.store/credits/internal/money"
)

// Final answers of a provider. After any other error the outcome is unknown and the request can be
// sent again, since every request that moves money has an idempotency key.
var (
	ErrNone    = errors.New("payment: the provider does not know this object")
	ErrRefused = errors.New("payment: the provider refuses this for good")
	ErrTooMuch = errors.New("payment: tax takes it over the maximum")
)

// Both are ErrNone: the stored customer or payment method no longer exists at the provider and must
// be deleted here, too.
var (
	ErrNoCustomer = fmt.Errorf("%w: the customer", ErrNone)
	ErrNoMethod   = fmt.Errorf("%w: the payment method", ErrNone)
)

// Final reports whether a retry would get the same error.
func Final(err error) bool {
	return errors.Is(err, ErrNone) || errors.Is(err, ErrRefused) || errors.Is(err, ErrTooMuch)
}

// Order opens a checkout.
type Order struct {
	Reference   string // our purchase's id, and the idempotency key
	Price       money.Amount
	Description string // what is bought: "500 tokens"
	SuccessURL  string // where the browser goes after paying
	CancelURL   string // where it goes when the buyer turns back
	Customer    string // the provider's id of the buyer; empty: a new one
	KeepMethod  bool   // the method may be charged again while the buyer is absent
}

// Charge charges a stored method while the buyer is absent.
type Charge struct {
	Reference   string // our purchase's id, and the idempotency key
	Price       money.Amount
	Most        int64 // maximum charge in minor units, tax included
	Description string
	Customer    string
	Method      string
}

// Reason is why a payment failed.
type Reason string

// Empty if the provider gives no reason.
const (
	Declined   Reason = "declined"       // by the card's bank
	NeedsBuyer Reason = "authentication" // the bank requires authentication by the buyer
)

// State is the state of a checkout.
type State string

const (
	Open    State = "open"    // it can be paid
	Waiting State = "waiting" // the buyer has paid, the money is on its way
	Paid    State = "paid"    // the money has arrived, or none was needed
	Failed  State = "failed"  // the payment failed
	Expired State = "expired" // it was not paid in time
)

// Checkout is a checkout and its payment as the provider reports it. An auto purchase is its own checkout.
type Checkout struct {
	ID        string
	URL       string // the payment page; empty once it is closed
	Reference string // the order's reference
	State     State
	Reason    Reason       // why it failed
	Live      bool         // real money
	OneOff    bool         // a payment, not a subscription
	Price     money.Amount // before tax and discounts
	Total     int64        // after tax and discounts, in minor units
	Payment   string       // the provider's id of the payment; empty before it, and if none was needed
	Customer  string       // the provider's id of the buyer; may be empty
	Method    string       // the stored method; empty: none
	Card      string       // "Visa 4242"; may be empty
	Refunded  int64        // so far, in minor units
	Disputes  []Dispute
	Bill      *Bill // nil until it is paid, and in events
}

// Bill is the provider's bill of a paid checkout, in minor units of the price's currency.
type Bill struct {
	Subtotal int64     `json:"subtotal"` // before discounts and added tax
	Discount int64     `json:"discount"`
	Tax      int64     `json:"tax"` // all tax, added or included
	Taxes    []TaxLine `json:"taxes"`
	Total    int64     `json:"total"` // what was paid
	Buyer    Buyer     `json:"buyer"`
	// ReceiptURL is the provider's own receipt; empty if nothing was paid.
	ReceiptURL string `json:"receipt_url"`
}

// TaxLine is one tax of a bill.
type TaxLine struct {
	Name     string `json:"name"` // "VAT"
	Rate     string `json:"rate"` // in percent, as a decimal: "20", "8.875"
	Amount   int64  `json:"amount"`
	Included bool   `json:"included"` // in the price, not added
	Reverse  bool   `json:"reverse"`  // reverse charge: the buyer owes it
}

// Buyer is what the buyer entered. All fields may be empty. The e-mail address is left out.
type Buyer struct {
	Name    string   `json:"name"` // a person's or a company's
	Address []string `json:"address"`
	TaxIDs  []string `json:"tax_ids"` // "DE123456789"
}

// DisputeState is the state of a dispute.
type DisputeState string

// A dispute that ends without taking the money is won.
const (
	DisputeOpen DisputeState = "open"
	DisputeWon  DisputeState = "won"
	DisputeLost DisputeState = "lost"
)

// Dispute is a claim of the buyer's bank for the money.
type Dispute struct {
	ID     string
	State  DisputeState
	Amount money.Amount
	At     time.Time // when the dispute had this state
}

// Refund refunds a part of a payment.
type Refund struct {
	Key     string // idempotency key
	Payment string
	Amount  money.Amount
}

// Errors of a webhook that is not accepted.
var (
	ErrBadSignature = errors.New("payment: the provider did not sign this, or not recently")
	ErrUnreadable   = errors.New("payment: the body is not an event")
)

// Event is a webhook, or an entry of the provider's list of events.
type Event struct {
	ID         string // empty if it cannot be stored as text
	Type       string
	Created    time.Time
	Live       bool            // real money
	Object     json.RawMessage // the provider's object, unparsed; only compared
	Update     Update
	Unreadable error // why there is no Update; a retry does not help
}

// Update is what an event says about a checkout or a payment's refunds and disputes. Empty: it does not
// concern us.
type Update struct {
	Checkout   *Checkout
	CheckoutID string        // a changed checkout, whose state has to be fetched
	Payment    string        // the payment of the fields below
	Refunded   *money.Amount // total so far
	Dispute    *Dispute
	Alert      string // something that a person has to check
}
