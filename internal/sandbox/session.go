package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/money"
)

// Status is the state of a checkout session, as at Stripe.
type Status string

// An open session can be paid, a complete one was paid, an expired one never will be.
const (
	Open     Status = "open"
	Complete Status = "complete"
	Expired  Status = "expired"
)

// PaymentStatus is the state of the payment, as at Stripe.
type PaymentStatus string

const (
	Unpaid PaymentStatus = "unpaid"
	Paid   PaymentStatus = "paid"
	Free   PaymentStatus = "no_payment_required" // a coupon covers the price
)

// lifetime is how long a session can be paid, as at Stripe.
const lifetime = 24 * time.Hour

// SessionParams open a checkout session.
type SessionParams struct {
	IdempotencyKey  string // the same key returns the same session
	ClientReference string // our purchase id
	Amount          money.Amount
	Description     string // what is bought: "500 tokens"
	SuccessURL      string // where the browser goes after paying
	CancelURL       string // where it goes when the buyer turns back
	Customer        string // "cus_..."; empty: a new one
	KeepMethod      bool   // the card may be charged again later
}

// Session is one checkout.
type Session struct {
	ID              string // "cs_test_..."
	URL             string // its page
	ClientReference string
	Amount          money.Amount
	Total           int64  // after tax and discounts, in minor units
	Tax             int64  // the part of Total that was added as tax
	Company         string // the buyer's company; may be empty
	TaxID           string // the company's tax number
	Description     string
	Status          Status
	PaymentStatus   PaymentStatus
	Card            string // "Visa 4242"; empty until it is paid
	Declines        int    // how often a card was declined
	SuccessURL      string
	CancelURL       string
	Payment         string // "pi_..."; empty until it is paid
	Failed          bool   // the payment failed
	Refunded        int64  // in minor units
	Dispute         string // "open", "won", "lost"; empty: none
	Customer        string // "cus_..."
	KeepMethod      bool   // the card may be charged again later
	Method          string // "pm_..."; the stored or charged card; may be empty
	Reason          string // Stripe's code of a failed charge; empty: none
	CreatedAt       time.Time
	ExpiresAt       time.Time // an open session cannot be paid from then on
}

const sqlCreateSession = `insert into sandbox_sessions
	(id, idempotency_key, client_reference, amount_minor, currency, description, success_url, cancel_url, customer, created_at, expires_at, keep_method)
	values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
	on conflict (idempotency_key) do nothing`

// CreateSession opens a checkout; idempotent per key.
func (p *Provider) CreateSession(ctx context.Context, s SessionParams) (Session, error) {
	now := p.o.Clock()
	customer := cmp.Or(s.Customer, "cus_"+rand.Text())
	_, err := p.pool.Exec(ctx, sqlCreateSession, "cs_test_"+rand.Text(), s.IdempotencyKey, s.ClientReference,
		s.Amount.Minor, s.Amount.Currency,
		s.Description, s.SuccessURL, s.CancelURL, customer, now, now.Add(lifetime), s.KeepMethod)
	if err != nil {
		return Session{}, errUnavailable.Wrap(err)
	}
	return p.find(ctx, "idempotency_key", s.IdempotencyKey)
}

// Session returns a checkout. ErrNoSession if there is none, also for an auto purchase, which has no page.
func (p *Provider) Session(ctx context.Context, id string) (Session, error) {
	if strings.HasPrefix(id, "pi_") {
		return Session{}, ErrNoSession
	}
	return p.find(ctx, "id", id)
}

const sessionColumns = `id, client_reference, amount_minor, currency, coalesce(total_minor, amount_minor), description, status, payment_status, card,
	declines, success_url, cancel_url, coalesce(payment, ''), failed, refunded_minor, dispute, customer, created_at, expires_at,
	tax_minor, company, tax_id, keep_method, method, reason`

// find reads a session by a unique column.
func (p *Provider) find(ctx context.Context, column, value string) (Session, error) {
	s, err := p.scan(p.pool.QueryRow(ctx, "select "+sessionColumns+" from sandbox_sessions where "+column+" = $1",
		value))
	if errors.Is(err, pgx.ErrNoRows) {
		return Session{}, ErrNoSession
	}
	if err != nil {
		return Session{}, errUnavailable.Wrap(err)
	}
	// The sweep may be late, but the answer must not be.
	if s.Status == Open && !s.ExpiresAt.After(p.o.Clock()) {
		s.Status = Expired
	}
	return s, nil
}

func (p *Provider) scan(row pgx.Row) (Session, error) {
	var s Session
	err := row.Scan(&s.ID, &s.ClientReference, &s.Amount.Minor, &s.Amount.Currency, &s.Total, &s.Description,
		&s.Status, &s.PaymentStatus, &s.Card,
		&s.Declines, &s.SuccessURL, &s.CancelURL, &s.Payment, &s.Failed, &s.Refunded, &s.Dispute, &s.Customer,
		&s.CreatedAt, &s.ExpiresAt,
		&s.Tax, &s.Company, &s.TaxID, &s.KeepMethod, &s.Method, &s.Reason)
	s.URL = p.o.BaseURL + "/sandbox/checkout/" + s.ID
	s.CreatedAt, s.ExpiresAt = s.CreatedAt.UTC(), s.ExpiresAt.UTC()
	return s, err
}
