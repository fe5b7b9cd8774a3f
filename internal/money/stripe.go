package money

import (
	"errors"
	"fmt"
)

// stripeTens: Stripe takes only whole tens in currencies with three decimals
// (https://docs.stripe.com/currencies#three-decimal).
const stripeTens = 10

// ErrStripe means that Stripe cannot take this amount.
var ErrStripe = errors.New("cannot be taken by the payment provider")

// stripeFactor is how many of Stripe's units one minor unit is. ISK and UGX have no decimals any
// more, but Stripe counts them in hundredths (https://docs.stripe.com/currencies#special-cases).
func stripeFactor(currency string) int64 {
	if currency == "ISK" || currency == "UGX" {
		return 100
	}
	return 1
}

// Stripe returns the amount in Stripe's units. The error is ErrStripe with a reason that is safe to
// show: the last digit is one that Stripe does not take, or the amount is above MaxPayment.
func (a Amount) Stripe() (int64, error) {
	if step := Step(a.Currency); a.Minor%step != 0 {
		return 0, fmt.Errorf("%w: it takes multiples of %s only", ErrStripe,
			Amount{Minor: step, Currency: a.Currency})
	}
	if a.Minor > MaxPayment(a.Currency).Minor {
		return 0, fmt.Errorf("%w: it takes at most %s", ErrStripe, MaxPayment(a.Currency))
	}
	return a.StripeUnits(), nil
}

// StripeUnits converts like Stripe, for amounts that were already checked.
func (a Amount) StripeUnits() int64 { return a.Minor * stripeFactor(a.Currency) }

// FromStripe converts from Stripe's units. exact is false if that is not a whole number of minor
// units; the amount is then rounded down.
func FromStripe(units int64, currency string) (a Amount, exact bool) {
	factor := stripeFactor(currency)
	return Amount{Minor: units / factor, Currency: currency}, units%factor == 0
}

// Step is the smallest difference between two prices that can be paid, in minor units.
func Step(currency string) int64 {
	if Exponent(currency) == 3 {
		return stripeTens
	}
	return 1
}

// stripeDigits is how many digits an amount may have in Stripe's units, where that is not
// usualDigits (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
var stripeDigits = map[string]int{
	"COP": 10,
	"IDR": 12,
	"INR": 9,
}

const usualDigits = 8

// MaxPayment is the largest amount of one payment.
func MaxPayment(currency string) Amount {
	digits, ok := stripeDigits[currency]
	if !ok {
		digits = usualDigits
	}
	most := int64(1)
	for range digits {
		most *= 10
	}
	step := Step(currency)
	return Amount{Minor: (most - 1) / stripeFactor(currency) / step * step, Currency: currency}
}

// minPayment is the smallest payment that Stripe takes, in minor units
// (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
var minPayment = map[string]int64{
	"AED": 200,
	"AUD": 50,
	"BGN": 100,
	"BRL": 50,
	"CAD": 50,
	"CHF": 50,
	"CZK": 1500,
	"DKK": 250,
	"EUR": 50,
	"GBP": 30,
	"HKD": 400,
	"HUF": 17500,
	"INR": 50,
	"JPY": 50,
	"MXN": 1000,
	"MYR": 200,
	"NOK": 300,
	"NZD": 50,
	"PLN": 200,
	"RON": 200,
	"SEK": 300,
	"SGD": 50,
	"THB": 1000,
	"USD": 50,
}

// MinPayment is the smallest amount of one payment. It returns false if Stripe documents none for
// the currency: then it depends on the payout currency and the exchange rate.
func MinPayment(currency string) (Amount, bool) {
	minor, known := minPayment[currency]
	return Amount{Minor: minor, Currency: currency}, known
}
