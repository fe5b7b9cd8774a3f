package stripepay

import (
	"fmt"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
)

// units is an amount as Stripe is asked for it. An amount that Stripe cannot take is payment.ErrRefused.
func units(a money.Amount) (int64, error) {
	n, err := a.Stripe()
	if err != nil {
		return 0, fmt.Errorf("%w: %s %w", payment.ErrRefused, a, err)
	}
	return n, nil
}

// amountOf is an amount that Stripe tells. One that is no whole number of our minor units is none
// of ours: it has no currency, so it matches nothing.
func amountOf(n int64, currency stripe.Currency) money.Amount {
	a, exact := money.FromStripe(n, upper(currency))
	if !exact {
		return money.Amount{}
	}
	return a
}

// minorOf is an amount that Stripe tells, in minor units, rounded down: for what is shown, or
// compared with what was paid.
func minorOf(n int64, currency stripe.Currency) int64 {
	a, _ := money.FromStripe(n, upper(currency))
	return a.Minor
}
