package billing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"pop.store/credits/internal/idempotency"
	"pop.store/credits/internal/money"
	"pop.store/credits/internal/payment"
	"pop.store/credits/internal/problem"
)

// RefundParams request a refund of a purchase.
type RefundParams struct {
	Amount *money.Amount // nil: all that is left
	Reason string        // support's note
}

func (p RefundParams) fingerprint(purchase uuid.UUID, untouched bool) []byte {
	amount := "all"
	if p.Amount != nil {
		amount = fmt.Sprint(p.Amount.Minor, p.Amount.Currency)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "refund\x00%s\x00%s\x00%s\x00%t", purchase, amount, p.Reason, untouched))
	return sum[:]
}

var (
	ErrNotPaid = problem.New(problem.Conflict, "purchase_not_paid",
		"This purchase was not paid, so there is nothing to give back.")
	ErrAllRefunded = problem.New(problem.Conflict, "already_refunded",
		"All of this purchase's money went back already.")
	ErrDisputed = problem.New(problem.Conflict, "purchase_disputed",
		"This payment is in dispute: the bank decides where the money goes.")
	ErrRefused = problem.New(problem.Conflict, "refund_refused",
		"The payment provider does not give this money back.")
	ErrTouched = problem.New(problem.Conflict, "purchase_used",
		"Some of these tokens were used, so this pack cannot be returned.")
	ErrHeld = problem.New(problem.Conflict, "purchase_held",
		"Some of these tokens are held by a job under way. Try again when it is over.")
	ErrTooLate = problem.New(problem.Conflict, "return_too_late",
		"The time in which this pack could be returned is over.")
	// ErrRefundUnderWay is temporary: the refund under way decides how much is left.
	ErrRefundUnderWay = problem.New(problem.KindUnavailable, "refund_under_way",
		"Another refund of this purchase is under way. Try again with the same key.")
)

// refund is a requested refund.
type refund struct {
	id        uuid.UUID
	purchase  uuid.UUID
	account   uuid.UUID
	amount    int64
	untouched bool
	done      bool
}

// Refund returns money of a purchase and takes back the same share of its tokens. Spent tokens become debt,
// which the next purchase settles. The same key with the same request refunds once and returns the first
// answer. Errors: idempotency.ErrNoKey, idempotency.ErrKeyReused, ErrNoPurchase, ErrNotPaid,
// ErrAllRefunded, ErrDisputed, ErrRefused, ErrNotSetUp, kinds Unprocessable (field "amount") and
// Unavailable (retry with the same key; a refund that has begun is completed in any case):
// ErrRefundUnderWay while it depends on another one.
func (s *Service) Refund(ctx context.Context, account, id uuid.UUID, key string, p RefundParams) (_ Purchase,
	replayed bool, err error,
) {
	return s.startRefund(ctx, account, id, key, p, false)
}

// Return is a creator's own refund of an unused pack, within the catalog's days after the purchase. Errors
// as Refund, and ErrTouched, ErrHeld, ErrTooLate.
func (s *Service) Return(ctx context.Context, account, id uuid.UUID, key string) (_ Purchase, replayed bool,
	err error,
) {
	return s.startRefund(ctx, account, id, key, RefundParams{Reason: "returned by the creator"}, true)
}

// Returnable reports whether a purchase can be returned now, and until when. It is for display: Return
// decides.
func (s *Service) Returnable(ctx context.Context, p Purchase) (until time.Time, ok bool, err error) {
	until = s.returnUntil(&p)
	if !s.mayReturn(&p) {
		return until, false, nil
	}
	refusal, err := s.touched(ctx, &p)
	return until, err == nil && refusal == nil, err
}

func (s *Service) mayReturn(p *Purchase) bool {
	return s.allowed(p, true) == nil && p.Refunded.Minor == 0
}

func (s *Service) returnUntil(p *Purchase) time.Time {
	return p.CompletedAt.AddDate(0, 0, s.o.Prices().ReturnDays)
}

func (s *Service) startRefund(ctx context.Context, account, id uuid.UUID, key string, p RefundParams,
	untouched bool,
) (Purchase, bool, error) {
	if key == "" {
		return Purchase{}, false, idempotency.ErrNoKey
	}
	if _, err := s.Get(ctx, account, id); err != nil {
		return Purchase{}, false, err
	}
	var r refund
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) (err error) {
		r, err = s.recordRequest(ctx, tx, id, key, p, untouched)
		return err
	})
	var refused *problem.Error
	if errors.As(err, &refused) {
		return Purchase{}, false, refused
	}
	if err != nil {
		return Purchase{}, false, problem.Unavailable(err)
	}
	if !r.done {
		if err := s.executeRefund(ctx, r); err != nil {
			return Purchase{}, false, err
		}
	}
	now, again, err := s.answered(ctx, r)
	return now, again || r.done, err
}

// refundAnswer is the part of a purchase that can change after a refund was answered.
type refundAnswer struct {
	Status   Status        `json:"status"`
	Refunded int64         `json:"refunded_minor"`
	Bill     *payment.Bill `json:"bill"` // without the buyer
}

