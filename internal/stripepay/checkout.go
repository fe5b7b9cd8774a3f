package stripepay

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
)

// Open opens a checkout on Stripe's page. The customer is part of the idempotency key: after Stripe has
// deleted a customer, the order is sent without one, which is another request.
func (p *Provider) Open(ctx context.Context, o payment.Order) (payment.Checkout, error) {
	price, err := units(o.Price)
	if err != nil {
		return payment.Checkout{}, err
	}
	params := p.checkoutParams(o, price)
	params.SetIdempotencyKey("checkout-" + o.Reference + o.Customer)
	session, err := p.client.V1CheckoutSessions.Create(ctx, params)
	if err != nil {
		return payment.Checkout{}, failure(err)
	}
	return checkoutOf(session), nil
}

func (p *Provider) checkoutParams(o payment.Order, price int64) *stripe.CheckoutSessionCreateParams {
	params := &stripe.CheckoutSessionCreateParams{
		Mode:              stripe.String(string(stripe.CheckoutSessionModePayment)),
		ClientReferenceID: stripe.String(o.Reference),
		SuccessURL:        stripe.String(o.SuccessURL),
		CancelURL:         stripe.String(o.CancelURL),
		LineItems: []*stripe.CheckoutSessionCreateLineItemParams{{
			Quantity: stripe.Int64(1),
			PriceData: &stripe.CheckoutSessionCreateLineItemPriceDataParams{
				Currency:   stripe.String(strings.ToLower(o.Price.Currency)),
				UnitAmount: stripe.Int64(price),
				ProductData: &stripe.CheckoutSessionCreateLineItemPriceDataProductDataParams{
					Name: stripe.String(o.Description),
				},
			},
		}},
		// The payment must have the order's currency.
		AdaptivePricing: &stripe.CheckoutSessionCreateAdaptivePricingParams{Enabled: stripe.Bool(false)},
	}
	if o.Customer != "" {
		params.Customer = stripe.String(o.Customer)
	} else {
		params.CustomerCreation = stripe.String(string(stripe.CheckoutSessionCustomerCreationAlways))
	}
	if o.KeepMethod {
		params.PaymentIntentData = &stripe.CheckoutSessionCreatePaymentIntentDataParams{
			SetupFutureUsage: stripe.String(string(stripe.PaymentIntentSetupFutureUsageOffSession)),
		}
	}
	if p.o.PromotionCodes {
		params.AllowPromotionCodes = stripe.Bool(true)
	}
	if p.o.Tax {
		params.AutomaticTax = &stripe.CheckoutSessionCreateAutomaticTaxParams{Enabled: stripe.Bool(true)}
		// A company enters its name, address and tax number, which its receipt has to show.
		params.TaxIDCollection = &stripe.CheckoutSessionCreateTaxIDCollectionParams{Enabled: stripe.Bool(true)}
		params.BillingAddressCollection = stripe.String(string(stripe.CheckoutSessionBillingAddressCollectionRequired))
		if o.Customer != "" { // tax depends on the address, which a known customer may lack
			params.CustomerUpdate = &stripe.CheckoutSessionCreateCustomerUpdateParams{
				Address: stripe.String("auto"),
				Name:    stripe.String("auto"),
			}
		}
	}
	return params
}

// Checkout fetches a checkout and its payment. payment.ErrNone if it does not exist.
func (p *Provider) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	if strings.HasPrefix(id, intentPrefix) {
		return p.charged(ctx, id)
	}
	params := &stripe.CheckoutSessionRetrieveParams{}
	params.AddExpand("payment_intent.latest_charge")
	params.AddExpand("total_details.breakdown")
	session, err := p.client.V1CheckoutSessions.Retrieve(ctx, id, params)
	if err != nil {
		return payment.Checkout{}, failure(err)
	}
	c := checkoutOf(session)
	if c.State == payment.Paid {
		c.Bill = billOf(session)
	}
	if charge := chargeOf(session); charge != nil && charge.Disputed {
		c.Disputes, err = p.disputes(ctx, c.Payment)
	}
	return c, err
}

// Close expires a checkout. payment.ErrRefused if it is not open.
func (p *Provider) Close(ctx context.Context, id string) (payment.Checkout, error) {
	session, err := p.client.V1CheckoutSessions.Expire(ctx, id, &stripe.CheckoutSessionExpireParams{})
	if err != nil {
		return payment.Checkout{}, failure(err)
	}
	return checkoutOf(session), nil
}

// CheckoutOf finds the checkout of a payment. payment.ErrNone if it has none.
func (p *Provider) CheckoutOf(ctx context.Context, paid string) (payment.Checkout, error) {
	params := &stripe.CheckoutSessionListParams{PaymentIntent: stripe.String(paid)}
	params.Limit, params.Single = stripe.Int64(1), true
	list := p.client.V1CheckoutSessions.List(ctx, params)
	if err := list.Err(); err != nil {
		return payment.Checkout{}, failure(err)
	}
	for _, session := range list.Data() {
		return checkoutOf(session), nil
	}
	return p.charged(ctx, paid) // an auto purchase
}

