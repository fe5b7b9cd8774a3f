package sandbox

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/stripe/stripe-go/v85"
)

// event is what Stripe sends. Only the members that a receiver of checkout events can rely on are there.
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
	Object checkoutSession `json:"object"`
}

// eventRequest is empty: no API request caused the event, a buyer did.
type eventRequest struct {
	ID             *string `json:"id"`
	IdempotencyKey *string `json:"idempotency_key"`
}

// checkoutSession is the event's snapshot of a session.
type checkoutSession struct {
	ID                string            `json:"id"`
	Object            string            `json:"object"`
	AmountSubtotal    int64             `json:"amount_subtotal"`
	AmountTotal       int64             `json:"amount_total"`
	CancelURL         string            `json:"cancel_url"`
	ClientReferenceID string            `json:"client_reference_id"`
	Created           int64             `json:"created"`
	Currency          string            `json:"currency"`
	ExpiresAt         int64             `json:"expires_at"`
	Livemode          bool              `json:"livemode"`
	Metadata          map[string]string `json:"metadata"`
	Mode              string            `json:"mode"`
	PaymentStatus     PaymentStatus     `json:"payment_status"`
	Status            Status            `json:"status"`
	SuccessURL        string            `json:"success_url"`
}

const sqlRecord = `insert into sandbox_events (id, body, created_at, next_attempt_at) values ($1, $2, $3, $3)`

// record puts an event about a session into the outbox, due at once.
func (p *Provider) record(ctx context.Context, tx pgx.Tx, kind string, s Session) error {
	now := p.o.Clock()
	e := event{
		ID: "evt_" + rand.Text(), Object: "event", APIVersion: stripe.APIVersion, Created: now.Unix(), PendingWebhooks: 1, Type: kind,
		Data: eventData{Object: snapshot(s)},
	}
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, sqlRecord, e.ID, string(body), now)
	return err
}

func snapshot(s Session) checkoutSession {
	return checkoutSession{
		ID: s.ID, Object: "checkout.session", AmountSubtotal: s.Amount.Minor, AmountTotal: s.Amount.Minor, CancelURL: s.CancelURL,
		ClientReferenceID: s.ClientReference, Created: s.CreatedAt.Unix(), Currency: strings.ToLower(s.Amount.Currency),
		ExpiresAt: s.ExpiresAt.Unix(), Metadata: map[string]string{}, Mode: "payment", PaymentStatus: s.PaymentStatus, Status: s.Status,
		SuccessURL: s.SuccessURL,
	}
}
