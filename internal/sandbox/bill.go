package sandbox

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// Buyer is what somebody may say of themselves when paying.
type Buyer struct {
	Company string
	TaxID   string
	VAT     bool // tax comes on top
}

// vatPercent is the sandbox's one tax.
const vatPercent = 20

// Limits of what a buyer says, in characters.
const (
	maxCompany = 120
	maxTaxID   = 40
)

func (b *Buyer) check() error {
	b.Company, b.TaxID = strings.TrimSpace(b.Company), strings.TrimSpace(b.TaxID)
	if !plain(b.Company, maxCompany) {
		return problem.Invalid("company", "must be at most %d characters, without control characters", maxCompany)
	}
	if !plain(b.TaxID, maxTaxID) {
		return problem.Invalid("tax_id", "must be at most %d characters, without control characters", maxTaxID)
	}
	return nil
}

func plain(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}

// VAT is what comes on top of a session's amount when there is tax, in minor units, rounded half up
// to what can be paid.
func (s *Session) VAT(taxed bool) int64 {
	if !taxed {
		return 0
	}
	step := money.Step(s.Amount.Currency)
	return (s.Amount.Minor*vatPercent + 50*step) / 100 / step * step
}

func (s *Session) discount() int64 { return s.Amount.Minor + s.Tax - s.Total }

// bill is what the receipt of a session that was paid says. Where nothing was paid there is none at
// the provider, as at Stripe.
func (s *Session) bill() *payment.Bill {
	b := &payment.Bill{
		Subtotal: s.Amount.Minor,
		Discount: s.discount(),
		Tax:      s.Tax,
		Total:    s.Total,
		Buyer:    payment.Buyer{Name: s.Company},
	}
	if s.TaxID != "" {
		b.Buyer.TaxIDs = []string{s.TaxID}
	}
	if s.Tax > 0 {
		b.Taxes = []payment.TaxLine{{
			Name:   "VAT",
			Rate:   "20",
			Amount: s.Tax,
		}}
	}
	if s.Payment != "" {
		b.ReceiptURL = strings.Replace(s.URL, "/sandbox/checkout/"+s.ID, "/sandbox/receipts/"+s.Payment, 1)
	}
	return b
}

// Receipt is the session that a payment was made in, for the provider's own receipt. ErrNoSession
// when there is no such payment, or its money did not come.
func (p *Provider) Receipt(ctx context.Context, paid string) (Session, error) {
	s, err := p.find(ctx, "payment", paid)
	if err == nil && s.PaymentStatus != Paid {
		err = ErrNoSession
	}
	return s, err
}
