package money_test

import (
	"errors"
	"testing"

	"pop.store/credits/internal/money"
)

// What is shown and what Stripe is asked for are two things: https://docs.stripe.com/currencies.
func TestStripesUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		amount money.Amount
		shown  string
		units  int64
	}{
		{money.Amount{Minor: 900, Currency: "USD"}, "$9.00", 900},
		{money.Amount{Minor: 1250, Currency: "JPY"}, "¥1,250", 1250},
		{money.Amount{Minor: 33000, Currency: "UGX"}, "UGX 33,000", 3300000},
		{money.Amount{Minor: 1250, Currency: "ISK"}, "ISK 1,250", 125000},
		{money.Amount{Minor: 130000000, Currency: "IDR"}, "IDR 1,300,000.00", 130000000},
		{money.Amount{Minor: 17500, Currency: "HUF"}, "HUF 175.00", 17500},
		{money.Amount{Minor: 50000, Currency: "MGA"}, "MGA 50,000", 50000},
		{money.Amount{Minor: 5120, Currency: "KWD"}, "KWD 5.120", 5120},
	} {
		units, err := c.amount.Stripe()
		if err != nil || units != c.units || c.amount.String() != c.shown {
			t.Errorf("%s is %d for Stripe (%v), want %s and %d", c.amount, units, err, c.shown, c.units)
		}
		if back, exact := money.FromStripe(units, c.amount.Currency); back != c.amount || !exact {
			t.Errorf("%d is %s again, exact %t", units, back, exact)
		}
	}
}

func TestAmountsThatStripeDoesNotTake(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]money.Amount{
		"a last digit":      {Minor: 5124, Currency: "KWD"},
		"nine digits":       {Minor: 100_000_000, Currency: "USD"},
		"a million of UGX":  {Minor: 1_000_000, Currency: "UGX"},
		"thirteen of IDR":   {Minor: 1_000_000_000_000, Currency: "IDR"},
		"an overflow, once": {Minor: 1 << 62, Currency: "ISK"},
	} {
		if units, err := a.Stripe(); !errors.Is(err, money.ErrStripe) {
			t.Errorf("%s: %d, %v", name, units, err)
		}
	}
	for currency, want := range map[string]string{
		"USD": "$999,999.99",
		"UGX": "UGX 999,999",
		"ISK": "ISK 999,999",
		"JPY": "¥99,999,999",
		"KWD": "KWD 99,999.990",
		"IDR": "IDR 9,999,999,999.99",
		"COP": "COP 99,999,999.99",
		"INR": "INR 9,999,999.99",
	} {
		most := money.MaxPayment(currency)
		if most.String() != want {
			t.Errorf("at most %s, want %s", most, want)
		}
		if _, err := most.Stripe(); err != nil {
			t.Errorf("the most in %s: %v", currency, err)
		}
		if _, err := (money.Amount{Minor: most.Minor + 1, Currency: currency}).Stripe(); err == nil {
			t.Errorf("more than the most in %s is taken", currency)
		}
	}
}

// A fraction that our units do not have is not taken for a whole number.
func TestFractionsOfStripe(t *testing.T) {
	t.Parallel()
	if a, exact := money.FromStripe(3300050, "UGX"); exact || a.Minor != 33000 {
		t.Errorf("%s, exact %t", a, exact)
	}
	if a, exact := money.FromStripe(3300050, "USD"); !exact || a.Minor != 3300050 {
		t.Errorf("%s, exact %t", a, exact)
	}
}

func TestTheLeastAtOnce(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]string{
		"USD": "$0.50",
		"GBP": "£0.30",
		"JPY": "¥50",
		"HUF": "HUF 175.00",
		"THB": "THB 10.00",
	} {
		if least, known := money.MinPayment(currency); !known || least.String() != want {
			t.Errorf("%s, known %t, want %s", least, known, want)
		}
	}
	if least, known := money.MinPayment("UGX"); known {
		t.Errorf("Stripe names no least in UGX, here it is %s", least)
	}
}
