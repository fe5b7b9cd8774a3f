package sandbox

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/payment"
)

// Stripe's codes of failed charges and their reasons.
const (
	codeDeclined = "card_declined"
	codeConfirm  = "authentication_required"
)

var reasons = map[string]payment.Reason{codeDeclined: payment.Declined, codeConfirm: payment.NeedsBuyer}

// later maps each card to the failure of a later charge, empty for none. Other cards cannot be stored.
var later = map[Card]string{
	CardGood:    "",
	CardLater:   codeDeclined,
	CardConfirm: codeConfirm,
}

const sqlKeepMethod = `insert into sandbox_methods (id, customer, card)
	select $2, customer, $3 from sandbox_sessions where id = $1 and keep_method and status = 'open'`

// keep stores the card of a session, if the buyer agreed, and returns its id; empty if it is not stored.
func (p *Provider) keep(ctx context.Context, id string, card Card) (string, error) {
	if _, keeps := later[card]; !keeps {
		return "", nil
	}
	method := "pm_" + rand.Text()
	tag, err := p.pool.Exec(ctx, sqlKeepMethod, id, method, string(card))
	if err != nil {
		return "", errUnavailable.Wrap(err)
	}
	if tag.RowsAffected() == 0 {
		return "", nil
	}
	return method, nil
}

const sqlCharge = `insert into sandbox_sessions (id, idempotency_key, client_reference, amount_minor, total_minor, currency, description, success_url,
		cancel_url, status, payment_status, card, payment, failed, reason, customer, method, created_at, expires_at)
	values ($1, $2, $3, $4, $4, $5, $6, '', '', 'complete', $7, $8, $1, $9, $10, $11, $12, $13, $13)
	on conflict (idempotency_key) do nothing
	returning ` + sessionColumns

// Charge charges a stored card; idempotent per reference. payment.ErrNoMethod if it is not stored, or
// belongs to another customer.
func (p *Provider) Charge(ctx context.Context, c payment.Charge) (payment.Checkout, error) {
	if c.Price.Minor > c.Most {
		return payment.Checkout{}, payment.ErrTooMuch
	}
	if err := payable(c.Price); err != nil {
		return payment.Checkout{}, err
	}
	key := "charge-" + c.Reference
	if first, err := p.checkoutBy(ctx, "idempotency_key", key); !errors.Is(err, payment.ErrNone) {
		return first, err
	}
	var card Card
	err := p.pool.QueryRow(ctx, `select card from sandbox_methods where id = $1 and customer = $2`, c.Method,
		c.Customer).Scan(&card)
	if errors.Is(err, pgx.ErrNoRows) {
		return payment.Checkout{}, payment.ErrNoMethod
	}
	if err != nil {
		return payment.Checkout{}, errUnavailable.Wrap(err)
	}
	code, paid, event := later[card], Paid, "payment_intent.succeeded"
	if code != "" {
		paid, event = Unpaid, "payment_intent.payment_failed"
	}
	_, err = p.change(ctx, []string{event}, sqlCharge, "pi_"+rand.Text(), key, c.Reference, c.Price.Minor,
		c.Price.Currency, c.Description, string(paid),
		"Visa "+string(card), code != "", code, c.Customer, c.Method, p.o.Clock())
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return payment.Checkout{}, err
	}
	return p.checkoutBy(ctx, "idempotency_key", key) // also if a concurrent request with this reference was first
}

// Forget deletes a stored card. payment.ErrNone if it is unknown.
func (p *Provider) Forget(ctx context.Context, method string) error {
	tag, err := p.pool.Exec(ctx, `delete from sandbox_methods where id = $1`, method)
	if err != nil {
		return errUnavailable.Wrap(err)
	}
	if tag.RowsAffected() == 0 {
		return payment.ErrNone
	}
	return nil
}
