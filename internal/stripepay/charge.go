package stripepay

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
)

// An auto purchase is a payment intent without a session, and its id serves as the checkout's id. The
// purchase is in its metadata, only to find it.
const (
	intentPrefix = "pi_"
	purchaseKey  = "purchase"
)

// Charge charges a stored payment method.
func (p *Provider) Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error) {
	if c.Price.Minor > c.Most {
		return payment.Checkout{}, payment.ErrTooMuch
	}
	total, err := units(c.Price)
	if err != nil {
		return payment.Checkout{}, err
	}
	price, calculation := c.Price, ""
	var tax *stripe.TaxCalculation
	if p.o.Tax {
		if tax, err = p.taxOf(ctx, c, total); err != nil {
			return payment.Checkout{}, err
		}
		price, total, calculation = priceOf(tax), tax.AmountTotal, tax.ID
	}
	if taken, _ := money.FromStripe(total, c.Price.Currency); taken.Minor > c.Most {
		return payment.Checkout{}, payment.ErrTooMuch
	}
	params := chargeParams(c, total, calculation)
	params.SetIdempotencyKey("charge-" + c.Reference)
	intent, err := p.client.V1PaymentIntents.Create(ctx, params)
	var refused *stripe.Error
	if errors.As(err, &refused) && refused.PaymentIntent != nil {
		if checkout := chargedOf(refused.PaymentIntent); refused.Type == stripe.ErrorTypeCard ||
			checkout.State == payment.Failed {
			checkout.Price, checkout.State, checkout.Reason = price, payment.Failed, reasonOf(refused)
			return checkout, nil
		}
	}
	if err != nil {
		return payment.Checkout{}, failure(err)
	}
	checkout := chargedOf(intent)
	checkout.Price, checkout.Bill = price, chargeBill(intent, price.Minor, tax)
	return checkout, nil
}

func chargeParams(c payment.Charge, total int64, calculation string) *stripe.PaymentIntentCreateParams {
	params := &stripe.PaymentIntentCreateParams{
		Amount:                stripe.Int64(total),
		Currency:              stripe.String(strings.ToLower(c.Price.Currency)),
		Customer:              stripe.String(c.Customer),
		PaymentMethod:         stripe.String(c.Method),
		OffSession:            stripe.Bool(true),
		Confirm:               stripe.Bool(true),
		ErrorOnRequiresAction: stripe.Bool(true),
		Description:           stripe.String(c.Description),
		Metadata:              map[string]string{purchaseKey: c.Reference},
		// Without a buyer there can be no redirect.
		AutomaticPaymentMethods: &stripe.PaymentIntentCreateAutomaticPaymentMethodsParams{
			Enabled:        stripe.Bool(true),
			AllowRedirects: stripe.String("never"),
		},
	}
	if calculation != "" { // Stripe records the tax transaction on payment, and reverses it on refund
		params.Hooks = &stripe.PaymentIntentCreateHooksParams{Inputs: &stripe.PaymentIntentCreateHooksInputsParams{
			Tax: &stripe.PaymentIntentCreateHooksInputsTaxParams{Calculation: stripe.String(calculation)},
		}}
	}
	params.AddExpand("latest_charge")
	params.AddExpand("customer")
	return params
}

// taxOf has Stripe calculate the customer's tax. As in a checkout, Stripe's settings say whether it is
// added or included.
func (p *Provider) taxOf(ctx context.Context, c payment.Charge, price int64) (*stripe.TaxCalculation, error) {
	settings, err := p.client.V1TaxSettings.Retrieve(ctx, nil)
	if err != nil {
		return nil, taxFailure(err)
	}
	params := &stripe.TaxCalculationCreateParams{
		Currency: stripe.String(strings.ToLower(c.Price.Currency)),
		Customer: stripe.String(c.Customer),
		LineItems: []*stripe.TaxCalculationCreateLineItemParams{{
			Amount:      stripe.Int64(price),
			Reference:   stripe.String(c.Description),
			TaxBehavior: stripe.String(behaviorOf(settings, c.Price.Currency)),
		}},
	}
	params.SetIdempotencyKey("tax-" + c.Reference)
	tax, err := p.client.V1TaxCalculations.Create(ctx, params)
	if err != nil {
		return nil, taxFailure(err)
	}
	return tax, nil
}

// taxFailure is failure for tax. Only a missing customer and an unusable address are final. The operator
// has to fix anything else, and the call is retried.
func taxFailure(err error) error {
	var refused *stripe.Error
	mapped := failure(err)
	location := errors.As(err, &refused) && refused.Code == stripe.ErrorCodeCustomerTaxLocationInvalid
	if !location && !errors.Is(mapped, payment.ErrNoCustomer) && payment.Final(mapped) {
		return errors.New(mapped.Error())
	}
	return mapped
}