const (
	sqlKeepAnswer = `update purchase_refunds set answer = $2 where id = $1 and answer is null`
	sqlAnswer     = `select answer from purchase_refunds where id = $1`
)

// answered returns the purchase as the first answer to this refund showed it.
func (s *Service) answered(ctx context.Context, r refund) (_ Purchase, again bool, err error) {
	p, err := s.Get(ctx, r.account, r.purchase)
	if err != nil {
		return p, false, err
	}
	now := refundAnswer{Status: p.Status, Refunded: p.Refunded.Minor}
	if p.Bill != nil {
		now.Bill = &payment.Bill{Tax: p.Bill.Tax, ReceiptURL: p.Bill.ReceiptURL}
	}
	tag, err := s.pool.Exec(ctx, sqlKeepAnswer, r.id, now)
	if err != nil {
		return p, false, problem.Unavailable(err)
	}
	if tag.RowsAffected() == 1 {
		return p, false, nil
	}
	var kept refundAnswer
	if err := s.pool.QueryRow(ctx, sqlAnswer, r.id).Scan(&kept); err != nil {
		return p, false, problem.Unavailable(err)
	}
	p.Status, p.Refunded.Minor, p.Bill = kept.Status, kept.Refunded, kept.Bill
	return p, true, nil
}

// recordRequest finds the refund of this key, or records it if it is allowed.
func (s *Service) recordRequest(ctx context.Context, tx pgx.Tx, id uuid.UUID, key string, p RefundParams,
	untouched bool,
) (refund, error) {
	of, err := lock(ctx, tx, id)
	if err != nil {
		return refund{}, err
	}
	r := refund{
		purchase:  id,
		account:   of.AccountID,
		untouched: untouched,
	}
	var known []byte
	err = tx.QueryRow(ctx, `select id, amount_minor, fingerprint, done_at is not null from purchase_refunds where account = $1 and idempotency_key = $2`,
		of.AccountID, key).Scan(&r.id, &r.amount, &known, &r.done)
	if err == nil && string(known) != string(p.fingerprint(id, untouched)) {
		return refund{}, idempotency.ErrKeyReused
	}
	if !errors.Is(err, pgx.ErrNoRows) { // found, or not readable
		return r, err
	}
	if err := s.allowed(&of, untouched); err != nil {
		return refund{}, err
	}
	if r.amount, err = refundAmount(ctx, tx, &of, p.Amount); err != nil {
		return refund{}, err
	}
	if _, err := s.o.Ledger.ClaimKey(ctx, tx, of.AccountID, key, p.fingerprint(id, untouched)); err != nil {
		return refund{}, err
	}
	r.id = uuid.New()
	return r, s.insertRefund(ctx, tx, r, key, p)
}

