package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/stripe/stripe-go/v85"

	"pop.store/credits/internal/money"
)

// event has the fields of Stripe's events that a receiver of checkout events can rely on.
type event struct {
	ID              string       `json:"id"`
	Object          string       `json:"object"`
	APIVersion      string       `json:"api_version"`
	Created         int64        `json:"created"`
	Data            eventData    `json:"data"`
	Livemode        bool         `json:"livemode"`
	PendingWebhooks int          `json:"pending_webhooks"`
	Request         eventRequest `json:"request"`
	Type            string       `json:"type"`
}

type eventData struct {
	Object any `json:"object"`
}

// eventRequest is empty: a buyer caused the event, not an API request.
type eventRequest struct {
	ID             *string `json:"id"`
	IdempotencyKey *string `json:"idempotency_key"`
}

// checkoutSession is an event's snapshot of a session.
type checkoutSession struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	AmountSubtotal    int64             `json:"amount_subtotal"`
	AmountTotal       int64             `json:"amount_total"`
	CancelURL         string            `json:"cancel_url"`
	ClientReferenceID string            `json:"client_reference_id"`
	Created           int64             `json:"created"`
	Currency          string            `json:"currency"`
	Customer          *string           `json:"customer"`
	CustomerDetails   *customerDetails  `json:"customer_details"`
	ExpiresAt         int64             `json:"expires_at"`
	Livemode          bool              `json:"livemode"`
	Metadata          map[string]string `json:"metadata"`
	Mode              string            `json:"mode"`
	PaymentIntent     *string           `json:"payment_intent"`
	PaymentStatus     PaymentStatus     `json:"payment_status"`
	Status            Status            `json:"status"`
	SuccessURL        string            `json:"success_url"`
	TotalDetails      totalDetails      `json:"total_details"`
}

// customerDetails are null until the session is paid.
type customerDetails struct {
	BusinessName *string `json:"business_name"`
	Name         *string `json:"name"`
	TaxIDs       []taxID `json:"tax_ids"`
}

type taxID struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// totalDetails lack the breakdown. As at Stripe it has to be fetched.
type totalDetails struct {
	AmountDiscount int64 `json:"amount_discount"`
	AmountShipping int64 `json:"amount_shipping"`
	AmountTax      int64 `json:"amount_tax"`
}

// charge is an event's snapshot of a refunded payment.
type charge struct {
	ID             string `json:"id"`
	Object         string `json:"object"`
	Amount         int64  `json:"amount"`
	AmountRefunded int64  `json:"amount_refunded"`
	Currency       string `json:"currency"`
	Livemode       bool   `json:"livemode"`
	PaymentIntent  string `json:"payment_intent"`
	Refunded       bool   `json:"refunded"`
}

