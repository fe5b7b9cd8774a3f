package catalog_test

import (
	"errors"
	"strings"
	"testing"

	"pop.store/credits/internal/catalog"
	"pop.store/credits/internal/money"
)

// priced is the small catalog with its pack of 50 tokens at another price.
func priced(price, currency string) []byte {
	return []byte(strings.Replace(small, "price: 5.00\n    currency: USD\n",
		"price: "+price+"\n    currency: "+currency+"\n", 1))
}

// Prices have the decimals of their currency, whatever the payment provider's units.
func TestPricesHaveTheDecimalsOfTheirCurrency(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		price, currency string
		minor           int64
		wrong           string
	}{
		{"33000", "UGX", 33000, ""},
		{"33000.50", "UGX", 0, "price must have at most 0 decimals in UGX"},
		{"1250", "ISK", 1250, ""},
		{"1250.50", "ISK", 0, "price must have at most 0 decimals in ISK"},
		{"5.120", "KWD", 5120, ""},
		{"5.124", "KWD", 0, "price must be a multiple of KWD 0.010: nothing else can be paid"},
		{"5.1234", "KWD", 0, "price must have at most 3 decimals in KWD"},
		{"0.001", "BHD", 0, "price must be a multiple of BHD 0.010: nothing else can be paid"},
		{"1300000", "IDR", 130000000, ""},
		{"9999999999.99", "IDR", 999999999999, ""},
		{"10000000000", "IDR", 0, "price is too large"},
		{"999999", "UGX", 999999, ""},
		{"1000000", "UGX", 0, "price is too large"},
		{"1000000", "JPY", 1000000, ""},
	} {
		got, _, err := catalog.Parse("c.yaml", priced(c.price, c.currency))
		if c.wrong == "" {
			if err != nil || got.Packs[0].Price != (money.Amount{Minor: c.minor, Currency: c.currency}) {
				t.Errorf("%s %s: %v", c.price, c.currency, err)
			}
			continue
		}
		var found *catalog.Error
		if !errors.As(err, &found) || len(found.Findings) != 1 || found.Findings[0].Reason != c.wrong {
			t.Errorf("%s %s: %v, want %s", c.price, c.currency, err, c.wrong)
		}
	}
}

// A plan's price is for display and never charged here, so any number of thousandths is valid.
func TestAPlansPriceIsForShow(t *testing.T) {
	t.Parallel()
	text := strings.Replace(small, "price: 9.50\n    currency: USD\n", "price: 9.505\n    currency: KWD\n", 1)
	if c, _, err := catalog.Parse("c.yaml", []byte(text)); err != nil || c.Plans[0].Price.String() != "KWD 9.505" {
		t.Error(err)
	}
}

func TestPacksThatAreTooCheapToBePaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ price, currency, want string }{
		{"0.50", "USD", ""},
		{"0.49", "USD", "c.yaml:29: warning: pack few costs $0.49, and Stripe takes no payment of less than $0.50"},
		{"49", "JPY", "c.yaml:29: warning: pack few costs ¥49, and Stripe takes no payment of less than ¥50"},
		{
			"174.99", "HUF",
			"c.yaml:29: warning: pack few costs HUF 174.99, and Stripe takes no payment of less than HUF 175.00",
		},
		{"10", "THB", ""},
		{"1", "UGX", ""}, // no known minimum
	} {
		_, warnings, err := catalog.Parse("c.yaml", priced(c.price, c.currency))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, w := range warnings {
			if strings.Contains(w.Reason, "Stripe") {
				got += w.String()
			}
		}
		if got != c.want {
			t.Errorf("%s %s: %q, want %q", c.price, c.currency, got, c.want)
		}
	}
}
