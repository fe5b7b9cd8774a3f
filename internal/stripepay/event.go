package stripepay

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
)

// kinds are the events that a webhook endpoint at Stripe has to send.
var kinds = []stripe.EventType{
	stripe.EventTypeCheckoutSessionCompleted, stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded,
	stripe.EventTypeCheckoutSessionAsyncPaymentFailed, stripe.EventTypeCheckoutSessionExpired,
	stripe.EventTypePaymentIntentSucceeded, stripe.EventTypePaymentIntentPaymentFailed,
	stripe.EventTypeChargeRefunded, stripe.EventTypeRefundFailed,
	stripe.EventTypeChargeDisputeCreated, stripe.EventTypeChargeDisputeUpdated, stripe.EventTypeChargeDisputeClosed,
	stripe.EventTypeChargeDisputeFundsWithdrawn, stripe.EventTypeChargeDisputeFundsReinstated,
}

// page is the number of events per request.
const page = 100

// Events lists a page of the events between two instants, delivered or not, newest first, after the event
// with the given id. Stripe keeps events for thirty days.
func (p *Provider) Events(ctx context.Context, from, to time.Time, after string) (list []payment.Event, more bool,
	err error,
) {
	params := &stripe.EventListParams{CreatedRange: &stripe.RangeQueryParams{
		GreaterThanOrEqual: from.Unix(),
		LesserThanOrEqual:  to.Unix(),
	}}
	params.Limit, params.Single = stripe.Int64(page), true
	if after != "" {
		params.StartingAfter = stripe.String(after)
	}
	for _, kind := range kinds {
		params.Types = append(params.Types, stripe.String(string(kind)))
	}
	answer := p.client.V1Events.List(ctx, params)
	if err := answer.Err(); err != nil {
		return nil, false, failure(err)
	}
	for _, e := range answer.Data() {
		list = append(list, eventOf(e))
	}
	return list, answer.Meta().HasMore, nil
}

// CanVerify reports whether there is a secret to verify events with.
func (p *Provider) CanVerify() bool {
	return slices.ContainsFunc(p.o.WebhookSecrets, func(secret string) bool { return secret != "" })
}

// Event verifies and reads a webhook. Errors: payment.ErrBadSignature, payment.ErrUnreadable.
func (p *Provider) Event(payload []byte, header string) (payment.Event, error) {
	return Verify(payload, header, p.o.WebhookSecrets)
}

func eventOf(e *stripe.Event) payment.Event {
	event := payment.Event{
		ID:      e.ID,
		Type:    string(e.Type),
		Created: time.Unix(e.Created, 0).UTC(),
		Live:    e.Livemode,
	}
	if e.Data != nil {
		event.Object = e.Data.Raw
	}
	event.Update, event.Unreadable = readUpdate(event)
	if !storable(event.ID) {
		event.ID = ""
	}
	return event
}

// readUpdate interprets an event. An error means that no retry can help.
func readUpdate(e payment.Event) (payment.Update, error) {
	if err := checkEvent(&e); err != nil {
		return payment.Update{}, err
	}
	update, err := read(e)
	if err != nil {
		return payment.Update{}, err
	}
	return update, checkUpdate(&update)
}

// Limits of an event's values. Stripe's ids have at most 255 characters.
const (
	maxID      = 255
	maxCreated = 253402300799 // the end of the year 9999
)

// storable reports whether Postgres can store an id.
func storable(id string) bool {
	return len(id) <= maxID && utf8.ValidString(id) && !strings.ContainsFunc(id, unicode.IsControl)
}

// checkEvent checks the event itself, checkUpdate its contents.
func checkEvent(e *payment.Event) error {
	if e.ID == "" || !storable(e.ID) || !storable(e.Type) {
		return errors.New("its id or type is not a text that Stripe sends")
	}
	if at := e.Created.Unix(); at < 0 || at > maxCreated {
		return errors.New("its creation time is out of range")
	}
	return nil
}

