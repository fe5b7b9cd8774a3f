package sandbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/stripepay"
)

// The methods of billing's Provider interface.

// Name is the provider's name on purchases.
func (*Provider) Name() string { return "sandbox" }

// Live is false: no real money moves.
func (*Provider) Live() bool { return false }

// Origin is empty: the checkout pages belong to the app.
func (*Provider) Origin() string { return "" }

// Open opens a checkout; idempotent per reference.
func (p *Provider) Open(ctx context.Context, o payment.Order) (payment.Checkout, error) {
	if err := payable(o.Price); err != nil {
		return payment.Checkout{}, err
	}
	s, err := p.CreateSession(ctx, SessionParams{
		IdempotencyKey:  o.Reference,
		ClientReference: o.Reference,
		Amount:          o.Price,
		Description:     o.Description,
		SuccessURL:      o.SuccessURL,
		CancelURL:       o.CancelURL,
		Customer:        o.Customer,
		KeepMethod:      o.KeepMethod,
	})
	return s.checkout(p.o.Clock()), err
}

// payable refuses the amounts that Stripe refuses: too small, too large, or with a last digit that cannot
// be paid.
func payable(price money.Amount) error {
	if _, err := price.Stripe(); err != nil {
		return fmt.Errorf("%w: %w", payment.ErrRefused, err)
	}
	if least, known := money.MinPayment(price.Currency); known && price.Minor < least.Minor {
		return fmt.Errorf("%w: amount_too_small: at least %s", payment.ErrRefused, least)
	}
	return nil
}

// Checkout returns the state of a checkout. payment.ErrNone if there is none.
func (p *Provider) Checkout(ctx context.Context, id string) (payment.Checkout, error) {
	return p.checkoutBy(ctx, "id", id)
}

const sqlClose = `update sandbox_sessions set status = 'expired' where id = $1 and status = 'open' returning ` +
	sessionColumns

// Close closes a checkout, if it is open, and returns its state. payment.ErrNone if there is none.
func (p *Provider) Close(ctx context.Context, id string) (payment.Checkout, error) {
	s, err := p.change(ctx, []string{"checkout.session.expired"}, sqlClose, id)
	if errors.Is(err, pgx.ErrNoRows) {
		return p.Checkout(ctx, id)
	}
	return s.checkout(p.o.Clock()), err
}

// CheckoutOf finds the checkout of a payment. payment.ErrNone if there is none.
func (p *Provider) CheckoutOf(ctx context.Context, paid string) (payment.Checkout, error) {
	return p.checkoutBy(ctx, "payment", paid)
}

func (p *Provider) checkoutBy(ctx context.Context, column, value string) (payment.Checkout, error) {
	s, err := p.find(ctx, column, value)
	if errors.Is(err, ErrNoSession) {
		return payment.Checkout{}, payment.ErrNone
	}
	return s.checkout(p.o.Clock()), err
}

func (s *Session) checkout(now time.Time) payment.Checkout {
	c := payment.Checkout{
		ID:        s.ID,
		URL:       s.URL,
		Reference: s.ClientReference,
		State:     s.state(),
		OneOff:    true,
		Price:     s.Amount,
		Total:     s.Total,
		Payment:   s.Payment,
		Customer:  s.Customer,
		Card:      s.Card,
		Refunded:  s.Refunded,
		Method:    s.Method,
	}
	if c.State == payment.Failed {
		c.Reason = reasons[s.Reason]
	}
	if s.Dispute != "" {
		amount := money.Amount{Minor: s.Total, Currency: s.Amount.Currency}
		c.Disputes = []payment.Dispute{{
			ID:     s.disputeID(),
			State:  payment.DisputeState(s.Dispute),
			Amount: amount,
			At:     now,
		}}
	}
	if c.State == payment.Paid {
		c.Bill = s.bill()
	}
	return c
}

func (s *Session) state() payment.State {
	switch {
	case s.PaymentStatus != Unpaid:
		return payment.Paid
	case s.Failed:
		return payment.Failed
	case s.Status == Complete:
		return payment.Waiting
	case s.Status == Expired:
		return payment.Expired
	}
	return payment.Open
}

const (
	sqlNoteRefund = `insert into sandbox_refunds (idempotency_key, session, amount_minor)
		select $1, id, $3 from sandbox_sessions where payment = $2 on conflict (idempotency_key) do nothing`
	sqlRefund = `update sandbox_sessions set refunded_minor = refunded_minor + $2
		where payment = $1 and currency = $3 and payment_status = 'paid' and dispute in ('', 'won') and refunded_minor + $2 <= total_minor
		returning ` + sessionColumns
)

// Refund refunds a part of a payment, once for each key. payment.ErrRefused if less is left, or it is
// disputed.
func (p *Provider) Refund(ctx context.Context, r payment.Refund) error {
	err := pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, sqlNoteRefund, r.Key, r.Payment, r.Amount.Minor)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return known(ctx, tx, r.Key)
		}
		s, err := p.scan(tx.QueryRow(ctx, sqlRefund, r.Payment, r.Amount.Minor, r.Amount.Currency))
		if errors.Is(err, pgx.ErrNoRows) {
			return payment.ErrRefused
		}
		if err != nil {
			return err
		}
		return p.record(ctx, tx, "charge.refunded", s)
	})
	if err == nil {
		p.wakeUp()
	}
	return err
}

// known returns nil if a refund with the key exists, else an error: there is no such payment.
func known(ctx context.Context, tx pgx.Tx, key string) error {
	var there bool
	err := tx.QueryRow(ctx, `select exists (select from sandbox_refunds where idempotency_key = $1)`,
		key).Scan(&there)
	if err == nil && !there {
		err = payment.ErrNone
	}
	return err
}

// CanVerify reports whether there is a secret to verify events with.
func (p *Provider) CanVerify() bool { return p.o.Secret != "" }

// Event verifies and reads a webhook. Errors: payment.ErrBadSignature, payment.ErrUnreadable.
func (p *Provider) Event(payload []byte, header string) (payment.Event, error) {
	return stripepay.Verify(payload, header, []string{p.o.Secret})
}

// eventPage is the number of events per page.
const eventPage = 100

const sqlEvents = `select body from sandbox_events
	where created_at between $1 and $2
		and ($3 = '' or (created_at, id) < (select created_at, id from sandbox_events where id = $3))
	order by created_at desc, id desc limit $4`

// Events lists the events between two instants, newest first, after the event with the given id.
func (p *Provider) Events(ctx context.Context, from, to time.Time, after string) (list []payment.Event, more bool,
	err error,
) {
	rows, err := p.pool.Query(ctx, sqlEvents, from, to, after, eventPage)
	if err != nil {
		return nil, false, errUnavailable.Wrap(err)
	}
	bodies, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, false, errUnavailable.Wrap(err)
	}
	for _, body := range bodies {
		e, err := stripepay.Parse([]byte(body))
		if err != nil {
			return nil, false, err
		}
		list = append(list, e)
	}
	return list, len(list) == eventPage, nil
}
