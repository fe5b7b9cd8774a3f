// Package tokens has the unit of the wallet: an exact amount of tokens, counted in millionths. It
// parses and writes amounts as decimal text and never uses floats.
package tokens

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// Amount is a number of tokens in millionths: 1 token is 1_000_000.
type Amount int64

const (
	// Micro is the smallest amount, a millionth of a token.
	Micro Amount = 1
	// One is one whole token.
	One Amount = 1_000_000
	// Max is the largest amount the system accepts: a hundred billion tokens. Ninety times Max
	// still fits into an int64, so a sum of a few amounts cannot overflow.
	Max Amount = 100_000_000_000 * One

	decimals = 6
	// maxText is the longest text of an amount: sign, twelve digits, point, six decimals.
	maxText = 20
)

// Errors of Parse. Their texts are safe to show to a caller.
var (
	ErrSyntax    = errors.New(`must be a decimal number of tokens such as "0.05" or "42.5"`)
	ErrPrecision = errors.New("must have at most 6 decimals")
	ErrRange     = errors.New("is too large")
)

// Parse reads a decimal number of tokens: an optional minus, digits, and up to six decimals. It
// refuses exponents, "+", a bare point, leading zeros ("007") and negative zero. Errors: ErrSyntax,
// ErrPrecision, ErrRange.
func Parse(s string) (Amount, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, hasPoint := strings.Cut(digits, ".")
	if !allDigits(whole) || (len(whole) > 1 && whole[0] == '0') || (hasPoint && !allDigits(fraction)) {
		return 0, ErrSyntax
	}
	if len(fraction) > decimals {
		return 0, ErrPrecision
	}
	if len(s) > maxText {
		return 0, ErrRange
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	if err != nil || Amount(n) > Max {
		return 0, ErrRange
	}
	if negative && n == 0 {
		return 0, ErrSyntax
	}
	if negative {
		n = -n
	}
	return Amount(n), nil
}

// MustParse is Parse for constants in code. It panics on an error.
func MustParse(s string) Amount {
	a, err := Parse(s)
	if err != nil {
		panic("tokens: " + strconv.Quote(s) + " " + err.Error())
	}
	return a
}

// String returns the shortest decimal form: "200", "199.85", "-0.05".
func (a Amount) String() string {
	return string(a.Append(make([]byte, 0, maxText)))
}

// Append appends the shortest decimal form to b.
func (a Amount) Append(b []byte) []byte {
	n := uint64(a)
	if a < 0 {
		b = append(b, '-')
		n = -n
	}
	b = strconv.AppendUint(b, n/uint64(One), 10)
	fraction := n % uint64(One)
	if fraction == 0 {
		return b
	}
	b = append(b, '.')
	for unit := uint64(One) / 10; fraction > 0; unit /= 10 {
		b = append(b, byte('0'+fraction/unit))
		fraction %= unit
	}
	return b
}

// MarshalText returns the shortest decimal form, so an Amount is a string in JSON.
func (a Amount) MarshalText() ([]byte, error) { return a.Append(nil), nil }

// UnmarshalText is Parse.
func (a *Amount) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*a = parsed
	return nil
}

// Times multiplies a by count. It returns false if either is negative or the product is above Max.
func (a Amount) Times(count int64) (Amount, bool) {
	if a < 0 || count < 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(uint64(a), uint64(count))
	if hi != 0 || lo > math.MaxInt64 || Amount(lo) > Max {
		return 0, false
	}
	return Amount(lo), true
}

// Fits returns how many whole units at the given price a pays for; zero if the price is zero.
func (a Amount) Fits(price Amount) int64 {
	if price <= 0 || a <= 0 {
		return 0
	}
	return int64(a / price)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
