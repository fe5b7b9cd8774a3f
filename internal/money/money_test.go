package money_test

import (
	"testing"

	"pop.store/credits/internal/money"
)

func TestString(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]money.Amount{
		"$9.00":         {Minor: 900, Currency: "USD"},
		"$1,234.05":     {Minor: 123405, Currency: "USD"},
		"€1,000,000.00": {Minor: 100000000, Currency: "EUR"},
		"¥1,500":        {Minor: 1500, Currency: "JPY"},
		"CHF 0.05":      {Minor: 5, Currency: "CHF"},
		"KWD 1,234.005": {Minor: 1234005, Currency: "KWD"},
		"−$3.00":        {Minor: -300, Currency: "USD"},
	} {
		if got := a.String(); got != want {
			t.Errorf("%+v.String() = %q, want %q", a, got, want)
		}
	}
}
