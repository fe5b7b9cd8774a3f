package money_test

import (
	"strings"
	"testing"

	"pop.store/credits/internal/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]money.Amount{
		"0 USD":                        {Currency: "USD"},
		"214 USD":                      {Minor: 21400, Currency: "USD"},
		"19.9 EUR":                     {Minor: 1990, Currency: "EUR"},
		"0.05 USD":                     {Minor: 5, Currency: "USD"},
		"1500 JPY":                     {Minor: 1500, Currency: "JPY"},
		"1.234 KWD":                    {Minor: 1234, Currency: "KWD"},
		"92233720368547758.06 USD":     {Minor: 9223372036854775806, Currency: "USD"},
		"9223372036854775806 VND":      {Minor: 9223372036854775806, Currency: "VND"},
		"000 USD":                      {},
		"007 USD":                      {},
		"-1 USD":                       {},
		"+1 USD":                       {},
		" USD":                         {},
		"1. USD":                       {},
		".5 USD":                       {},
		"1,50 USD":                     {},
		"1e3 USD":                      {},
		"0x10 USD":                     {},
		"١ USD":                        {},
		"1.005 USD":                    {},
		"1.5 JPY":                      {},
		"1.2345 KWD":                   {},
		"92233720368547758.07 USD":     {},
		"99999999999999999999 JPY":     {},
		strings.Repeat("9", 900) + " ": {},
	} {
		number, currency, _ := strings.Cut(text, " ")
		got, err := money.Parse(number, currency)
		if got != want || (err == nil) != (want.Currency != "") {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", text, got, err, want)
		}
		if again, err := money.Parse(got.Decimal(), got.Currency); want.Currency != "" &&
			(err != nil || again != want) {
			t.Errorf("%+v is written as %q and read as %+v, %v", got, got.Decimal(), again, err)
		}
	}
}

func TestDecimalHasAllDecimals(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]money.Amount{
		"19.90": {Minor: 1990, Currency: "EUR"},
		"0.05":  {Minor: 5, Currency: "USD"},
		"0":     {Currency: "JPY"},
		"0.000": {Currency: "BHD"},
	} {
		if got := a.Decimal(); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}

func TestKnownCurrencies(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"USD":  true,
		"EUR":  true,
		"ZWG":  true,
		"AED":  true,
		"usd":  false,
		"XXX":  false,
		"XAU":  false,
		"SD ":  false,
		"D E":  false,
		"":     false,
		"US":   false,
		"USDE": false,
		"DEU":  false,
	} {
		if money.Known(code) != want {
			t.Errorf("Known(%q) is %v", code, !want)
		}
	}
}
