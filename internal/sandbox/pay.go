package sandbox

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Card is a test card; each has another outcome.
type Card string

// The test cards, and stand-ins for a bank debit and a coupon.
const (
	CardGood     Card = "4242" // paid at once
	CardDeclined Card = "0002" // declined; the checkout stays open for another card
	CardDisputed Card = "0259" // paid and disputed at once
	CardLater    Card = "0341" // paid at once; a later charge without the buyer is declined
	CardConfirm  Card = "3155" // paid at once; a later charge needs authentication by the buyer
	BankDebit    Card = "6789" // pending until Arrive or Bounce
	Coupon       Card = "FREE" // takes all of the price off
)

// outcome is the effect of a card on a session.
type outcome struct {
	paid   PaymentStatus
	shown  string // the card's display name
	events []string
}

var outcomesOf = map[Card]outcome{
	CardGood:     {Paid, "Visa 4242", []string{"checkout.session.completed"}},
	CardDisputed: {Paid, "Visa 0259", []string{"checkout.session.completed", "charge.dispute.created"}},
	CardLater:    {Paid, "Visa 0341", []string{"checkout.session.completed"}},
	CardConfirm:  {Paid, "Visa 3155", []string{"checkout.session.completed"}},
	BankDebit:    {Unpaid, "", []string{"checkout.session.completed"}},
	Coupon:       {Free, "", []string{"checkout.session.completed"}},
}

// Pay pays a session with the good card.
func (p *Provider) Pay(ctx context.Context, id string) (redirectURL string, err error) {
	return p.PayWith(ctx, id, CardGood)
}

const sqlPay = `update sandbox_sessions set status = 'complete', payment_status = $3, card = $4, payment = nullif($5, ''),
		total_minor = case when $3 = 'no_payment_required' then 0 else amount_minor + $9 end, dispute = $6,
		tax_minor = case when $3 = 'no_payment_required' then 0 else $9 end, company = $7, tax_id = $8,
		method = case when keep_method then $10 else '' end
	where id = $1 and status = 'open' and expires_at > $2
	returning ` + sessionColumns

// PayWith pays a session with a card and returns where the browser continues. Payment and event are one
// transaction, and a second payment has no effect. Errors: ErrCard for an unknown card, ErrExpired,
// ErrNoSession. A declined card leads back to the checkout page.
func (p *Provider) PayWith(ctx context.Context, id string, card Card) (redirectURL string, err error) {
	return p.PayAs(ctx, id, card, Buyer{})
}

// PayAs is PayWith with the buyer's company, which a declined card discards. Errors as PayWith, and kind
// Unprocessable (fields "company", "tax_id").
func (p *Provider) PayAs(ctx context.Context, id string, card Card, buyer Buyer) (redirectURL string, err error) {
	if err := buyer.check(); err != nil {
		return "", err
	}
	if card == CardDeclined {
		return p.o.BaseURL + "/sandbox/checkout/" + id, p.Decline(ctx, id)
	}
	o, ok := outcomesOf[card]
	if !ok {
		return "", ErrCard
	}
	paid, dispute := "pi_"+strings.TrimPrefix(id, "cs_test_"), ""
	if o.paid == Free {
		paid = ""
	}
	if card == CardDisputed {
		dispute = "open"
	}
	was, err := p.Session(ctx, id) // its amount never changes
	if err != nil {
		return "", err
	}
	method, err := p.keep(ctx, id, card)
	if err != nil {
		return "", err
	}
	s, err := p.change(ctx, o.events, sqlPay, id, p.o.Clock(), string(o.paid), o.shown, paid, dispute,
		buyer.Company, buyer.TaxID, was.VAT(buyer.VAT), method)
	if errors.Is(err, pgx.ErrNoRows) {
		return p.alreadyClosed(ctx, id)
	}
	return s.SuccessURL, err
}

// change updates a session and records the events in one transaction. pgx.ErrNoRows if the session's state
// does not allow it.
func (p *Provider) change(ctx context.Context, events []string, sql string, args ...any) (s Session, err error) {
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		if s, err = p.scan(tx.QueryRow(ctx, sql, args...)); err != nil {
			return err
		}
		for _, kind := range events {
			if err := p.record(ctx, tx, kind, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return s, errUnavailable.Wrap(err)
	}
	p.wakeUp()
	return s, err
}

// alreadyClosed answers a payment of a closed session: the second of two clicks, or a late one.
func (p *Provider) alreadyClosed(ctx context.Context, id string) (redirectURL string, err error) {
	s, err := p.Session(ctx, id)
	if err != nil {
		return "", err
	}
	if s.Status != Complete {
		return "", ErrExpired
	}
	return s.SuccessURL, nil
}

const sqlArrive = `update sandbox_sessions set payment_status = 'paid', failed = false
	where id = $1 and status = 'complete' and payment_status = 'unpaid' and not failed
	returning ` + sessionColumns

// Arrive completes a bank debit. ErrNotPaid if none is pending.
func (p *Provider) Arrive(ctx context.Context, id string) error {
	return p.must(p.change(ctx, []string{"checkout.session.async_payment_succeeded"}, sqlArrive, id))
}

const sqlBounce = `update sandbox_sessions set failed = true
	where id = $1 and status = 'complete' and payment_status = 'unpaid' and not failed
	returning ` + sessionColumns

// Bounce fails a bank debit. ErrNotPaid if none is pending.
func (p *Provider) Bounce(ctx context.Context, id string) error {
	return p.must(p.change(ctx, []string{"checkout.session.async_payment_failed"}, sqlBounce, id))
}

const sqlDispute = `update sandbox_sessions set dispute = $2
	where id = $1 and payment_status = 'paid' and dispute = $3
	returning ` + sessionColumns

// OpenDispute opens a dispute over a payment. ErrNotPaid if there is no such payment.
func (p *Provider) OpenDispute(ctx context.Context, id string) error {
	return p.must(p.change(ctx, []string{"charge.dispute.created"}, sqlDispute, id, "open", ""))
}

// CloseDispute ends a dispute: won, or lost with all of the money. ErrNotPaid if none is open.
func (p *Provider) CloseDispute(ctx context.Context, id string, won bool) error {
	state := "lost"
	if won {
		state = "won"
	}
	return p.must(p.change(ctx, []string{"charge.dispute.closed"}, sqlDispute, id, state, "open"))
}

func (*Provider) must(_ Session, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotPaid
	}
	return err
}

const sqlDecline = `update sandbox_sessions set declines = declines + 1
	where id = $1 and status = 'open' and expires_at > $2`

// Decline counts a declined card; the session stays open for another try. Errors: ErrPaid, ErrExpired,
// ErrNoSession.
func (p *Provider) Decline(ctx context.Context, id string) error {
	tag, err := p.pool.Exec(ctx, sqlDecline, id, p.o.Clock())
	if err != nil {
		return errUnavailable.Wrap(err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	if _, err := p.alreadyClosed(ctx, id); err != nil {
		return err
	}
	return ErrPaid
}

// Cancel returns where the browser goes if the buyer turns back. As at Stripe the session can still be paid
// until it expires.
func (p *Provider) Cancel(ctx context.Context, id string) (redirectURL string, err error) {
	s, err := p.Session(ctx, id)
	return s.CancelURL, err
}