const (
	sqlRefund = `insert into purchase_refunds (id, purchase, account, amount_minor, reason, untouched, idempotency_key, fingerprint, created_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	// sqlTouch has the ledger check the purchase again: a pack is frozen while it is being returned.
	sqlTouch = `update purchases set version = version + 1, updated_at = $2 where id = $1`
)

func (s *Service) insertRefund(ctx context.Context, tx pgx.Tx, r refund, key string, p RefundParams) error {
	now := s.o.Clock()
	if _, err := tx.Exec(ctx, sqlRefund, r.id, r.purchase, r.account, r.amount, p.Reason, r.untouched, key,
		p.fingerprint(r.purchase, r.untouched), now); err != nil {
		return err
	}
	if !r.untouched {
		return nil
	}
	_, err := tx.Exec(ctx, sqlTouch, r.purchase, now)
	return err
}

// allowed returns why a purchase cannot be refunded, or nil.
func (s *Service) allowed(p *Purchase, untouched bool) error {
	switch {
	case !p.credited():
		return ErrNotPaid
	case p.fullyRefunded():
		return ErrAllRefunded
	case p.disputed:
		return ErrDisputed
	case !s.sameProvider(p):
		return ErrNotSetUp
	case untouched && !s.o.Clock().Before(s.returnUntil(p)):
		return ErrTooLate
	}
	return nil
}

// sqlUnderWay sums the refunds under way. A part of them may already be in the recorded refunds.
const sqlUnderWay = `select coalesce(sum(amount_minor), 0)::bigint from purchase_refunds where purchase = $1 and done_at is null`

// refundAmount is the amount of a refund: the requested amount, or all that is left. While other refunds are under
// way, the rest is uncertain: they may already be recorded, and they may be refused. A request within the
// certain rest is granted, one above the possible rest is refused, and any other has to be retried.
func refundAmount(ctx context.Context, tx pgx.Tx, p *Purchase, asked *money.Amount) (int64, error) {
	var underWay int64
	if err := tx.QueryRow(ctx, sqlUnderWay, p.ID).Scan(&underWay); err != nil {
		return 0, err
	}
	most := p.Paid.Minor - p.refundedMinor() // if the refunds under way are recorded already
	least := max(most-underWay, 0)           // if none of them is
	amount := most
	if asked != nil {
		if err := checkRefund(p, asked, most); err != nil {
			return 0, err
		}
		amount = asked.Minor
	}
	if amount > least {
		return 0, ErrRefundUnderWay
	}
	return amount, nil
}

// checkRefund validates a requested amount; most is the largest possible refund in minor units.
func checkRefund(p *Purchase, asked *money.Amount, most int64) error {
	step := money.Amount{Minor: money.Step(p.Paid.Currency), Currency: p.Paid.Currency}
	switch {
	case asked.Currency != p.Paid.Currency:
		return problem.Invalid("amount", "must be in %s, as the purchase is", p.Paid.Currency)
	case asked.Minor < 1 || asked.Minor > most:
		return problem.Invalid("amount", "must be more than zero and at most the %s that are left",
			money.Amount{Minor: most, Currency: p.Paid.Currency})
	case asked.Minor%step.Minor != 0:
		return problem.Invalid("amount", "must be a multiple of %s: nothing else can be paid", step)
	}
	return nil
}

// executeRefund carries out a refund. Each step is idempotent, so a later call or the job can finish an
// interrupted one.
func (s *Service) executeRefund(ctx context.Context, r refund) error {
	p, err := s.Get(ctx, r.account, r.purchase)
	if err != nil {
		return err
	}
	if r.untouched {
		if err := s.freezeUnused(ctx, r, &p); err != nil {
			return err
		}
	}
	if r.amount > 0 {
		amount := money.Amount{Minor: r.amount, Currency: p.Paid.Currency}
		err = s.o.Provider.Refund(ctx, payment.Refund{
			Key:     r.id.String(),
			Payment: p.payment,
			Amount:  amount,
		})
	}
	no := payment.Final(err)
	if err != nil && !no {
		return problem.Unavailable(err)
	}
	// The provider may have refused because of a refund that is not recorded yet.
	if err := s.recordRefunds(ctx, &p); err != nil {
		return err
	}
	if no {
		return s.refused(ctx, r, &p, ErrRefused.Wrap(err))
	}
	return s.done(ctx, r, &p)
}

// recordRefunds records what the provider reports as refunded so far. A checkout that it no longer knows
// changes nothing.
func (s *Service) recordRefunds(ctx context.Context, p *Purchase) error {
	c, err := s.o.Provider.Checkout(ctx, p.session)
	if errors.Is(err, payment.ErrNone) {
		return nil
	}
	if err != nil {
		return problem.Unavailable(err)
	}
	return s.note(ctx, p, &c)
}

const sqlDone = `with ended as (update purchase_refunds set done_at = $2 where id = $1 and done_at is null returning purchase, amount_minor)
	update purchases set version = version + 1, updated_at = $2, taken_back = taken_back or ended.amount_minor = 0 from ended where id = ended.purchase`

// done marks a refund as carried out. The ledger takes the tokens back first, while the refund's cause is
// still known.
func (s *Service) done(ctx context.Context, r refund, p *Purchase) error {
	if err := s.applyReversals(ctx, p.ID); err != nil {
		return err
	}
	if _, err := s.pool.Exec(ctx, sqlDone, r.id, s.o.Clock()); err != nil {
		return problem.Unavailable(err)
	}
	return s.applyReversals(ctx, p.ID)
}

// refused deletes a refused refund, so that its key is free again.
func (s *Service) refused(ctx context.Context, r refund, p *Purchase, why error) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var key string
		err := tx.QueryRow(ctx, `delete from purchase_refunds where id = $1 and done_at is null returning idempotency_key`, r.id).Scan(&key)
		if err == nil {
			err = s.o.Ledger.DropClaim(ctx, tx, r.account, key)
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		_, err = tx.Exec(ctx, sqlTouch, r.purchase, s.o.Clock())
		return err
	})
	if err != nil {
		return problem.Unavailable(err)
	}
	if err := s.applyReversals(ctx, p.ID); err != nil {
		return err
	}
	return why
}

// freezeUnused freezes a pack that is being returned, and refuses the return if tokens were used.
func (s *Service) freezeUnused(ctx context.Context, r refund, p *Purchase) error {
	if err := s.applyReversals(ctx, p.ID); err != nil { // freezes
		return err
	}
	refusal, err := s.touched(ctx, p)
	if err != nil {
		return err
	}
	if refusal != nil && !p.fullyRefunded() {
		return s.refused(ctx, r, p, refusal)
	}
	return nil
}

// touched returns why a pack is not unused: tokens were spent, or are held by a job. Nil if all are free.
func (s *Service) touched(ctx context.Context, p *Purchase) (refusal *problem.Error, err error) {
	bought, err := s.o.Ledger.Purchase(ctx, p.AccountID, p.ID.String())
	if err != nil {
		return nil, err
	}
	a, err := s.o.Ledger.Account(ctx, p.AccountID)
	if err != nil {
		return nil, err
	}
	for i := range a.Lots {
		if l := &a.Lots[i]; l.Number == bought.Lot() {
			switch {
			case l.Remaining < l.Amount:
				return ErrTouched, nil
			case l.Held > 0:
				return ErrHeld, nil
			}
			return nil, nil
		}
	}
	return ErrTouched, nil
}
