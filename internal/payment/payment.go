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
	ErrNone    = errors.New("payment: the provider knows of no such thing")
	ErrRefused = errors.New("payment: the provider refuses this for good")
	ErrTooMuch = errors.New("payment: with tax it is more than may be taken")
)

// Both are ErrNone: the stored customer or payment method no longer exists at the provider and must
// be deleted here, too.
var (
	ErrNoCustomer = fmt.Errorf("%w: the customer", ErrNone)
	ErrNoMethod   = fmt.Errorf("%w: the payment method", ErrNone)
)

// Final says whether the provider's answer will not change if it is asked again.
func Final(err error) bool {
	return errors.Is(err, ErrNone) || errors.Is(err, ErrRefused) || errors.Is(err, ErrTooMuch)
}

// Order asks for a checkout.
type Order struct {
	Reference   string // our purchase's id, and the idempotency key: the same one answers the same checkout
	Price       money.Amount
	Description string // what is bought: "500 tokens"
	SuccessURL  string // where the browser goes after paying
	CancelURL   string // where it goes when the buyer turns back
	Customer    string // who the provider knows the buyer as; empty: a new one
	KeepMethod  bool   // what is paid with may be charged again without the buyer
}

// Charge asks for a payment with a method that is kept, without the buyer.
type Charge struct {
	Reference   string // our purchase's id, and the idempotency key: the same one answers the same payment
	Price       money.Amount
	Most        int64 // what may be taken, tax included, in minor units
	Description string
	Customer    string
	Method      string
}

// Reason says why a payment failed.
type Reason string

// The reasons for a failed payment; none where nobody says.
const (
	Declined   Reason = "declined"       // by the card's bank
	NeedsBuyer Reason = "authentication" // the bank wants the buyer to confirm it
)

// State is the state of a checkout.
type State string

// The states of a checkout.
const (
	Open    State = "open"    // it can be paid
	Waiting State = "waiting" // the buyer is done, the money is on its way
	Paid    State = "paid"    // the money is there, or none was needed
	Failed  State = "failed"  // the money did not come
	Expired State = "expired" // nobody paid in time
)

// Checkout is what the provider says about one, and about its payment. A charge without the buyer
// is one, too: the payment is its own checkout.
type Checkout struct {
	ID        string
	URL       string // its page; empty once it is closed
	Reference string // the order that it was opened for
	State     State
	Reason    Reason       // why it failed, if it did
	Live      bool         // real money
	OneOff    bool         // a payment, not a subscription or the like
	Price     money.Amount // before tax and discounts
	Total     int64        // after them, in minor units
	Payment   string       // the provider's id of the payment; empty while there is none, and where none was needed
	Customer  string       // who the buyer is there; empty: nobody that is kept
	Method    string       // what can be charged again; empty: nothing
	Card      string       // "Visa 4242"; empty where it is not known
	Refunded  int64        // given back so far, in minor units
	Disputes  []Dispute
	Bill      *Bill // nil until it is paid, and where the provider does not tell: events do not
}

// Bill is what the provider charged for a paid checkout, in minor units of the price's currency.
type Bill struct {
	Subtotal int64     `json:"subtotal"` // before discounts, and before tax that comes on top
	Discount int64     `json:"discount"`
	Tax      int64     `json:"tax"` // all of it, on top or in the price
	Taxes    []TaxLine `json:"taxes"`
	Total    int64     `json:"total"` // what was paid
	Buyer    Buyer     `json:"buyer"`
	// ReceiptURL is the provider's own receipt; empty where there is none, as when nothing was paid.
	ReceiptURL string `json:"receipt_url"`
}

// TaxLine is one tax of a bill.
type TaxLine struct {
	Name     string `json:"name"` // "VAT"
	Rate     string `json:"rate"` // in percent, as a decimal: "20", "8.875"
	Amount   int64  `json:"amount"`
	Included bool   `json:"included"` // in the price, not on top
	Reverse  bool   `json:"reverse"`  // the buyer owes it (reverse charge)
}

// Buyer is who has bought, as the provider was told. All may be empty. The e-mail address is left out.
type Buyer struct {
	Name    string   `json:"name"` // a person's or a company's
	Address []string `json:"address"`
	TaxIDs  []string `json:"tax_ids"` // "DE123456789"
}

// DisputeState says how a dispute stands.
type DisputeState string

// The states of a dispute. What ends without the money being taken is won.
const (
	DisputeOpen DisputeState = "open"
	DisputeWon  DisputeState = "won"
	DisputeLost DisputeState = "lost"
)

// Dispute is a buyer's bank that wants the money back.
type Dispute struct {
	ID     string
	State  DisputeState
	Amount money.Amount
	At     time.Time // when this was so
}

// Refund asks to give money back.
type Refund struct {
	Key     string // idempotency key
	Payment string
	Amount  money.Amount
}

// Event is something that the provider tells of its own accord. Its object is in Stripe's form.
type Event struct {
	ID      string
	Type    string
	Created time.Time
	Live    bool
	Object  json.RawMessage
}

// News is what an event says: about a checkout, or about the money of a payment that goes back. All
// empty: nothing that concerns us.
type News struct {
	Checkout *Checkout
	Ask      string        // a checkout that something happened to; the provider has to be asked what
	Payment  string        // the payment that the rest is about
	Refunded *money.Amount // given back so far, in all
	Dispute  *Dispute
	Mishap   string // what a person has to look at
}
