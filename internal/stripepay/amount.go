package stripepay

import (
	"fmt"

	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
)

// units converts an amount to Stripe's units. One that Stripe cannot charge is payment.ErrRefused.
func units(a money.Amount) (int64, error) {
	n, err := a.Stripe()
	if err != nil {
		return 0, fmt.Errorf("%w: %s %w", payment.ErrRefused, a, err)
	}
	return n, nil
}

// amountOf converts Stripe's amount. One that is not a whole number of our minor units gets no currency, so
// it matches no order.
func amountOf(n int64, currency stripe.Currency) money.Amount {
	a, exact := money.FromStripe(n, upper(currency))
	if !exact {
		return money.Amount{}
	}
	return a
}

// minorOf converts Stripe's amount to minor units, rounded down, for display and comparison with the paid
// amount.
func minorOf(n int64, currency stripe.Currency) int64 {
	a, _ := money.FromStripe(n, upper(currency))
	return a.Minor
}