// paymentIntent is an event's snapshot of an auto purchase.
type paymentIntent struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`
	Amount           int64             `json:"amount"`
	Created          int64             `json:"created"`
	Currency         string            `json:"currency"`
	Customer         string            `json:"customer"`
	LastPaymentError *paymentError     `json:"last_payment_error"`
	Livemode         bool              `json:"livemode"`
	Metadata         map[string]string `json:"metadata"`
	PaymentMethod    *string           `json:"payment_method"`
	Status           string            `json:"status"`
}

type paymentError struct {
	Type string `json:"type"`
	Code string `json:"code"`
}

// dispute is an event's snapshot of a dispute.
type dispute struct {
	ID            string `json:"id"`
	Object        string `json:"object"`
	Amount        int64  `json:"amount"`
	Charge        string `json:"charge"`
	Currency      string `json:"currency"`
	Livemode      bool   `json:"livemode"`
	PaymentIntent string `json:"payment_intent"`
	Status        string `json:"status"`
}

const sqlRecord = `insert into sandbox_events (id, body, created_at, next_attempt_at, attempts, copies) values ($1, $2, $3, $4, $5, $6)`

// record puts an event about a session into the outbox, due at once unless Misbehave delays it.
func (p *Provider) record(ctx context.Context, tx pgx.Tx, kind string, s Session) error {
	now := p.o.Clock()
	e := event{
		ID:              "evt_" + rand.Text(),
		Object:          "event",
		APIVersion:      stripe.APIVersion,
		Created:         now.Unix(),
		PendingWebhooks: 1,
		Type:            kind,
		Data:            eventData{Object: object(kind, s)},
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	var d Delivery
	if p.o.Misbehave != nil {
		d = p.o.Misbehave(kind)
	}
	attempts := 0
	if d.Never {
		attempts = maxAttempts
	}
	_, err = tx.Exec(ctx, sqlRecord, e.ID, string(body), now, now.Add(d.Late), attempts, d.Again)
	return err
}

// units converts minor units to Stripe's units, which events use.
func (s *Session) units(minor int64) int64 {
	return money.Amount{Minor: minor, Currency: s.Amount.Currency}.StripeUnits()
}

// object returns the snapshot of an event of this kind.
func object(kind string, s Session) any {
	currency := strings.ToLower(s.Amount.Currency)
	switch {
	case strings.HasPrefix(kind, "charge.dispute."):
		return dispute{
			ID:            s.disputeID(),
			Object:        "dispute",
			Amount:        s.units(s.Total),
			Charge:        s.chargeID(),
			Currency:      currency,
			PaymentIntent: s.Payment,
			Status:        disputeStatuses[s.Dispute],
		}
	case strings.HasPrefix(kind, "payment_intent."):
		return intent(s, currency)
	case strings.HasPrefix(kind, "charge."):
		return charge{
			ID:             s.chargeID(),
			Object:         "charge",
			Amount:         s.units(s.Total),
			AmountRefunded: s.units(s.Refunded),
			Currency:       currency,
			PaymentIntent:  s.Payment,
			Refunded:       s.Refunded == s.Total,
		}
	}
	return snapshot(s)
}

// intent is a payment intent. As at Stripe a failed one has no method and could be paid with another.
func intent(s Session, currency string) paymentIntent {
	i := paymentIntent{
		ID:            s.ID,
		Object:        "payment_intent",
		Amount:        s.units(s.Total),
		Created:       s.CreatedAt.Unix(),
		Currency:      currency,
		Customer:      s.Customer,
		Metadata:      map[string]string{"purchase": s.ClientReference},
		PaymentMethod: unlessEmpty(s.Method),
		Status:        "succeeded",
	}
	if s.Failed {
		i.Status, i.PaymentMethod, i.LastPaymentError = "requires_payment_method", nil,
			&paymentError{Type: "card_error", Code: s.Reason}
	}
	return i
}

var disputeStatuses = map[string]string{
	"open": "needs_response",
	"won":  "won",
	"lost": "lost",
}

func (s *Session) chargeID() string  { return strings.Replace(s.Payment, "pi_", "ch_", 1) }
func (s *Session) disputeID() string { return strings.Replace(s.Payment, "pi_", "dp_", 1) }

func snapshot(s Session) checkoutSession {
	return checkoutSession{
		ID:                s.ID,
		Object:            "checkout.session",
		AmountSubtotal:    s.units(s.Amount.Minor),
		AmountTotal:       s.units(s.Total),
		CancelURL:         s.CancelURL,
		ClientReferenceID: s.ClientReference,
		Created:           s.CreatedAt.Unix(),
		Currency:          strings.ToLower(s.Amount.Currency),
		Customer:          unlessEmpty(s.Customer),
		CustomerDetails:   s.details(),
		TotalDetails:      totalDetails{AmountDiscount: s.units(s.discount()), AmountTax: s.units(s.Tax)},
		ExpiresAt:         s.ExpiresAt.Unix(),
		Metadata:          map[string]string{},
		Mode:              "payment",
		PaymentIntent:     unlessEmpty(s.Payment),
		PaymentStatus:     s.PaymentStatus,
		Status:            s.Status,
		SuccessURL:        s.SuccessURL,
	}
}

func (s *Session) details() *customerDetails {
	if s.Status != Complete {
		return nil
	}
	d := &customerDetails{
		BusinessName: unlessEmpty(s.Company),
		Name:         unlessEmpty(s.Company),
		TaxIDs:       []taxID{},
	}
	if s.TaxID != "" {
		d.TaxIDs = append(d.TaxIDs, taxID{Type: "unknown", Value: s.TaxID})
	}
	return d
}

func unlessEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
