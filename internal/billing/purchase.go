package billing

import (
	"math/bits"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/tokens"
)

// Status is the state of a purchase.
type Status string

const (
	StatusPending    Status = "pending"    // ordered; no payment is known
	StatusProcessing Status = "processing" // the buyer has paid, the money is on its way
	// paid and credited; a part of the money may be refunded
	StatusCompleted Status = "completed"
	StatusFailed    Status = "failed"   // the payment failed
	StatusExpired   Status = "expired"  // the checkout closed unpaid
	StatusRefunded  Status = "refunded" // all of the money was refunded
	StatusDisputed  Status = "disputed" // a dispute is open: the tokens are frozen
)

// Failure is why a payment failed.
type Failure string

const (
	FailureDeclined Failure = "declined"       // the bank declined the card
	FailureConfirm  Failure = "authentication" // the bank wants the buyer to confirm the payment
	FailureRefused  Failure = "refused"        // the provider refuses to charge the stored method
	FailureTooMuch  Failure = "too_much"       // tax would exceed the creator's monthly limit
)

// Purchase is an order of a pack, at the price and with the tokens at the time of the order.
type Purchase struct {
	ID          uuid.UUID
	AccountID   uuid.UUID
	Pack        string
	Tokens      tokens.Amount
	Price       money.Amount // before tax and discounts
	Status      Status
	CheckoutURL string        // the provider's payment page
	ReturnPath  string        // the page of the app that the creator came from; may be empty
	Owed        tokens.Amount // debt at the time of the order, which is deducted from the tokens
	Paid        money.Amount  // after tax and discounts; zero until it is paid
	Refunded    money.Amount  // refunded or lost to a dispute
	Card        string        // "Visa 4242"; empty until it is paid, or if the provider does not report it
	CreatedAt   time.Time
	UpdatedAt   time.Time
	CompletedAt time.Time     // when its tokens were credited; zero until then
	Auto        bool          // an auto top-up: charged while the buyer is absent
	Failure     Failure       // why the payment failed; empty if it did not, or if the reason is unknown
	Bill        *payment.Bill // the provider's bill; nil while it is unknown
	Open        bool          // the provider has just reported it unpaid and payable; only Refresh sets it

	expiresDays int
	provider    string
	session     string // the provider's checkout; empty until it is open
	payment     string // the provider's id of the payment; empty while unknown, and for a free purchase
	customer    string
	keepMethod  bool
	method      string // the payment method that an auto purchase charges
	most        int64  // maximum charge in minor units
	fingerprint []byte
	refunds     int64 // refunded, in minor units
	lost        int64 // lost to disputes
	disputed    bool  // a dispute is open
	returning   bool  // the buyer is returning it unused: its tokens are frozen
	takenBack   bool  // it was free and was given back
	version     int64 // counts changes of the money that went back
	applied     int64 // the version that the ledger agrees with
}

const purchaseColumns = `id, account, pack, tokens, price_minor, currency, status, checkout_url, return_path, owed, coalesce(paid_minor, 0), card,
	created_at, updated_at, coalesce(completed_at, '0001-01-01'), lot_expires_days, provider, coalesce(provider_session, ''), coalesce(payment, ''),
	customer, keep_method, fingerprint, refunded_minor,
	coalesce((select sum(amount_minor) from purchase_disputes d where d.purchase = purchases.id and state = 'lost'), 0)::bigint,
	exists (select from purchase_disputes d where d.purchase = purchases.id and state = 'open'),
	exists (select from purchase_refunds r where r.purchase = purchases.id and r.done_at is null and r.untouched),
	taken_back, version, applied, auto, failure, method, most_minor, (select bill from purchase_bills b where b.purchase = purchases.id)`

func scanPurchase(row pgx.CollectableRow) (Purchase, error) {
	var p Purchase
	err := row.Scan(&p.ID, &p.AccountID, &p.Pack, &p.Tokens, &p.Price.Minor, &p.Price.Currency, &p.Status,
		&p.CheckoutURL, &p.ReturnPath, &p.Owed,
		&p.Paid.Minor, &p.Card, &p.CreatedAt, &p.UpdatedAt, &p.CompletedAt, &p.expiresDays, &p.provider,
		&p.session, &p.payment,
		&p.customer, &p.keepMethod, &p.fingerprint, &p.refunds, &p.lost, &p.disputed, &p.returning, &p.takenBack,
		&p.version, &p.applied,
		&p.Auto, &p.Failure, &p.method, &p.most, &p.Bill)
	p.CreatedAt, p.UpdatedAt, p.CompletedAt = p.CreatedAt.UTC(), p.UpdatedAt.UTC(), p.CompletedAt.UTC()
	p.Paid.Currency = p.Price.Currency
	p.Refunded = money.Amount{Minor: p.refundedMinor(), Currency: p.Price.Currency}
	return p, err
}

// Ordered is the purchase as the order's first answer showed it, for replays.
func (p Purchase) Ordered() Purchase {
	p.Status, p.Failure, p.Card, p.Bill = StatusPending, "", "", nil
	p.UpdatedAt, p.CompletedAt = p.CreatedAt, time.Time{}
	p.Paid.Minor, p.Refunded.Minor = 0, 0
	return p
}

// expiry is when the tokens expire if they are credited now; zero: never.
func (p *Purchase) expiry(now time.Time) time.Time {
	if p.expiresDays == 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, p.expiresDays)
}

// credited reports whether the tokens are known to be in the ledger.
func (p *Purchase) credited() bool { return !p.CompletedAt.IsZero() }

// Returning reports whether the buyer's return is under way. The job finishes an interrupted one.
func (p *Purchase) Returning() bool { return p.returning && !p.fullyRefunded() }

// FullyRefunded reports whether all of it is refunded. The ledger may not have taken the tokens back yet.
func (p *Purchase) FullyRefunded() bool { return p.fullyRefunded() }

// refundedMinor is the refunded or lost part of the payment, in minor units.
func (p *Purchase) refundedMinor() int64 { return min(p.refunds+p.lost, p.Paid.Minor) }

// fullyRefunded reports whether all of the purchase is refunded or lost.
func (p *Purchase) fullyRefunded() bool {
	return p.takenBack || (p.Paid.Minor > 0 && p.refundedMinor() == p.Paid.Minor)
}

// refundedTokens is the share of the tokens that belongs to the refunded money, rounded down.
func (p *Purchase) refundedTokens() tokens.Amount {
	if p.fullyRefunded() {
		return p.Tokens
	}
	if p.refundedMinor() <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(p.Tokens), uint64(p.refundedMinor()))
	part, _ := bits.Div64(high, low, uint64(p.Paid.Minor))
	return tokens.Amount(part)
}

// creditedStatus is the status of a credited purchase.
func (p *Purchase) creditedStatus() Status {
	switch {
	case p.fullyRefunded():
		return StatusRefunded
	case p.disputed:
		return StatusDisputed
	}
	return StatusCompleted
}
