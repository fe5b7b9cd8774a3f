package sandbox

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// testCard is the card that every sandbox payment is made with.
const testCard = "Visa 4242"

const sqlPay = `update sandbox_sessions set status = 'complete', payment_status = 'paid', card = $3
	where id = $1 and status = 'open' and expires_at > $2
	returning ` + sessionColumns

// Pay pays a session and answers where the browser goes next. Payment and event are one transaction; paying twice is paying once.
// ErrExpired when it is too late, ErrNoSession when there is none.
func (p *Provider) Pay(ctx context.Context, id string) (redirectURL string, err error) {
	var paid Session
	err = pgx.BeginFunc(ctx, p.pool, func(tx pgx.Tx) error {
		paid, err = p.scan(tx.QueryRow(ctx, sqlPay, id, p.o.Clock(), testCard))
		if err != nil {
			return err
		}
		return p.record(ctx, tx, "checkout.session.completed", paid)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return p.alreadyClosed(ctx, id)
	}
	if err != nil {
		return "", errUnavailable.Because(err)
	}
	p.wakeUp()
	return paid.SuccessURL, nil
}

// alreadyClosed answers a payment of a session that is not open: the second of two clicks, or one that comes too late.
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

const sqlDecline = `update sandbox_sessions set declines = declines + 1
	where id = $1 and status = 'open' and expires_at > $2`

// Decline plays a card that is refused: it is counted, and the session stays open for another try. ErrPaid or ErrExpired when the
// session is closed, ErrNoSession when there is none.
func (p *Provider) Decline(ctx context.Context, id string) error {
	tag, err := p.pool.Exec(ctx, sqlDecline, id, p.o.Clock())
	if err != nil {
		return errUnavailable.Because(err)
	}
	if tag.RowsAffected() == 1 {
		return nil
	}
	if _, err := p.alreadyClosed(ctx, id); err != nil {
		return err
	}
	return ErrPaid
}

// Cancel answers where a browser goes that turns back. As at Stripe the session stays as it is: it can still be paid until it expires.
func (p *Provider) Cancel(ctx context.Context, id string) (redirectURL string, err error) {
	s, err := p.Session(ctx, id)
	return s.CancelURL, err
}
