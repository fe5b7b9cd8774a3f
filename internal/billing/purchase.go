package billing

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/tokens"
)

// Status says where a purchase stands.
type Status string

// The states of a purchase.
const (
	StatusPending    Status = "pending"    // ordered; nothing is known of a payment
	StatusProcessing Status = "processing" // the buyer is done, the money is on its way
	StatusCompleted  Status = "completed"  // paid, and the tokens are in the ledger
	StatusFailed     Status = "failed"     // the money did not come
	StatusExpired    Status = "expired"    // the checkout was left until it closed
	StatusRefunded   Status = "refunded"   // the money went back
	StatusDisputed   Status = "disputed"   // the buyer's bank wants the money back
)

// Purchase is an order of a pack, at the price and for the tokens of the time of ordering.
type Purchase struct {
	ID          uuid.UUID
	Account     uuid.UUID
	Pack        string
	Tokens      tokens.Amount
	Price       money.Amount // before tax and discounts
	Status      Status
	CheckoutURL string       // where it is paid
	ReturnPath  string       // the page of ours that the creator came from; empty: none
	Paid        money.Amount // after tax and discounts; zero until it is paid
	Card        string       // "Visa 4242"; empty until it is paid, or when the provider does not tell
	CreatedAt   time.Time
	UpdatedAt   time.Time

	expiresDays int
	session     string // the provider's checkout; empty until the provider has answered
	fingerprint []byte
}

const purchaseColumns = `id, account, pack, tokens, price_minor, currency, status, checkout_url, return_path, coalesce(paid_minor, 0), card,
	created_at, updated_at, lot_expires_days, coalesce(provider_session, ''), fingerprint`

func scanPurchase(row pgx.CollectableRow) (Purchase, error) {
	var p Purchase
	err := row.Scan(&p.ID, &p.Account, &p.Pack, &p.Tokens, &p.Price.Minor, &p.Price.Currency, &p.Status, &p.CheckoutURL, &p.ReturnPath,
		&p.Paid.Minor, &p.Card, &p.CreatedAt, &p.UpdatedAt, &p.expiresDays, &p.session, &p.fingerprint)
	p.Paid.Currency = p.Price.Currency
	p.CreatedAt, p.UpdatedAt = p.CreatedAt.UTC(), p.UpdatedAt.UTC()
	return p, err
}

// expiry is when the tokens of a pack expire that is credited now; zero: never.
func (p *Purchase) expiry(now time.Time) time.Time {
	if p.expiresDays == 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, p.expiresDays)
}
