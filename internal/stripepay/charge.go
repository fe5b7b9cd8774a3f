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

// A charge without the buyer is a payment intent of its own, and known as a checkout by its id.
// Which purchase it is for stands in its metadata: only to find it again.
const (
	intentPrefix = "pi_"
	purchaseKey  = "purchase"
)

// Charge takes a payment with a method that is kept.
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
		// There is nobody who could be sent anywhere.
		AutomaticPaymentMethods: &stripe.PaymentIntentCreateAutomaticPaymentMethodsParams{
			Enabled:        stripe.Bool(true),
			AllowRedirects: stripe.String("never"),
		},
	}
	if calculation != "" { // Stripe makes the tax transaction when it is paid, and takes it back with a refund
		params.Hooks = &stripe.PaymentIntentCreateHooksParams{Inputs: &stripe.PaymentIntentCreateHooksInputsParams{
			Tax: &stripe.PaymentIntentCreateHooksInputsTaxParams{Calculation: stripe.String(calculation)},
		}}
	}
	params.AddExpand("latest_charge")
	params.AddExpand("customer")
	return params
}

// taxOf has Stripe work out the tax for the customer, on top of the price or in it as Stripe's tax
// settings say: as a checkout does.
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

// taxFailure is failure for tax: final are only a customer that is gone and an address that tax
// cannot be worked out for. All else is the operator's to mend, and is asked again.
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

// priceOf is what was asked for before tax was added.
func priceOf(tax *stripe.TaxCalculation) money.Amount {
	return amountOf(tax.AmountTotal-tax.TaxAmountExclusive, tax.Currency)
}

// charged asks how a charge stands. payment.ErrNone when there is none, and when it is none of ours.
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
		// Stripe forgets it after 90 days, long after anybody compares the price
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

// chargedOf reads a payment intent that was charged without the buyer. Its price is without tax
// only where there is none.
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
		if i.LastPaymentError != nil { // nobody tries it again
			c.State, c.Reason = payment.Failed, reasonOf(i.LastPaymentError)
		}
	case stripe.PaymentIntentStatusRequiresCapture, stripe.PaymentIntentStatusRequiresConfirmation:
		// we never make such a one
	}
	if i.LatestCharge != nil {
		c.Refunded, c.Card = minorOf(i.LatestCharge.AmountRefunded, i.Currency), cardOf(i.LatestCharge)
	}
	return c
}

// reasonOf is why a card did not pay. Banks that want the buyer to confirm say so in either of two places.
func reasonOf(e *stripe.Error) payment.Reason {
	code := cmp.Or(string(e.DeclineCode), string(e.Code))
	if e.Code == stripe.ErrorCodeAuthenticationRequired || code == string(stripe.DeclineCodeAuthenticationRequired) {
		return payment.NeedsBuyer
	}
	return payment.Declined
}

// Forget detaches a method from its customer. payment.ErrNone when it is not attached.
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