func checkUpdate(n *payment.Update) error {
	ids := []string{n.CheckoutID, n.Payment}
	if c := n.Checkout; c != nil {
		ids = append(ids, c.ID, c.Reference, c.Payment, c.Customer, c.Method, c.Price.Currency)
	}
	if d := n.Dispute; d != nil {
		ids = append(ids, d.ID)
	}
	if slices.ContainsFunc(ids, func(id string) bool { return !storable(id) }) {
		return errors.New("an id in it is not a text that Stripe sends")
	}
	return nil
}

func read(e payment.Event) (payment.Update, error) {
	if len(e.Object) == 0 {
		return payment.Update{}, nil
	}
	switch kind := stripe.EventType(e.Type); kind {
	case stripe.EventTypeCheckoutSessionCompleted, stripe.EventTypeCheckoutSessionAsyncPaymentSucceeded,
		stripe.EventTypeCheckoutSessionAsyncPaymentFailed, stripe.EventTypeCheckoutSessionExpired:
		return readCheckout(kind, e)
	case stripe.EventTypePaymentIntentSucceeded, stripe.EventTypePaymentIntentPaymentFailed:
		return readIntent(e)
	case stripe.EventTypeChargeRefunded:
		return readCharge(e)
	case stripe.EventTypeRefundFailed:
		return readRefund(e)
	case stripe.EventTypeChargeDisputeCreated, stripe.EventTypeChargeDisputeUpdated,
		stripe.EventTypeChargeDisputeClosed,
		stripe.EventTypeChargeDisputeFundsWithdrawn, stripe.EventTypeChargeDisputeFundsReinstated:
		return readDispute(e)
	}
	return payment.Update{}, nil
}

func readCheckout(kind stripe.EventType, e payment.Event) (payment.Update, error) {
	var s stripe.CheckoutSession
	if err := json.Unmarshal(e.Object, &s); err != nil {
		return payment.Update{}, err
	}
	c := checkoutOf(&s)
	// The event's type says that a payment failed; the session does not.
	switch {
	case kind == stripe.EventTypeCheckoutSessionAsyncPaymentFailed:
		c.State = payment.Failed
	case kind == stripe.EventTypeCheckoutSessionExpired:
		c.State = payment.Expired
	case c.State != payment.Paid:
		c.State = payment.Waiting
	}
	return payment.Update{Checkout: &c}, nil
}

// readIntent reads a payment intent's event. Payments of a checkout have events of their own, so only auto
// purchases matter here. Their state is fetched, since the event lacks the price before tax.
func readIntent(e payment.Event) (payment.Update, error) {
	var i stripe.PaymentIntent
	if err := json.Unmarshal(e.Object, &i); err != nil || i.Metadata[purchaseKey] == "" {
		return payment.Update{}, err
	}
	return payment.Update{CheckoutID: i.ID}, nil
}

func readCharge(e payment.Event) (payment.Update, error) {
	var c stripe.Charge
	if err := json.Unmarshal(e.Object, &c); err != nil || c.PaymentIntent == nil {
		return payment.Update{}, err
	}
	refunded := money.Amount{Minor: minorOf(c.AmountRefunded, c.Currency), Currency: upper(c.Currency)}
	return payment.Update{Payment: c.PaymentIntent.ID, Refunded: &refunded}, nil
}

func readRefund(e payment.Event) (payment.Update, error) {
	var r stripe.Refund
	if err := json.Unmarshal(e.Object, &r); err != nil || r.PaymentIntent == nil {
		return payment.Update{}, err
	}
	return payment.Update{
		Payment: r.PaymentIntent.ID,
		Alert:   "a refund has failed: the buyer does not have the money, and the tokens were taken back",
	}, nil
}

func readDispute(e payment.Event) (payment.Update, error) {
	var d stripe.Dispute
	if err := json.Unmarshal(e.Object, &d); err != nil || d.PaymentIntent == nil {
		return payment.Update{}, err
	}
	dispute := disputeOf(&d, e.Created)
	return payment.Update{Payment: d.PaymentIntent.ID, Dispute: &dispute}, nil
}
