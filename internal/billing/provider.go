package billing

import (
	"context"
	"time"

	"pop.store/credits/internal/payment"
)

// Provider takes payments. There are two: Stripe (internal/stripepay) and the demo's sandbox. Errors are
// payment.ErrNone, payment.ErrRefused, or any other when the outcome is unknown and a retry is safe.
type Provider interface {
	// Name is stored on purchases, so that only the same provider in the same mode is asked about them.
	Name() string
	// Live reports whether real money moves.
	Live() bool
	// Origin is the origin of its payment pages; empty for our own.
	Origin() string
	// Open opens a checkout; idempotent per reference.
	Open(ctx context.Context, o payment.Order) (payment.Checkout, error)
	// Charge charges a stored method while the buyer is absent; idempotent per reference. A declined card
	// is no error: the answer's state is failed. payment.ErrTooMuch if tax takes it over the maximum;
	// nothing is charged then.
	Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error)
	// Forget deletes a stored method. payment.ErrNone if it is unknown.
	Forget(ctx context.Context, method string) error
	// Checkout returns the state of a checkout and its payment.
	Checkout(ctx context.Context, id string) (payment.Checkout, error)
	// Close closes an unpaid checkout and returns its state; idempotent. payment.ErrRefused if it ended
	// otherwise and the provider does not say how.
	Close(ctx context.Context, id string) (payment.Checkout, error)
	// CheckoutOf finds the checkout of a payment.
	CheckoutOf(ctx context.Context, paid string) (payment.Checkout, error)
	// Refund returns money of a payment; idempotent per key.
	Refund(ctx context.Context, r payment.Refund) error
	// CanVerify reports whether there is a secret to verify webhooks with. Without one nothing is sold.
	CanVerify() bool
	// Event verifies a webhook's signature and decodes it. Errors: payment.ErrBadSignature,
	// payment.ErrUnreadable.
	Event(payload []byte, header string) (payment.Event, error)
	// Events lists a page of the events between two instants, newest first, after the event with the given
	// id.
	Events(ctx context.Context, from, to time.Time, after string) (list []payment.Event, more bool, err error)
}
