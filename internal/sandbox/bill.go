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

// Buyer is what a buyer enters about a company.
type Buyer struct {
	Company string
	TaxID   string
	VAT     bool // tax is added
}

const vatPercent = 20

// Limits in characters.
const (
	maxCompany = 120
	maxTaxID   = 40
)

func (b *Buyer) check() error {
	b.Company, b.TaxID = strings.TrimSpace(b.Company), strings.TrimSpace(b.TaxID)
	if !checkText(b.Company, maxCompany) {
		return problem.Invalid("company", "must be at most %d characters, without control characters", maxCompany)
	}
	if !checkText(b.TaxID, maxTaxID) {
		return problem.Invalid("tax_id", "must be at most %d characters, without control characters", maxTaxID)
	}
	return nil
}

func checkText(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}

// VAT is the tax on a session's amount if the company is taxed, in minor units, rounded half up to a
// payable amount.
func (s *Session) VAT(taxed bool) int64 {
	if !taxed {
		return 0
	}
	step := money.Step(s.Amount.Currency)
	return (s.Amount.Minor*vatPercent + 50*step) / 100 / step * step
}

func (s *Session) discount() int64 { return s.Amount.Minor + s.Tax - s.Total }

// bill is the bill of a paid session. As at Stripe a free one has none.
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

// Receipt returns the session of a payment, for the provider's receipt page. ErrNoSession if there is no
// such payment, or it failed.
func (p *Provider) Receipt(ctx context.Context, paid string) (Session, error) {
	s, err := p.find(ctx, "payment", paid)
	if err == nil && s.PaymentStatus != Paid {
		err = ErrNoSession
	}
	return s, err
}
