package sandbox

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Card is what a buyer pays with: one for each way in which a payment can go.
type Card string

// The test cards, and what stands in for a bank and a coupon.
const (
	CardGood     Card = "4242" // paid at once
	CardDeclined Card = "0002" // declined; the checkout stays open for another card
	CardDisputed Card = "0259" // paid at once, and disputed at once
	CardLater    Card = "0341" // paid at once; declined when it is charged later, without the buyer
	CardConfirm  Card = "3155" // paid at once; charged later, its bank wants the buyer to confirm that
	BankDebit    Card = "6789" // the money is on its way: Arrive or Bounce ends that
	Coupon       Card = "FREE" // takes all of the price off
)

// outcome is what paying with a card makes of a session.
type outcome struct {
	paid   PaymentStatus
	shown  string // the card as it is shown afterwards
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

// PayWith pays a session with a card and answers where the browser goes next. Payment and event are
// one transaction; paying twice is paying once. ErrCard for a card that is not known, ErrExpired
// when it is too late, ErrNoSession when there is none. A declined card leads back to the
// checkout's own page.
func (p *Provider) PayWith(ctx context.Context, id string, card Card) (redirectURL string, err error) {
	return p.PayAs(ctx, id, card, Buyer{})
}

// PayAs is PayWith for a buyer who says who they are. A declined card forgets it again. Errors as
// PayWith, and kind Unprocessable (fields "company", "tax_id").
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

// change changes a session and records the events of that, in one transaction. pgx.ErrNoRows when
// the session is not in the state for it.
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

// alreadyClosed answers a payment of a session that is not open: the second of two clicks, or one
// that comes too late.
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

// Arrive plays a bank debit whose money comes. ErrNotPaid when none is under way.
func (p *Provider) Arrive(ctx context.Context, id string) error {
	return p.must(p.change(ctx, []string{"checkout.session.async_payment_succeeded"}, sqlArrive, id))
}

const sqlBounce = `update sandbox_sessions set failed = true
	where id = $1 and status = 'complete' and payment_status = 'unpaid' and not failed
	returning ` + sessionColumns

// Bounce plays a bank debit whose money does not come. ErrNotPaid when none is under way.
func (p *Provider) Bounce(ctx context.Context, id string) error {
	return p.must(p.change(ctx, []string{"checkout.session.async_payment_failed"}, sqlBounce, id))
}

const sqlDispute = `update sandbox_sessions set dispute = $2
	where id = $1 and payment_status = 'paid' and dispute = $3
	returning ` + sessionColumns

// OpenDispute plays a bank that wants a payment back, and CloseDispute the end of that. ErrNotPaid
// when there is no such payment or dispute.
func (p *Provider) OpenDispute(ctx context.Context, id string) error {
	return p.must(p.change(ctx, []string{"charge.dispute.created"}, sqlDispute, id, "open", ""))
}

// CloseDispute ends a dispute: won, or lost with all of the money.
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

// Decline plays a card that is refused: it is counted, and the session stays open for another try.
// ErrPaid or ErrExpired when the session is closed, ErrNoSession when there is none.
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

// Cancel answers where a browser goes that turns back. As at Stripe the session stays as it is: it
// can still be paid until it expires.
func (p *Provider) Cancel(ctx context.Context, id string) (redirectURL string, err error) {
	s, err := p.Session(ctx, id)
	return s.CancelURL, err
}