func behaviorOf(settings *stripe.TaxSettings, currency string) string {
	switch {
	case settings.Defaults == nil:
		return "exclusive"
	case settings.Defaults.TaxBehavior == stripe.TaxSettingsDefaultsTaxBehaviorInclusive:
		return "inclusive"
	case settings.Defaults.TaxBehavior == stripe.TaxSettingsDefaultsTaxBehaviorInferredByCurrency &&
		currency != "USD" && currency != "CAD":
		return "inclusive"
	}
	return "exclusive"
}

// priceOf is the price before added tax.
func priceOf(tax *stripe.TaxCalculation) money.Amount {
	return amountOf(tax.AmountTotal-tax.TaxAmountExclusive, tax.Currency)
}

// charged fetches an auto purchase. payment.ErrNone also if the payment is not ours.
func (p *Provider) charged(ctx context.Context, id string) (payment.Checkout, error) {
	params := &stripe.PaymentIntentRetrieveParams{}
	params.AddExpand("latest_charge")
	params.AddExpand("customer")
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, params)
	if err != nil {
		return payment.Checkout{}, failure(err)
	}
	if intent.Metadata[purchaseKey] == "" {
		return payment.Checkout{}, payment.ErrNone
	}
	c := chargedOf(intent)
	c.Bill = chargeBill(intent, c.Price.Minor, nil)
	if calculation := calculationOf(intent); calculation != "" {
		tax, err := p.client.V1TaxCalculations.Retrieve(ctx, calculation, nil)
		// Stripe deletes it after 90 days, long after the price is compared.
		if err != nil && !errors.Is(failure(err), payment.ErrNone) {
			return payment.Checkout{}, failure(err)
		}
		c.Price.Minor, c.Bill = 0, nil
		if err == nil && tax.AmountTotal == intent.Amount {
			c.Price = priceOf(tax)
			c.Bill = chargeBill(intent, c.Price.Minor, tax)
		}
	}
	if intent.LatestCharge != nil && intent.LatestCharge.Disputed {
		c.Disputes, err = p.disputes(ctx, id)
	}
	return c, err
}

func calculationOf(i *stripe.PaymentIntent) string {
	if i.Hooks == nil || i.Hooks.Inputs == nil || i.Hooks.Inputs.Tax == nil {
		return ""
	}
	return i.Hooks.Inputs.Tax.Calculation
}

// chargedOf reads the payment intent of an auto purchase. Its price excludes tax only if there is none.
func chargedOf(i *stripe.PaymentIntent) payment.Checkout {
	c := payment.Checkout{
		ID:        i.ID,
		Payment:   i.ID,
		Reference: i.Metadata[purchaseKey],
		Live:      i.Livemode,
		OneOff:    true,
		Price:     amountOf(i.Amount, i.Currency),
		Total:     minorOf(i.Amount, i.Currency),
		State:     payment.Open,
	}
	if i.Customer != nil {
		c.Customer = i.Customer.ID
	}
	switch i.Status {
	case stripe.PaymentIntentStatusSucceeded:
		c.State = payment.Paid
	case stripe.PaymentIntentStatusProcessing:
		c.State = payment.Waiting
	case stripe.PaymentIntentStatusCanceled:
		c.State, c.Reason = payment.Failed, payment.Declined
	case stripe.PaymentIntentStatusRequiresAction:
		c.State, c.Reason = payment.Failed, payment.NeedsBuyer
	case stripe.PaymentIntentStatusRequiresPaymentMethod:
		if i.LastPaymentError != nil { // it is never retried
			c.State, c.Reason = payment.Failed, reasonOf(i.LastPaymentError)
		}
	case stripe.PaymentIntentStatusRequiresCapture, stripe.PaymentIntentStatusRequiresConfirmation:
		// we never create such an intent
	}
	if i.LatestCharge != nil {
		c.Refunded, c.Card = minorOf(i.LatestCharge.AmountRefunded, i.Currency), cardOf(i.LatestCharge)
	}
	return c
}

// reasonOf is why a card was declined. Banks that require authentication say so in either of two fields.
func reasonOf(e *stripe.Error) payment.Reason {
	code := cmp.Or(string(e.DeclineCode), string(e.Code))
	if e.Code == stripe.ErrorCodeAuthenticationRequired || code == string(stripe.DeclineCodeAuthenticationRequired) {
		return payment.NeedsBuyer
	}
	return payment.Declined
}

// Forget detaches a method from its customer. payment.ErrNone if it is not attached.
func (p *Provider) Forget(ctx context.Context, method string) error {
	params := &stripe.PaymentMethodDetachParams{}
	if _, err := p.client.V1PaymentMethods.Detach(ctx, method, params); err != nil {
		err = failure(err)
		if errors.Is(err, payment.ErrRefused) {
			return payment.ErrNone
		}
		return err
	}
	return nil
}
