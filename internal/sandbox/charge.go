package sandbox

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/payment"
)

// Stripe's words for a charge that did not come off, and what they mean.
const (
	codeDeclined = "card_declined"
	codeConfirm  = "authentication_required"
)

var reasons = map[string]payment.Reason{codeDeclined: payment.Declined, codeConfirm: payment.NeedsBuyer}

// later says what becomes of a card that is charged later, without the buyer: why it fails, or
// nothing. Cards that are not here cannot be kept.
var later = map[Card]string{
	CardGood:    "",
	CardLater:   codeDeclined,
	CardConfirm: codeConfirm,
}

const sqlKeepMethod = `insert into sandbox_methods (id, customer, card)
	select $2, customer, $3 from sandbox_sessions where id = $1 and keep_method and status = 'open'`

// keep keeps what a session is about to be paid with, if its buyer agreed to that, and answers its
// id: nothing when nothing is kept.
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

// Charge takes a payment with a card that is kept; the same reference takes the same one.
// payment.ErrNoMethod for one that is not kept, or is somebody else's.
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
	return p.checkoutBy(ctx, "idempotency_key", key) // also when another request with the reference was faster
}

// Forget keeps a card no longer. payment.ErrNone when it is not kept.
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
