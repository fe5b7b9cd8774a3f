package money

import (
	"errors"
	"fmt"
)

// Stripe counts money in units of its own. They are our minor units, except in two currencies that
// have no decimals any more and that Stripe still takes in hundredths
// (https://docs.stripe.com/currencies#special-cases). Of currencies with three decimals Stripe
// takes whole tens only (https://docs.stripe.com/currencies#three-decimal).
const stripeTens = 10

// ErrStripe is an amount that Stripe cannot take, whatever it is for.
var ErrStripe = errors.New("cannot be taken by the payment provider")

func stripeFactor(currency string) int64 {
	if currency == "ISK" || currency == "UGX" {
		return 100
	}
	return 1
}

// Stripe is the amount in Stripe's units. The error is ErrStripe, with a reason that is safe to
// show: the amount has a last digit that Stripe does not take, or it is larger than MostAtOnce.
func (a Amount) Stripe() (int64, error) {
	if step := Step(a.Currency); a.Minor%step != 0 {
		return 0, fmt.Errorf("%w: it takes multiples of %s only", ErrStripe,
			Amount{Minor: step, Currency: a.Currency})
	}
	if a.Minor > MostAtOnce(a.Currency).Minor {
		return 0, fmt.Errorf("%w: it takes at most %s", ErrStripe, MostAtOnce(a.Currency))
	}
	return a.StripeUnits(), nil
}

// StripeUnits is Stripe without a look at whether the amount can be taken: for amounts that were.
func (a Amount) StripeUnits() int64 { return a.Minor * stripeFactor(a.Currency) }

// FromStripe is an amount that Stripe tells in its units. exact is false when it is no whole number
// of minor units; then the amount is rounded down.
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

// stripeDigits are how many digits an amount may have in Stripe's units, where it is not usualDigits
// (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
var stripeDigits = map[string]int{
	"COP": 10,
	"IDR": 12,
	"INR": 9,
}

const usualDigits = 8

// MostAtOnce is the most that can be paid at once, by the digits that Stripe takes.
func MostAtOnce(currency string) Amount {
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

// leastAtOnce is the least that Stripe takes at once, in minor units
// (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
var leastAtOnce = map[string]int64{
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

// LeastAtOnce is the least that can be paid at once. false: nobody says; then it depends on what
// the seller is paid out in, and on the day's rate.
func LeastAtOnce(currency string) (Amount, bool) {
	minor, known := leastAtOnce[currency]
	return Amount{Minor: minor, Currency: currency}, known
}
