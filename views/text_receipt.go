package views

import (
	"strings"

	"pop.store/credits/internal/money"
)

// ReceiptLine is one line of a receipt's sums.
type ReceiptLine struct {
	Name  string
	Value string
	// Strong marks the total.
	Strong bool
}

// Lines are a receipt's sums in order: the purchase, discounts and taxes, the total, refunds.
func (m *ReceiptModel) Lines() []ReceiptLine {
	lines := []ReceiptLine{{Name: m.item(), Value: m.Price.String()}}
	between := m.Total.Minor - m.Price.Minor
	if m.Discount.Minor > 0 {
		between += m.Discount.Minor
		lines = append(lines, ReceiptLine{Name: "Discount", Value: negative(m.Discount)})
	}
	for _, t := range m.Taxes {
		if !t.Included {
			between -= t.Amount.Minor
			lines = append(lines, ReceiptLine{Name: t.name(), Value: t.Amount.String()})
		}
	}
	if between != 0 {
		lines = append(lines, ReceiptLine{
			Name:  "Tax and discounts",
			Value: money.Amount{Minor: between, Currency: m.Total.Currency}.String(),
		})
	}
	lines = append(lines, ReceiptLine{
		Name:   "Total paid",
		Value:  m.Total.String(),
		Strong: true,
	})
	for _, t := range m.Taxes {
		if t.Included {
			lines = append(lines, ReceiptLine{Name: "Includes " + t.name(), Value: t.Amount.String()})
		}
	}
	if m.Refunded.Minor > 0 {
		lines = append(lines, ReceiptLine{Name: m.refundedText(), Value: negative(m.Refunded)})
	}
	return lines
}

func (m *ReceiptModel) item() string { return m.PackName + ", " + Tokens(m.Tokens) }

// PaidWith is what it was paid with; empty when that is not known.
func (m *ReceiptModel) PaidWith() string {
	if m.Total.Minor == 0 {
		return "Nothing to pay"
	}
	return m.Card
}

// TokenText describes the tokens: "500 tokens, they never expire".
func (m *ReceiptModel) TokenText() string {
	text := Tokens(m.Tokens)
	if m.Owed > 0 {
		text += ", " + Number(min(m.Owed, m.Tokens)) + " of them for tokens owed from before"
	}
	if m.Refunded.Minor > 0 {
		return text + "." // some or all of them went back with the money
	}
	if m.ExpiresAt.IsZero() {
		return text + ". They never expire."
	}
	return text + ". They can be used until " + m.Layout.end(m.ExpiresAt).Calendar() + "."
}

// Paid is the day of the payment, in the creator's zone.
func (m *ReceiptModel) Paid() string { return m.Layout.when(m.PaidAt).Calendar() }

func (m *ReceiptModel) refundedText() string {
	if m.RefundedAt.IsZero() {
		return "Refunded"
	}
	return "Refunded on " + m.Layout.when(m.RefundedAt).Calendar()
}

// ProviderLabel is the link to the provider's own receipt: "Open Stripe's receipt".
func (m *ReceiptModel) ProviderLabel() string { return "Open " + m.Provider + "'s receipt" }

func (t *TaxModel) name() string {
	name := t.Name
	if t.Rate != "" {
		name += " " + t.Rate + "%"
	}
	if t.Reverse {
		name += ", reverse charge: the buyer accounts for it"
	}
	return name
}

func negative(a money.Amount) string {
	return money.Amount{Minor: -a.Minor, Currency: a.Currency}.String()
}

// text is the state of a purchase, short enough for a table.
func (r *PurchaseRow) text() string {
	switch r.Status {
	case RowStatusComing:
		return "On its way"
	case RowStatusPaid:
		if r.Refunded.Minor > 0 {
			return r.Refunded.String() + " refunded"
		}
		return "Paid"
	case RowStatusFailed:
		return "Not paid"
	case RowStatusDeclined:
		return "Card declined"
	case RowStatusConfirm:
		return "Bank asks you to confirm"
	case RowStatusClosed:
		return "Closed, not paid"
	case RowStatusRefunded:
		return "Refunded"
	case RowStatusDisputed:
		return "Disputed"
	case RowStatusUnpaid:
	}
	return "Not paid yet"
}

// standingClass is the colour of a purchase's state.
func (r *PurchaseRow) standingClass() string {
	switch r.Status {
	case RowStatusPaid:
		if r.Refunded.Minor == 0 {
			return "text-ok"
		}
	case RowStatusFailed, RowStatusDeclined, RowStatusConfirm:
		return "text-bad"
	case RowStatusDisputed:
		return "text-warn"
	case RowStatusUnpaid, RowStatusComing, RowStatusClosed, RowStatusRefunded:
	}
	return "text-soft"
}

// detail is the second line, below the pack.
func (r *PurchaseRow) detail() string {
	parts := []string{Tokens(r.Tokens)}
	if r.Auto {
		parts = append(parts, "Auto top-up")
	}
	return strings.Join(parts, ", ")
}
