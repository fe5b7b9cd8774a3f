// Package money has amounts of money in minor units of an ISO 4217 currency. It parses and formats
// prices and converts to the units that Stripe uses.
package money

import (
	"fmt"
	"strings"
)

// Amount is money in minor units (cents for USD). Currency is a three-letter upper-case ISO 4217
// code.
type Amount struct {
	Minor    int64
	Currency string
}

// zeroDecimal are the currencies without decimals (ISO 4217). MGA has fifths, which are not in use.
const zeroDecimal = "BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF"

var symbols = map[string]string{
	"USD": "$",
	"EUR": "€",
	"GBP": "£",
	"JPY": "¥",
}

// threeDecimal are the currencies with a thousand minor units in the major one (ISO 4217).
const threeDecimal = "BHD IQD JOD KWD LYD OMR TND"

// Exponent returns how many decimals the currency has: 0, 2 or 3. Stripe may use other units, see
// Stripe.
func Exponent(currency string) int {
	switch {
	case len(currency) != 3:
	case strings.Contains(zeroDecimal, currency):
		return 0
	case strings.Contains(threeDecimal, currency):
		return 3
	}
	return 2
}

// String formats the amount as a price: "$9.00", "€1,250.50", "CHF 9.00".
func (a Amount) String() string {
	symbol, ok := symbols[a.Currency]
	if !ok {
		symbol = a.Currency + " "
	}
	sign, minor := "", a.Minor
	if minor < 0 {
		sign, minor = "−", -minor
	}
	switch Exponent(a.Currency) {
	case 0:
		return sign + symbol + group(minor)
	case 3:
		return fmt.Sprintf("%s%s%s.%03d", sign, symbol, group(minor/1000), minor%1000)
	}
	return fmt.Sprintf("%s%s%s.%02d", sign, symbol, group(minor/100), minor%100)
}

// group writes n with a comma between thousands.
func group(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
