package money

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Errors of Parse. Their texts are safe to show to a caller.
var (
	ErrSyntax = errors.New(`must be a decimal number such as "214" or "19.90"`)
	ErrRange  = errors.New("is too large")
)

// Parse reads a decimal number in the currency's major unit, with at most as many decimals as the
// currency has. It refuses signs, exponents, a bare point and leading zeros ("007"). The error's
// text is safe to show.
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

// Decimal formats the amount as Parse reads it, with all decimals: "19.90".
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

// Known reports whether a code is a currency in use (ISO 4217, without funds, metals and test codes).
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