func (p *Provider) disputes(ctx context.Context, paid string) ([]payment.Dispute, error) {
	params := &stripe.DisputeListParams{PaymentIntent: stripe.String(paid)}
	params.Limit, params.Single = stripe.Int64(100), true
	list := p.client.V1Disputes.List(ctx, params)
	if err := list.Err(); err != nil {
		return nil, failure(err)
	}
	var disputes []payment.Dispute
	for _, d := range list.Data() {
		disputes = append(disputes, disputeOf(d, time.Now().UTC()))
	}
	return disputes, nil
}

// Refund refunds a part of a payment. payment.ErrRefused if Stripe refuses it for good.
func (p *Provider) Refund(ctx context.Context, r payment.Refund) error {
	amount, err := units(r.Amount)
	if err != nil {
		return err
	}
	params := &stripe.RefundCreateParams{PaymentIntent: stripe.String(r.Payment), Amount: stripe.Int64(amount)}
	params.SetIdempotencyKey("refund-" + r.Key)
	_, err = p.client.V1Refunds.Create(ctx, params)
	if err != nil {
		return failure(err)
	}
	return nil
}

// checkoutOf reads a session of an answer or event.
func checkoutOf(s *stripe.CheckoutSession) payment.Checkout {
	c := payment.Checkout{
		ID:        s.ID,
		URL:       s.URL,
		Reference: s.ClientReferenceID,
		State:     stateOf(s),
		Live:      s.Livemode,
		OneOff:    s.Mode == stripe.CheckoutSessionModePayment,
		Price:     amountOf(s.AmountSubtotal, s.Currency),
		Total:     minorOf(s.AmountTotal, s.Currency),
	}
	if s.Customer != nil {
		c.Customer = s.Customer.ID
	}
	if pay := s.PaymentIntent; pay != nil {
		c.Payment = pay.ID
		if pay.SetupFutureUsage == stripe.PaymentIntentSetupFutureUsageOffSession && pay.PaymentMethod != nil {
			c.Method = pay.PaymentMethod.ID
		}
	}
	if charge := chargeOf(s); charge != nil {
		c.Refunded, c.Card = minorOf(charge.AmountRefunded, s.Currency), cardOf(charge)
	}
	return c
}

func stateOf(s *stripe.CheckoutSession) payment.State {
	switch {
	case s.PaymentStatus == stripe.CheckoutSessionPaymentStatusPaid, s.PaymentStatus ==
		stripe.CheckoutSessionPaymentStatusNoPaymentRequired:
		return payment.Paid
	case s.Status == stripe.CheckoutSessionStatusExpired:
		return payment.Expired
	case s.Status != stripe.CheckoutSessionStatusComplete:
		return payment.Open
	case s.PaymentIntent != nil && (s.PaymentIntent.Status == stripe.PaymentIntentStatusRequiresPaymentMethod ||
		s.PaymentIntent.Status == stripe.PaymentIntentStatusCanceled):
		return payment.Failed
	}
	return payment.Waiting
}

// chargeOf is the charge of a session, if it is expanded.
func chargeOf(s *stripe.CheckoutSession) *stripe.Charge {
	if s.PaymentIntent == nil {
		return nil
	}
	return s.PaymentIntent.LatestCharge
}

func cardOf(charge *stripe.Charge) string {
	if charge.PaymentMethodDetails == nil || charge.PaymentMethodDetails.Card == nil {
		return ""
	}
	card := charge.PaymentMethodDetails.Card
	brand := cmp.Or(brands[string(card.Brand)], "Card")
	return brand + " " + card.Last4
}

var brands = map[string]string{
	"amex":             "American Express",
	"diners":           "Diners Club",
	"discover":         "Discover",
	"jcb":              "JCB",
	"mastercard":       "Mastercard",
	"unionpay":         "UnionPay",
	"visa":             "Visa",
	"cartes_bancaires": "Cartes Bancaires",
	"eftpos_au":        "eftpos",
}

func upper(c stripe.Currency) string { return strings.ToUpper(string(c)) }

func disputeOf(d *stripe.Dispute, at time.Time) payment.Dispute {
	amount := money.Amount{Minor: minorOf(d.Amount, d.Currency), Currency: upper(d.Currency)}
	return payment.Dispute{
		ID:     d.ID,
		State:  disputeState(d.Status),
		Amount: amount,
		At:     at,
	}
}

// endings are the final states of a dispute.
var endings = map[stripe.DisputeStatus]payment.DisputeState{
	stripe.DisputeStatusLost:          payment.DisputeLost,
	stripe.DisputeStatusWon:           payment.DisputeWon,
	stripe.DisputeStatusWarningClosed: payment.DisputeWon,
	stripe.DisputeStatusPrevented:     payment.DisputeWon,
}

// disputeState treats unknown states as open: frozen tokens can be released, spent ones cannot be
// recovered.
func disputeState(s stripe.DisputeStatus) payment.DisputeState {
	return cmp.Or(endings[s], payment.DisputeOpen)
}
