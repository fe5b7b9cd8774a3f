package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The ways in which a text is not an amount of money. Their texts are safe to show to a caller.
var (
	ErrSyntax = errors.New(`must be a decimal number such as "214" or "19.90"`)
	ErrRange  = errors.New("is too large")
)

// Parse reads a decimal number of a currency's major unit: digits, and after a point at most as
// many decimals as the currency has. It accepts neither signs, nor exponents, nor a bare point, nor
// leading zeros ("007"). The error's text can be shown.
func Parse(text, currency string) (Amount, error) {
	whole, fraction, hasPoint := strings.Cut(text, ".")
	if !allDigits(whole) || (len(whole) > 1 && whole[0] == '0') || (hasPoint && !allDigits(fraction)) {
		return Amount{}, ErrSyntax
	}
	decimals := Exponent(currency)
	if len(fraction) > decimals {
		return Amount{}, fmt.Errorf("must have at most %d decimals in %s", decimals, currency)
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	if err != nil || minor == math.MaxInt64 {
		return Amount{}, ErrRange
	}
	return Amount{Minor: minor, Currency: currency}, nil
}

// Decimal is the amount as Parse reads it, with all the currency's decimals: "19.90".
func (a Amount) Decimal() string {
	decimals := Exponent(a.Currency)
	digits := fmt.Sprintf("%0*d", decimals+1, a.Minor)
	if decimals == 0 {
		return digits
	}
	point := len(digits) - decimals
	return digits[:point] + "." + digits[point:]
}

func allDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// Known says whether a code is that of a currency that money is paid in today (ISO 4217; no funds,
// metals or test codes).
func Known(currency string) bool {
	return len(currency) == 3 && !strings.Contains(currency, " ") && strings.Contains(codes, currency)
}

const codes = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD " +
	"CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF " +
	"GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK " +
	"LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD " +
	"OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN " +
	"SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG " +
	"XOF XPF YER ZAR ZMW ZWG"
