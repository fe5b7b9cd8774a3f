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

// Status says where a purchase stands.
type Status string

// The states of a purchase.
const (
	StatusPending    Status = "pending"    // ordered; nothing is known of a payment
	StatusProcessing Status = "processing" // the buyer is done, the money is on its way
	// paid, and the tokens are in the ledger; part of the money may have gone back
	StatusCompleted Status = "completed"
	StatusFailed    Status = "failed"   // the money did not come
	StatusExpired   Status = "expired"  // the checkout was left until it closed
	StatusRefunded  Status = "refunded" // all of the money went back
	StatusDisputed  Status = "disputed" // the buyer's bank wants the money back: the tokens wait
)

// Failure says why the money for a purchase did not come.
type Failure string

// The reasons that are known.
const (
	FailureDeclined Failure = "declined"       // the card's bank said no
	FailureConfirm  Failure = "authentication" // the bank wants the buyer to confirm the payment
	FailureRefused  Failure = "refused"        // the provider takes nothing with what is kept
	FailureTooMuch  Failure = "too_much"       // with tax it would have been more than its creator allows in a month
)

// Purchase is an order of a pack, at the price and for the tokens of the time of ordering.
type Purchase struct {
	ID          uuid.UUID
	AccountID   uuid.UUID
	Pack        string
	Tokens      tokens.Amount
	Price       money.Amount // before tax and discounts
	Status      Status
	CheckoutURL string        // where it is paid
	ReturnPath  string        // the page of ours that the creator came from; empty: none
	Owed        tokens.Amount // what was owed when it was ordered, and comes off the tokens
	Paid        money.Amount  // after tax and discounts; zero until it is paid
	Refunded    money.Amount  // what went back of that, or was lost to a dispute
	Card        string        // "Visa 4242"; empty until it is paid, or when the provider does not tell
	CreatedAt   time.Time
	UpdatedAt   time.Time
	CompletedAt time.Time     // when its tokens came; zero until then
	Auto        bool          // an auto top-up: charged without the buyer
	Failure     Failure       // why the payment failed; empty when it did not, when that is open, and when unknown
	Bill        *payment.Bill // what the provider has put on its bill; nil until it has told
	Open        bool          // the provider has just reported it unpaid and payable; only Refresh sets it

	expiresDays int
	provider    string
	session     string // the provider's checkout; empty until the provider has answered
	payment     string // the provider's id of the payment; empty until it is known, and where no money was needed
	customer    string
	keepMethod  bool
	method      string // what an auto purchase is charged to
	most        int64  // what may be taken for it, in minor units
	fingerprint []byte
	refunds     int64 // given back, in minor units
	lost        int64 // lost to disputes
	disputed    bool  // a dispute is open
	returning   bool  // its buyer wants to give it back untouched, so it must stay so
	takenBack   bool  // it cost nothing and was given back
	version     int64 // counts what is known of money that went back
	applied     int64 // the version that the books agree with
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
	p.Refunded = money.Amount{Minor: p.moneyBack(), Currency: p.Price.Currency}
	return p, err
}

// Ordered is the purchase as it was answered when it was ordered: a replay of the order answers the same.
func (p Purchase) Ordered() Purchase {
	p.Status, p.Failure, p.Card, p.Bill = StatusPending, "", "", nil
	p.UpdatedAt, p.CompletedAt = p.CreatedAt, time.Time{}
	p.Paid.Minor, p.Refunded.Minor = 0, 0
	return p
}

// expiry is when the tokens of a pack expire that is credited now; zero: never.
func (p *Purchase) expiry(now time.Time) time.Time {
	if p.expiresDays == 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, p.expiresDays)
}

// credited says whether its tokens are in the ledger for all we know.
func (p *Purchase) credited() bool { return !p.CompletedAt.IsZero() }

// Returning says whether its buyer gives it back just now, and nothing has gone back yet: it will,
// whatever broke off.
func (p *Purchase) Returning() bool { return p.returning && !p.allBack() }

// WhollyBack says whether nothing of it is left to its buyer, also while the books do not say so yet.
func (p *Purchase) WhollyBack() bool { return p.allBack() }

// moneyBack is what went back of the money that was paid, in minor units.
func (p *Purchase) moneyBack() int64 { return min(p.refunds+p.lost, p.Paid.Minor) }

// allBack says whether nothing of the purchase is left to its buyer.
func (p *Purchase) allBack() bool {
	return p.takenBack || (p.Paid.Minor > 0 && p.moneyBack() == p.Paid.Minor)
}

// tokensBack are the tokens that go back with the money: the same part of them, and never more than
// that part.
func (p *Purchase) tokensBack() tokens.Amount {
	if p.allBack() {
		return p.Tokens
	}
	if p.moneyBack() <= 0 {
		return 0
	}
	high, low := bits.Mul64(uint64(p.Tokens), uint64(p.moneyBack()))
	part, _ := bits.Div64(high, low, uint64(p.Paid.Minor))
	return tokens.Amount(part)
}

// standing is the status of a purchase that was credited.
func (p *Purchase) standing() Status {
	switch {
	case p.allBack():
		return StatusRefunded
	case p.disputed:
		return StatusDisputed
	}
	return StatusCompleted
}
