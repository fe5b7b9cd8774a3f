package billing

import (
	"context"
	"time"

	"pop.store/credits/internal/payment"
)

// Provider takes the money. There are two: Stripe (internal/stripepay) and the demo's sandbox.
// Their errors are payment.ErrNone, payment.ErrRefused, or anything else where the answer is not
// known and asking again is safe.
type Provider interface {
	// Name is what is written on purchases, so that no other provider, and not the same one in
	// another mode, is asked about them.
	Name() string
	// Live says whether real money moves.
	Live() bool
	// Origin is where its payment pages are; empty: at our own address.
	Origin() string
	// Open opens a checkout; the same reference answers the same one.
	Open(ctx context.Context, o payment.Order) (payment.Checkout, error)
	// Charge takes a payment with a method that is kept, without the buyer; the same reference
	// takes the same one. A card that does not pay is no error: the answer has failed.
	// payment.ErrTooMuch when tax makes it more than may be taken: nothing was.
	Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error)
	// Forget has the provider keep a method no longer. payment.ErrNone when it does not.
	Forget(ctx context.Context, method string) error
	// Checkout tells how a checkout and its payment stand.
	Checkout(ctx context.Context, id string) (payment.Checkout, error)
	// Close ends an unpaid checkout, so that it can no longer be paid, and returns its state. Closing
	// it again changes nothing. payment.ErrRefused when it ended otherwise and the provider does not
	// say how.
	Close(ctx context.Context, id string) (payment.Checkout, error)
	// CheckoutOf finds the checkout that a payment was made in.
	CheckoutOf(ctx context.Context, paid string) (payment.Checkout, error)
	// Refund gives money of a payment back; the same key gives it back once.
	Refund(ctx context.Context, r payment.Refund) error
	// CanVerify says whether there is a secret to verify webhooks with. Without one nothing is sold.
	CanVerify() bool
	// Event reads a webhook, once its signature is verified. Errors: payment.ErrBadSignature,
	// payment.ErrUnreadable.
	Event(payload []byte, header string) (payment.Event, error)
	// Events lists a page of what it told between two instants: newest first, after the event of
	// the given id.
	Events(ctx context.Context, from, to time.Time, after string) (list []payment.Event, more bool, err error)
}
