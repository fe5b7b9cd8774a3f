package views_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
	"pop.store/credits/views"
)

func TestTheLinesOfAReceipt(t *testing.T) {
	t.Parallel()
	in := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "EUR"} }
	vat := func(minor int64) views.TaxModel {
		return views.TaxModel{
			Name:   "VAT",
			Rate:   "20",
			Amount: in(minor),
		}
	}
	included, reverse := vat(150), views.TaxModel{
		Name:    "VAT",
		Rate:    "0",
		Amount:  in(0),
		Reverse: true,
	}
	included.Included = true
	for _, c := range []struct {
		m    views.ReceiptModel
		want string
	}{
		{views.ReceiptModel{Total: in(900)}, "Small, 100 tokens €9.00|Total paid €9.00*"},
		{
			views.ReceiptModel{Total: in(1080), Taxes: []views.TaxModel{vat(180)}},
			"Small, 100 tokens €9.00|VAT 20% €1.80|Total paid €10.80*",
		},
		{
			views.ReceiptModel{
				Total:    in(960),
				Discount: in(100),
				Taxes:    []views.TaxModel{vat(160)},
			},
			"Small, 100 tokens €9.00|Discount −€1.00|VAT 20% €1.60|Total paid €9.60*",
		},
		{
			views.ReceiptModel{Total: in(900), Taxes: []views.TaxModel{included}},
			"Small, 100 tokens €9.00|Total paid €9.00*|Includes VAT 20% €1.50",
		},
		{
			views.ReceiptModel{Total: in(900), Taxes: []views.TaxModel{reverse}},
			"Small, 100 tokens €9.00|VAT 0%, reverse charge: the buyer accounts for it €0.00|Total paid €9.00*",
		},
		// nobody has told more
		{
			views.ReceiptModel{Total: in(1080)},
			"Small, 100 tokens €9.00|Tax and discounts €1.80|Total paid €10.80*",
		},
		{
			views.ReceiptModel{Total: in(800), Taxes: []views.TaxModel{vat(50)}},
			"Small, 100 tokens €9.00|VAT 20% €0.50|Tax and discounts −€1.50|Total paid €8.00*",
		},
		{
			views.ReceiptModel{Total: in(0), Discount: in(900)},
			"Small, 100 tokens €9.00|Discount −€9.00|Total paid €0.00*",
		},
		{
			views.ReceiptModel{Total: in(900), Refunded: in(300)},
			"Small, 100 tokens €9.00|Total paid €9.00*|Refunded −€3.00",
		},
		{
			views.ReceiptModel{
				Total:      in(900),
				Refunded:   in(900),
				RefundedAt: time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC),
			},
			"Small, 100 tokens €9.00|Total paid €9.00*|Refunded on 23 November 2026 −€9.00",
		},
	} {
		c.m.PackName, c.m.Tokens, c.m.Price, c.m.Layout.DisplayZone = "Small", 100*tokens.One, in(900),
			time.FixedZone("", 3600)
		var got []string
		for _, l := range c.m.Lines() {
			got = append(got, fmt.Sprint(l.Name, " ", l.Value, map[bool]string{true: "*"}[l.Strong]))
		}
		if views.Breakable(strings.Join(got, "|")) != c.want {
			t.Errorf("%s\nwant %s", strings.Join(got, "|"), c.want)
		}
	}
}

func TestTheTokensOfAReceipt(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]views.ReceiptModel{
		"500 tokens. They never expire.":                                          {},
		"500 tokens, 120 of them for tokens owed from before. They never expire.": {Owed: 120 * tokens.One},
		"500 tokens, 500 of them for tokens owed from before. They never expire.": {Owed: 900 * tokens.One},
		"500 tokens. They can be used until 1 March 2027.": {ExpiresAt: time.Date(2027, 3,
			1, 12, 0, 0, 0, time.UTC)},
	} {
		if m.Tokens = 500 * tokens.One; views.Breakable(m.TokenText()) != want {
			t.Errorf("%q, want %q", m.TokenText(), want)
		}
	}
}
